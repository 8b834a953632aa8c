"""Guarantees of the configuration: one order of sources, every mistake named at once, no secret in any message."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hub.errors import ConfigurationError
from hub.settings import Settings, config_path, load_settings, markdown_table, mask, write_duration
from hub.settings.load import known_keys, table_of
from hub.settings.table import documented_fields

HASH = hashlib.sha256(b"key").hexdigest()
PROVIDER: Mapping[str, object] = {"issuer": "https://id.example.com", "client_id": "hub"}
APP: Mapping[str, object] = {"prefix": "/apps/a", "upstream": "http://127.0.0.1:9001"}


def load(tree: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(None, environ or {}, tree)


def refusal(tree: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(tree, environ)
    return str(caught.value)


def written(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text)
    return path


def test_nothing_configured_is_a_hub_on_loopback() -> None:
    """Without any configuration the defaults are those of the documentation."""
    settings = load()
    assert settings.bind == "127.0.0.1:8000"
    assert settings.public_url == settings.console_url == "http://127.0.0.1:8000"
    assert (settings.session.idle, settings.session.absolute) == (1800.0, 43200.0)
    assert (settings.store_url, settings.durability, settings.home) == ("embedded", "local", "/docs")


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    """hub.toml, then HUB_*, then flags."""
    path = written(tmp_path, 'bind = "127.0.0.1:1"\nlog_level = "error"\n[session]\nidle = "1m"\nper_user = 3\n')
    environ = {"HUB_BIND": "127.0.0.1:2", "HUB_SESSION__IDLE": "2s"}
    settings = load_settings(path, environ, {"bind": "127.0.0.1:3", "log_level": None})
    assert (settings.bind, settings.log_level) == ("127.0.0.1:3", "error")
    assert (settings.session.idle, settings.session.per_user) == (2.0, 3)


def test_environment_reaches_tables_by_name(tmp_path: Path) -> None:
    """Double underscores nest, names included; a name written otherwise in the file is the same name."""
    path = written(tmp_path, '[sections.Cart]\nbrowser = "read"\n[services.billing]\nsections = { Cart = "read" }\n')
    environ = {
        "HUB_SERVICES__BILLING__KEY_SHA256": f"{HASH},{HASH}",
        "HUB_SERVICES__BILLING__SECTIONS__CART": "write",
        "HUB_SECTIONS__CART__BROWSER": "none",
        "HUB_SECTIONS__CART__INITIAL": '{"items": []}',
        "HUB_TRUSTED_PROXIES": '["10.0.0.0/8"]',
        "HUB_ALLOWED_ORIGINS": "",
    }
    settings = load_settings(path, environ)
    assert settings.services["billing"].key_sha256 == (HASH, HASH)
    assert settings.services["billing"].sections == {"Cart": "write"}
    assert settings.sections["Cart"].browser == "none"
    assert settings.sections["Cart"].initial == {"items": []}
    assert settings.trusted_proxies == ("10.0.0.0/8",)


def test_some_names_are_no_settings() -> None:
    """HUB_CONFIG, HUB_TOKEN, HUB_TEST_* and what an …_env points to are not taken for settings."""
    environ = {"HUB_CONFIG": "x", "HUB_TOKEN": "x", "HUB_TEST_STORE": "redis", "HUB_IDP_SECRET": "sesame"}
    settings = load({"identity_providers.main": {**PROVIDER, "client_secret_env": "HUB_IDP_SECRET"}}, environ)
    secret = settings.identity_providers["main"].client_secret
    assert secret is not None
    assert secret.get_secret_value() == "sesame"
    assert "HUB_IDP_SECRET: idp_secret: unknown key" in refusal(environ=environ)


def test_an_environment_variable_may_name_the_secret_variable() -> None:
    """…_env given through the environment counts too."""
    environ = {
        "HUB_IDENTITY_PROVIDERS__MAIN__ISSUER": "https://id.example.com",
        "HUB_IDENTITY_PROVIDERS__MAIN__CLIENT_ID": "hub",
        "HUB_IDENTITY_PROVIDERS__MAIN__CLIENT_SECRET_ENV": "HUB_IDP_SECRET",
        "HUB_IDP_SECRET": "sesame",
    }
    assert load(environ=environ).identity_providers["main"].client_secret is not None


def test_an_unknown_variable_is_named_as_it_was_written() -> None:
    """The line says which variable, not only which key."""
    assert refusal(environ={"HUB_SESION__IDLE": "1m"}).startswith("HUB_SESION__IDLE: sesion: unknown key")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """One line per mistake, in one run, with the file or variable it came from."""
    path = written(tmp_path, 'bind = "nowhere"\n[limits]\nconnections = -1\n[session]\nidle = "soon"\nx = 1\n')
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, {"HUB_LOG_LEVEL": "loud"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert sum(line.startswith(f"{path}: ") for line in lines) == 4
    assert sum(line.startswith("HUB_LOG_LEVEL: log_level: ") for line in lines) == 1


ACCEPTED: list[tuple[str, object, Any]] = [
    ("session.idle", "2s", 2.0),
    ("session.idle", "1.5h", 5400.0),
    ("session.audit_retention", "0", 0.0),
    ("bind", "[::1]:0", "[::1]:0"),
    ("public_url", "https://Hub.Example.com:443/", "https://hub.example.com"),
    ("public_url", "http://demo.localhost:1234", "http://demo.localhost:1234"),
    ("durability", "replicated:2", "replicated:2"),
    (
        "allowed_origins",
        "https://a.example.com, https://b.example.com",
        ("https://a.example.com", "https://b.example.com"),
    ),
    ("metrics_bind", "", ""),
    ("store_url", "embedded", "embedded"),
]


@pytest.mark.parametrize(("key", "value", "kept"), ACCEPTED)
def test_good_values_are_kept_in_their_normal_form(key: str, value: object, kept: object) -> None:
    """What is allowed is read as meant."""
    found: object = load({key: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == kept


STORES = [
    "rediss://user:pw@store.example.com:6380/0",
    "redis://[::1]:6379",
    "unix:///run/valkey.sock",
    "redis+sentinel://127.0.0.1:26379,localhost:26380/main",
    "rediss+cluster://a.example.com,b.example.com:7000",
    "redis+cluster://[::1]:7000,127.0.0.1?db=0",
]


@pytest.mark.parametrize("url", STORES)
def test_store_urls_of_every_kind_are_accepted(url: str) -> None:
    """TLS anywhere, plaintext on loopback."""
    assert load({"store_url": url, "keys.file": "k"}).store_url == url


def test_paths_are_relative_to_the_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """…wherever the command was started."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/p.json").write_text('{"type": "object"}')
    (tmp_path / "secret").write_text("sesame\n")
    text = (
        'data_dir = "data"\n[keys]\nfile = "ring.toml"\n[sections.p]\nschema = "schemas/p.json"\n'
        '[identity_providers.m]\nissuer = "https://x.example.com"\nclient_id = "h"\nclient_secret_file = "secret"\n'
    )
    path = written(tmp_path, text)
    monkeypatch.chdir("/")
    settings = load_settings(path, {})
    assert (settings.data_dir, settings.keys.file) == (tmp_path / "data", tmp_path / "ring.toml")
    assert settings.sections["p"].schema_file == tmp_path / "schemas/p.json"
    secret = settings.identity_providers["m"].client_secret
    assert secret is not None
    assert secret.get_secret_value() == "sesame"


