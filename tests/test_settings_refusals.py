"""What the configuration refuses, rule by rule: one clear line each, with the key it is about."""

import hashlib
from collections.abc import Mapping

import pytest

from hub.errors import ConfigurationError
from hub.settings import load_settings

HASH = hashlib.sha256(b"key").hexdigest()
PROVIDER: Mapping[str, object] = {"issuer": "https://id.example.com", "client_id": "hub"}
APP: Mapping[str, object] = {"prefix": "/apps/a", "upstream": "http://127.0.0.1:9001"}


def refusal(tree: Mapping[str, object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, tree)
    return str(caught.value)


UNKNOWN = [
    ({"session": {"idel": "3m"}}, "session.idel: unknown key; the nearest known one is session.idle"),
    ({"idle": "3m"}, "idle: unknown key; the nearest known one is session.idle"),
    (
        {"apps": {"a": {**APP, "upstraem": "x"}}},
        "apps.a.upstraem: unknown key; the nearest known one is apps.a.upstream",
    ),
    ({"sections": {"p": {"schma": "x"}}}, "sections.p.schma: unknown key; the nearest known one is sections.p.schema"),
    ({"sesion": {}}, "sesion: unknown key; the nearest known one is session"),
]


@pytest.mark.parametrize(("tree", "said"), UNKNOWN)
def test_an_unknown_key_names_the_nearest_one(tree: dict[str, object], said: str) -> None:
    """A typing mistake is told with the key that was meant."""
    assert said in refusal(tree)


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"bind": "8000"}, "bind: not host:port"),
    ({"bind": "::1:8000"}, "bind: not host:port"),
    ({"bind": "127.0.0.1:70000"}, "bind: not host:port"),
    ({"bind": 8000}, "bind: a valid string"),
    ({"bind": "0.0.0.0:8000"}, "public_url: required"),
    ({"public_url": "http://hub.example.com"}, "public_url: http:// is only allowed on a loopback host"),
    ({"public_url": "https://hub.example.com/x"}, "public_url: only scheme, host and port"),
    ({"public_url": "https://u:p@hub.example.com"}, "public_url: a URL without user"),
    ({"public_url": "https://hub.example.com:99999"}, "public_url: not a URL"),
    ({"public_url": "https://[::1"}, "public_url: not a URL"),
    ({"public_url": "ftp://x"}, "public_url: not an http"),
    ({"console_url": "http://127.0.0.1:8001"}, "console_url: needs a host name of its own: cookies do not keep"),
    (
        {"public_url": "https://hub.example.com", "console_url": "http://localhost:9000"},
        "console_url: has to be https as public_url is",
    ),
    ({"session": {"clear_site_data": ["everything"]}}, "session.clear_site_data.0: "),
    ({"home": "//evil.example.com"}, "home: a path on this hub"),
    ({"home": "/"}, "home: a path on this hub"),
    ({"home": "https://evil.example.com"}, "home: a path on this hub"),
    ({"trusted_proxies": ["10.0.0.0/99"]}, "trusted_proxies.0: not an address"),
    ({"durability": "replicated:0"}, 'durability: "local"'),
    ({"durability": "strong"}, 'durability: "local"'),
    ({"session.idle": 30}, "session.idle: not a duration"),
    ({"session.idle": "0"}, "session.idle: greater than 0"),
    ({"session.idle": "-3m"}, "session.idle: not a duration"),
    ({"session.idle": "99999d"}, "session.idle: longer than ten years"),
    ({"session.per_user": True}, "session.per_user: a whole number"),
    ({"session.per_user": 1.5}, "session.per_user: a valid integer"),
    ({"session": 5}, "session: "),
    ({"store_url": "redis://store.example.com"}, "store_url: plaintext to another machine; use rediss://"),
    ({"store_url": "redis+cluster://127.0.0.1,10.0.0.2"}, "use rediss+cluster://"),
    ({"store_url": "redis+cluster://127.0.0.1/1"}, "a cluster has database 0 only"),
    ({"store_url": "redis+cluster://127.0.0.1?db=3"}, "a cluster has database 0 only"),
    ({"store_url": "redis+cluster://127.0.0.1?username=a&db=10"}, "a cluster has database 0 only"),
    ({"store_url": "redis+sentinel://127.0.0.1"}, "needs the primary's name"),
    ({"store_url": "mysql://127.0.0.1"}, 'store_url: "embedded" or one of'),
    ({"store_url": "redis://a,b"}, "store_url: several hosts need"),
    ({"store_url": "redis://:pw@"}, "store_url: names no host"),
    ({"store_url": "unix://run/x"}, "store_url: unix:// needs an absolute path"),
    ({"store_url": "redis://127.0.0.1"}, "keys.file: required with this store_url"),
    ({"store_url": "rediss://a?ssl_cert_reqs=none", "keys.file": "k"}, "store_url: its query may hold db,"),
    ({"store_url": "rediss://a?db=1&ssl_check_hostname=no", "keys.file": "k"}, "store_url: its query may hold db,"),
    (
        {"store_url": "redis://localhost", "keys.file": "k", "store_ca_file": "ca"},
        "store_ca_file: only means something",
    ),
    ({"store_url": "rediss://a", "keys.file": "k", "store_key_file": "k"}, "store_key_file: belongs to a"),
    ({"identity_providers.m": {"issuer": "http://id.example.com", "client_id": "h"}}, "m.issuer: http:// is only"),
    (
        {"identity_providers.m": {**PROVIDER, "operator_claim": "roles"}},
        "operator_claim and operator_value go together",
    ),
    ({"identity_providers.m": {**PROVIDER, "operator_claim": "x", "operator_value": "y"}}, "names no key of identity"),
    ({"identity_providers.m": {**PROVIDER, "scopes": ["email"]}}, 'scopes: must contain "openid"'),
    ({"identity_providers.m": {**PROVIDER, "client_secret_env": "NO_SUCH"}}, "variable NO_SUCH is not set"),
    ({"identity_providers.m": {**PROVIDER, "client_secret_file": "nope"}}, "nope is empty or cannot be read"),
    (
        {"identity_providers.m": {**PROVIDER, "client_secret": "a", "client_secret_env": "B"}},
        "give one of client_secret",
    ),
    ({"sections.identity": {}}, "sections.identity: reserved"),
    ({"sections": {"a/b": {}}}, "sections.a/b: not a name"),
    ({"sections.p": {"browser": "all"}}, "sections.p.browser: 'none', 'read' or 'write'"),
    ({"sections.p": {"initial": {"a": float("nan")}}}, "sections.p.initial: not a JSON value"),
    ({"sections.p": {"initial": 2**53}}, "sections.p.initial: not a JSON value"),
    ({"sections.p": {"initial": "x" * 20, "max_bytes": 10}}, "sections.p.initial: larger than the 10 bytes"),
    ({"sections.p": {"schema": "nope.json"}}, "nope.json cannot be read"),
    (
        {"sections.p": {"schema": "~nobody-of-this-name/p.json"}},
        "sections.p.schema: a path of a user that is not known",
    ),
    ({"data_dir": "/tmp/a\0b"}, "data_dir: not a path"),
    ({"data_dir": "~nobody-of-this-name"}, "data_dir: a path of a user that is not known"),
    ({"apps.a": {"upstream": "http://x:1"}}, "apps.a: exactly one of prefix and host"),
    ({"apps.a": {**APP, "host": "a.example.com"}}, "apps.a: exactly one of prefix and host"),
    ({"apps.a": {**APP, "prefix": "/apps/a/"}}, "apps.a.prefix: whole path segments"),
    ({"apps.a": {**APP, "prefix": "apps/a"}}, "apps.a.prefix: whole path segments"),
    ({"apps.a": {**APP, "prefix": "/apps/../v1"}}, "apps.a.prefix: a path of dots"),
    ({"apps.a": {**APP, "prefix": "/apps/%61"}}, "apps.a.prefix: whole path segments"),
    ({"apps.a": {**APP, "prefix": "/v1/a"}}, "apps.a.prefix: /v1 is the hub's own"),
    ({"apps.a": {**APP, "prefix": "/AUTH"}}, "apps.a.prefix: /auth is the hub's own"),
    ({"apps.a": {**APP, "upstream": "http://x:1/path"}}, "apps.a.upstream: only scheme, host and port"),
    ({"apps": {"a": APP, "b": APP}}, "apps.b.prefix: already taken by apps.a"),
    ({"apps.a": {"host": "127.0.0.1:8000", "upstream": "http://x:1"}}, "apps.a.host: is the hub's own host"),
    ({"apps.a": {**APP, "sections": {"x": "read"}}}, "apps.a.sections.x: no such section; configured are identity"),
    ({"apps.a": {**APP, "sections": {"identity": "write"}}}, 'apps.a.sections.identity: only "read"'),
    ({"apps.a": {**APP, "sections": {"x": "own"}}}, "apps.a.sections.x: 'read' or 'write'"),
    ({"services": {"a_b": {"key_sha256": HASH}}}, "services.a_b: not a name"),
    ({"services.s": {}}, "services.s.key_sha256: required"),
    ({"services.s": {"key_sha256": []}}, "services.s.key_sha256: at least one key"),
    ({"services.s": {"key_sha256": "abc"}}, "services.s.key_sha256.0: 64 hexadecimal digits"),
    ({"services.s": {"key_sha256": HASH, "may_end": 1}}, "services.s.may_end: true or false"),
]


@pytest.mark.parametrize(("tree", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_bad_value_is_one_clear_line(tree: dict[str, object], said: str) -> None:
    """Every rule of the configuration refuses with the key and what is wrong."""
    lines = refusal(tree).splitlines()
    assert len(lines) == 1
    assert said in lines[0]
