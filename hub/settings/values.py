"""The kinds of value a configuration key can hold: how each is read, checked and written.

Every reader takes what TOML or the environment gives and returns the one normal form, or raises ``ValueError`` with a
sentence a person can act on. Messages never repeat the value: it may be a secret.
"""

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import orjson
from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints, ValidationInfo

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
LONGEST = 3650 * DAY

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_STORE_URL = re.compile(r"([a-z+]+)://([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?")
_STORE_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_HOST_AND_PORT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def read_duration(value: object) -> float:
    """``30m`` → 1800.0 seconds. Units are s, m, h and d; a bare ``0`` needs none."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if value == "0":
        return 0.0
    if match is None:
        raise ValueError('not a duration: write a number and one of s, m, h, d, as in "30m"')
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST:
        raise ValueError("longer than ten years")
    return seconds


def write_duration(seconds: float) -> str:
    """The shortest exact text of a duration: 1800.0 → ``30m``."""
    for unit, size in reversed(_UNITS.items()):
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def split_bind(bind: str) -> tuple[str, int]:
    """``127.0.0.1:8000`` or ``[::1]:8000`` → host without brackets, port."""
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)


def read_bind(value: str) -> str:
    host, colon, port = value.strip().rpartition(":")
    bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or not host or bare_v6 or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('not host:port, as in "127.0.0.1:8000"')
    return f"{host}:{int(port)}"


def _split_url(value: str) -> tuple[SplitResult, str, int | None]:
    try:
        url = urlsplit(value.strip())
        return url, (url.hostname or "").lower(), url.port
    except ValueError:
        raise ValueError("not a URL") from None


def _web_url(value: str) -> tuple[str, str]:
    """Origin and path of an http(s) URL without user, query and fragment."""
    url, host, port = _split_url(value)
    scheme = url.scheme.lower()
    address = ":" in host
    if scheme not in ("http", "https") or not (address or _HOST.fullmatch(host)):
        raise ValueError("not an http:// or https:// URL")
    if url.username is not None or url.query or url.fragment:
        raise ValueError("a URL without user, query and fragment is needed")
    name = f"[{host}]" if address else host
    shown = "" if port in (None, 443 if scheme == "https" else 80) else f":{port}"
    return f"{scheme}://{name}{shown}", url.path


def read_origin(value: str) -> str:
    """An origin as browsers write it: lower case, no default port, no path (RFC 6454 §6.2)."""
    origin, path = _web_url(value)
    if path not in ("", "/"):
        raise ValueError("only scheme, host and port are allowed, no path")
    return origin


def read_safe_origin(value: str) -> str:
    origin = read_origin(value)
    _needs_https(origin)
    return origin


def read_issuer(value: str) -> str:
    """An issuer, kept to the letter: it is compared with the one in tokens (OpenID Connect Core §2)."""
    origin, _ = _web_url(value)
    _needs_https(origin)
    return value


def _needs_https(origin: str) -> None:
    if origin.startswith("http:") and not is_loopback(urlsplit(origin).hostname or ""):
        raise ValueError("http:// is only allowed on a loopback host; use https://")


def read_host(value: str) -> str:
    """The ``Host`` an app answers on: a name, with a port where it is not the default."""
    host, _, port = value.strip().lower().partition(":")
    if not _HOST.fullmatch(host) or (port and not port.isdigit()) or value.endswith(":"):
        raise ValueError('not a host name, as in "a.example.com"')
    return value.strip().lower()


def read_store_url(value: str) -> str:
    """``embedded`` or the URL of a store; TLS unless every host is on loopback."""
    if value in ("", "embedded"):
        return "embedded"
    match = _STORE_URL.fullmatch(value)  # no urlsplit: several hosts are no URL to it
    if match is None:
        raise ValueError("not a URL")
    scheme, netloc, path, query = (part or "" for part in match.groups())
    _check_query(query, is_for_sentinels=scheme.endswith("+sentinel"))
    if scheme == "unix":
        if netloc or not path.startswith("/"):
            raise ValueError("unix:// needs an absolute path, as in unix:///run/valkey.sock")
        return value
    if scheme not in _STORE_SCHEMES:
        raise ValueError('"embedded" or one of redis://, rediss://, unix://, redis+sentinel://, redis+cluster://')
    hosts = [_host_of(part) for part in netloc.rpartition("@")[2].split(",")]
    if len(hosts) > 1 and "+" not in scheme:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    if scheme.endswith("+sentinel") and not path.strip("/"):
        raise ValueError("redis+sentinel:// needs the primary's name: redis+sentinel://host,host/name")
    if scheme.endswith("+cluster") and (path.strip("/") or re.search(r"(^|&)db=0*[^0&]", query)):
        raise ValueError("a cluster has database 0 only: redis+cluster://host,host, with no path and no db")
    if not scheme.startswith("rediss") and not all(map(is_loopback, hosts)):
        raise ValueError(f"plaintext to another machine; use rediss{scheme[5:]}:// (TLS)")
    return value


def _check_query(query: str, *, is_for_sentinels: bool) -> None:
    """What the query may say. Redis' own libraries would also let it switch the check of certificates off."""
    known = {"db", "username", "password"} | ({"sentinel_username", "sentinel_password"} if is_for_sentinels else set())
    if not all(part.partition("=")[0] in known for part in query.split("&") if part):
        raise ValueError("its query may hold db, username and password; certificates are store_ca_file's business")