def test_a_schema_is_checked_before_anybody_logs_in(tmp_path: Path) -> None:
    """A file that is no JSON, no schema, or refuses the initial value is a mistake of the configuration."""
    schema = tmp_path / "s.json"
    for text, said in (
        ("{", "is not JSON"),
        ('{"type": "objekt"}', "is not a valid JSON Schema"),
        ('{"type": "array"}', "sections.p.initial: does not fit"),
    ):
        schema.write_text(text)
        assert said in refusal({"sections.p": {"schema": str(schema), "initial": {}}})


@pytest.mark.parametrize(("text", "said"), [("bind = ", "not TOML"), ("a = 1\na = 2", "not TOML")])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """Not TOML, not there, a folder, not UTF-8."""
    path = written(tmp_path, text)
    for wrong, why in (
        (path, said),
        (tmp_path / "no.toml", "no such configuration file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            load_settings(wrong, {})
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings(path, {})


def test_no_secret_shows_in_messages_or_in_what_is_printed() -> None:
    """Neither a mistake nor `hub config check` repeats a password."""
    canary = "s3same-canary"
    assert canary not in refusal({"store_url": f"redis://u:{canary}@far.example.com", "public_url": f"x://{canary}"})
    settings = load(
        {
            "store_url": f"rediss://u:{canary}@far.example.com",
            "keys.file": "k",
            "identity_providers.m": {**PROVIDER, "client_secret": canary},
        }
    )
    assert canary not in json.dumps(mask(settings))
    assert canary not in repr(settings.identity_providers)
    assert "far.example.com" in str(mask(settings)["store_url"])


def test_defaults_follow_from_other_keys() -> None:
    """home, console_url and audiences."""
    settings = load({"apps.a": APP, "public_url": "https://hub.example.com", "identity_providers.m": PROVIDER})
    assert settings.home == "/apps/a"
    assert settings.console_url is None
    assert settings.identity_providers["m"].audiences == ("hub",)


def test_settings_cannot_be_changed() -> None:
    """Frozen: nobody reconfigures a running node by accident."""
    with pytest.raises(ValueError, match="frozen"):
        load().session.__setattr__("idle", 1.0)


def test_the_file_is_found_by_flag_then_variable_then_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, HUB_CONFIG, ./hub.toml, nothing."""
    monkeypatch.chdir(tmp_path)
    assert config_path(None, {}) is None
    path = written(tmp_path, "")
    assert config_path(None, {}) == Path("hub.toml")
    assert config_path(None, {"HUB_CONFIG": "b.toml"}) == Path("b.toml")
    assert config_path(path, {"HUB_CONFIG": "b.toml"}) == path


def test_every_key_is_documented() -> None:
    """A key without its sentence fails here, and the table has a row for each."""
    fields = dict(documented_fields())
    assert set(fields) == set(known_keys())
    assert [key for key, field in fields.items() if not (field.description or "").endswith(".")] == []
    assert _tables_without_description(Settings) == []
    assert all(f"| `{key}` |" in markdown_table() for key in fields)


def _tables_without_description(table: type[BaseModel]) -> list[str]:
    missing = []
    for name, field in table.model_fields.items():
        inner = table_of(field.annotation)
        if inner is not None:
            missing += [name] * (not field.description) + _tables_without_description(inner)
    return missing


def test_the_table_in_the_documentation_is_the_generated_one() -> None:
    """`hub config table` writes it; a changed key makes this fail until it is written again."""
    assert Path(__file__).parents[1].joinpath("hub/settings/KEYS.md").read_text().endswith("\n\n" + markdown_table())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (90.0, "90s"), (3600.0, "1h"), (2592000.0, "30d"), (0.5, "0.5s")]
)
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    """The printed configuration reads back."""
    assert write_duration(seconds) == text
    assert load({"session.audit_retention": text}).session.audit_retention == seconds
