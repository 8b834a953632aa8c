"""Targets that are configuration: files, flags and variables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hub.errors import ConfigurationError
from hub.settings import load_settings
from tests.fuzz.inputs import mutated, wild
from tests.fuzz.targets import Target


def _configures(text: bytes) -> None:
    """Settings, or clear lines about what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hub.toml"
        path.write_bytes(text)
        _loads_settings(lambda: load_settings(path, {}))


def _overrides(tree: dict[str, Any]) -> None:
    """The same for values that come from flags and variables."""
    _loads_settings(lambda: load_settings(None, {}, tree))


def _loads_settings(load: Callable[[], object]) -> None:
    try:
        load()
    except ConfigurationError as error:
        if not str(error) or "Traceback" in str(error):
            raise AssertionError("refused without a clear line") from error


TOML = b"""
public_url = "https://hub.example.com"
bind = "127.0.0.1:8000"
allowed_origins = ["https://page.example.com"]
trusted_proxies = ["10.0.0.0/8"]
log_level = "info"
[session]
idle = "30m"
absolute = "12h"
[limits]
failures_per_minute = 60
[identity_providers.main]
issuer = "https://id.example.com"
client_id = "hub"
claims = { name = "name", roles = "groups" }
operator_claim = "roles"
operator_value = "operators"
[sections.profile]
browser = "write"
initial = { a = [1, 2.5, true] }
max_bytes = 4096
[apps.a]
prefix = "/apps/a"
upstream = "http://127.0.0.1:9001"
sections = { profile = "write" }
[apps.b]
host = "b.example.com"
upstream = "http://127.0.0.1:9002"
[services.billing]
key_sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
sections = { profile = "read" }
"""
_KEYS = ("bind", "public_url", "console_url", "home", "store_url", "data_dir", "allowed_origins", "trusted_proxies",
"log_level",
         "durability", "session.idle", "session.absolute", "session.per_user", "session.clear_site_data",
         "limits.connections",
         "sections.p", "sections.p.initial", "sections.p.schema", "sections.p.browser", "apps.a", "apps.a.prefix",
         "apps.a.host",
         "apps.a.upstream", "apps.a.sections", "services.s", "services.s.key_sha256", "identity_providers.m",
         "identity_providers.m.issuer", "identity_providers.m.claims", "keys.file")  # fmt: skip
_settings_values = wild | mutated(
    [b"127.0.0.1:8000", b"https://hub.example.com", b"30m", b"/apps/a", b"redis://127.0.0.1:6379/0", b"10.0.0.0/8",
     b"a.example.com:8443", b"unix:///run/store.sock", b"rediss://store.example.com"]
).map(lambda raw: raw.decode("latin-1"))  # fmt: skip

TARGETS = [
    Target("hub.toml", mutated([TOML]), _configures),
    Target("settings", st.dictionaries(st.sampled_from(_KEYS), _settings_values, max_size=3), _overrides),
]
