"""What keys must say together: rules that look at more than one value, and the defaults that follow from other keys.

Each rule yields ``(dotted key, sentence)`` for whatever it finds wrong, so that one run reports everything at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import orjson
from jsonschema_rs import ValidationError, validator_for

from hub.settings.model import AppSettings, ProviderSettings, SectionSettings, Settings
from hub.settings.values import is_loopback, split_bind

IDENTITY = "identity"
RESERVED_PATHS = (
    "/v1",
    "/auth",
    "/console",
    "/client",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/.well-known",
)

Problem = tuple[str, str]


def complete(settings: Settings) -> Settings:
    """The same settings with every default that follows from other keys filled in."""
    public = settings.public_url or _public_url(settings.bind)
    console = settings.console_url
    if console is None and is_loopback(urlsplit(public).hostname or ""):
        console = public
    prefixes = [app.prefix for app in settings.apps.values() if app.prefix]
    home = settings.home or (prefixes[0] if prefixes else "/docs")
    return settings.model_copy(update={"public_url": public, "console_url": console, "home": home})


def _public_url(bind: str) -> str:
    host, port = split_bind(bind)
    if not is_loopback(host):
        return ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def problems(settings: Settings) -> Iterator[Problem]:
    """Everything that is wrong with settings whose values are each fine."""
    if not (settings.public_url or _public_url(settings.bind)):
        yield "public_url", "required, because bind is not a loopback address"
    if settings.store_url != "embedded" and settings.keys.file is None:
        yield "keys.file", "required with this store_url; `hub keys new` makes a key ring"
    yield from _store_tls(settings)
    yield from _console(settings)
    for name, provider in settings.identity_providers.items():
        yield from _provider(f"identity_providers.{name}", provider)
    for name, section in settings.sections.items():
        yield from _section(f"sections.{name}", name, section, settings.session.max_document_bytes)
    for name, app in settings.apps.items():
        yield from _app(f"apps.{name}", app)
    yield from _rivals(settings)
    for kind, holders in (("apps", settings.apps), ("services", settings.services)):
        for name, holder in holders.items():
            yield from _grants(f"{kind}.{name}.sections", holder.sections, settings)
    for name, service in settings.services.items():
        if not service.key_sha256:
            yield f"services.{name}.key_sha256", "at least one key is needed; `hub service-key` makes one"


def _store_tls(settings: Settings) -> Iterator[Problem]:
    files = ("store_ca_file", "store_cert_file", "store_key_file")
    if not settings.store_url.startswith("rediss"):
        yield from ((name, "only means something with rediss://") for name in files if getattr(settings, name))
    elif settings.store_key_file and not settings.store_cert_file:
        yield "store_key_file", "belongs to a store_cert_file"


def _console(settings: Settings) -> Iterator[Problem]:
    """Cookies do not keep ports apart, and one hub has one way to name its cookies."""
    whole = complete(settings)
    if not whole.console_url or whole.console_url == whole.public_url:
        return
    console, public = urlsplit(whole.console_url), urlsplit(whole.public_url or "")
    if console.hostname == public.hostname:
        yield "console_url", "needs a host name of its own: cookies do not keep ports apart"
    if console.scheme != public.scheme:
        yield "console_url", f"has to be {public.scheme} as public_url is"


def _provider(path: str, provider: ProviderSettings) -> Iterator[Problem]:
    if (provider.operator_claim is None) != (provider.operator_value is None):
        yield f"{path}.operator_claim", "operator_claim and operator_value go together"
    elif provider.operator_claim is not None and provider.operator_claim not in provider.claims:
        yield f"{path}.operator_claim", f"names no key of identity; {path}.claims has {_listed(provider.claims)}"
    if "openid" not in provider.scopes:
        yield f"{path}.scopes", 'must contain "openid"'


def _section(path: str, name: str, section: SectionSettings, document_bytes: int) -> Iterator[Problem]:
    if name == IDENTITY:
        yield path, "reserved: the hub writes this section at log-in"
    limit = min(section.max_bytes or document_bytes, document_bytes)
    has_initial = "initial" in section.model_fields_set
    if has_initial and len(orjson.dumps(section.initial)) > limit:
        yield f"{path}.initial", f"larger than the {limit} bytes the section may have"
    if section.schema_file is None:
        return
    try:
        validator = validator_for(orjson.loads(section.schema_file.read_bytes()))
    except OSError:
        yield f"{path}.schema", f"{section.schema_file} cannot be read"
    except (ValueError, ValidationError) as error:
        reason = "is not JSON" if isinstance(error, orjson.JSONDecodeError) else "is not a valid JSON Schema"
        yield f"{path}.schema", f"{section.schema_file} {reason}"
    else:
        if has_initial and not validator.is_valid(section.initial):
            yield f"{path}.initial", f"does not fit {section.schema_file}"


def _app(path: str, app: AppSettings) -> Iterator[Problem]:
    if (app.prefix is None) == (app.host is None):
        yield path, "exactly one of prefix and host is needed"
    for reserved in RESERVED_PATHS:
        if app.prefix is not None and (app.prefix + "/").lower().startswith(reserved + "/"):
            yield f"{path}.prefix", f"{reserved} is the hub's own"


def _rivals(settings: Settings) -> Iterator[Problem]:
    whole = complete(settings)
    own = {urlsplit(url).netloc for url in (whole.public_url, whole.console_url) if url}
    seen: dict[str, str] = {}
    for name, app in settings.apps.items():
        key, place = ("prefix", app.prefix) if app.prefix else ("host", app.host)
        if place is None:
            continue
        if key == "host" and place in own:
            yield f"apps.{name}.host", "is the hub's own host; an app needs another one, or a prefix"
        if place in seen:
            yield f"apps.{name}.{key}", f"already taken by apps.{seen[place]}"
        seen.setdefault(place, name)


def _grants(path: str, grants: Mapping[str, str], settings: Settings) -> Iterator[Problem]:
    for section, access in grants.items():
        if section == IDENTITY:
            if access != "read":
                yield f"{path}.{section}", 'only "read" can be granted: the hub alone writes identity'
        elif section not in settings.sections:
            yield f"{path}.{section}", f"no such section; configured are {_listed({*settings.sections, IDENTITY})}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