def _host_of(netloc: str) -> str:
    match = _HOST_AND_PORT.fullmatch(netloc)
    if match is None:
        raise ValueError("names no host, or one that is not host or host:port")
    return match[1]


def read_durability(value: str) -> str:
    if value in ("local", "fsynced") or re.fullmatch(r"replicated:[1-9]\d?", value):
        return value
    raise ValueError('"local", "replicated:N" with N from 1 to 99, or "fsynced"')


def read_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise ValueError("not an address or network, as in 10.0.0.0/8") from None


def read_home(value: str) -> str:
    """Where / leads: a path of this origin, other than / itself."""
    if value and not re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]+", value):
        raise ValueError('a path on this hub is needed, as in "/apps/a"')
    return value


def read_prefix(value: str) -> str:
    """Whole path segments: ``/apps/a``."""
    segments = value.split("/")[1:]
    if not value.startswith("/") or not all(re.fullmatch(r"[A-Za-z0-9._~-]+", s) for s in segments):
        raise ValueError('whole path segments are needed, as in "/apps/a": no slash at the end, nothing encoded')
    if any(set(segment) == {"."} for segment in segments):
        raise ValueError("a path of dots leads elsewhere")
    return value


def read_list(value: object) -> object:
    """A list; one string is a list of one, and commas part it (that is how the environment writes lists)."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def read_json(value: object) -> object:
    """A JSON value a document may hold (I-JSON, RFC 7493)."""
    try:
        json.dumps(value, allow_nan=False)
        orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("not a JSON value: dates, infinities and integers beyond 2^53 are not") from None
    return value


def resolve(value: Path, info: ValidationInfo) -> Path:
    """A path, relative ones from the configuration file's folder."""
    base = (info.context or {}).get("base") or Path.cwd()
    if "\0" in str(value):
        raise ValueError("not a path")
    try:
        return Path(base, value.expanduser())
    except RuntimeError:
        raise ValueError("a path of a user that is not known here") from None


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a whole number is needed")
    return value


def _flag(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false")):
        return value
    raise ValueError("true or false is needed")


Duration = Annotated[
    float, BeforeValidator(read_duration), PlainSerializer(write_duration, return_type=str, when_used="json")
]
Count = Annotated[int, BeforeValidator(_whole)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Bind = Annotated[str, AfterValidator(read_bind)]
BindOrNone = Annotated[str, AfterValidator(lambda value: read_bind(value) if value else "")]
Origin = Annotated[str, AfterValidator(read_origin)]
SafeOrigin = Annotated[str, AfterValidator(read_safe_origin)]
SafeOriginOrNone = Annotated[str, AfterValidator(lambda value: read_safe_origin(value) if value else "")]
Issuer = Annotated[str, AfterValidator(read_issuer)]
Host = Annotated[str, AfterValidator(read_host)]
StoreUrl = Annotated[str, AfterValidator(read_store_url)]
Durability = Annotated[str, AfterValidator(read_durability)]
Network = Annotated[str, AfterValidator(read_network)]
Home = Annotated[str, AfterValidator(read_home)]
Prefix = Annotated[str, AfterValidator(read_prefix)]
Json = Annotated[object, AfterValidator(read_json)]
FilePath = Annotated[Path, AfterValidator(resolve)]
Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
KeyHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", to_lower=True)]
