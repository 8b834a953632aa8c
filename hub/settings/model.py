"""Every configuration key: its name, its default and the one sentence that documents it.

Frozen. Attribute names are the key names of ``hub.toml`` (``schema`` is the one exception: ``schema_file``). Durations
are seconds, paths are absolute. The generated table and the error messages are made from these descriptions, so a key
without one fails a test.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from hub.settings.values import (
    DAY,
    HOUR,
    MINUTE,
    Bind,
    BindOrNone,
    Count,
    Durability,
    Duration,
    FilePath,
    Flag,
    Home,
    Host,
    Issuer,
    Json,
    KeyHash,
    Name,
    Network,
    Origin,
    Prefix,
    SafeOrigin,
    SafeOriginOrNone,
    ServiceName,
    StoreUrl,
    Text,
    read_list,
)

Access = Literal["read", "write"]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(read_list)]
Hashes = Annotated[tuple[KeyHash, ...], BeforeValidator(read_list)]
Stores = Annotated[tuple[Literal["cache", "cookies", "storage", "executionContexts"], ...], BeforeValidator(read_list)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(read_list)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(read_list)]
Grants = dict[Name, Access]


class Table(BaseModel):
    """A table of ``hub.toml``: nothing unknown in it, nothing changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True)


class SessionSettings(Table):
    """How long a session lives and how much it may hold."""

    idle: Duration = Field(30 * MINUTE, gt=0, description="A session nobody uses for this long ends (`idle`).")
    absolute: Duration = Field(12 * HOUR, gt=0, description="A session ends this long after log-in, whatever happens.")
    per_user: Count = Field(64, ge=1, description="Live sessions of one user; one more replaces the oldest.")
    connections: Count = Field(32, ge=1, description="Live connections of one session; one more closes the oldest.")
    audit_retention: Duration = Field(
        30 * DAY, description="How long record and history outlive the absolute deadline."
    )
    history_changes: Count = Field(4096, ge=1, description="Most changes kept in a session's history.")
    max_document_bytes: Count = Field(262_144, ge=2, description="Largest document, as JSON in UTF-8.")
    clear_site_data: Stores = Field(
        ("cache",), description="What a log-out tells the browser to clear (`Clear-Site-Data`); [] for nothing."
    )
    operator_max_age: Duration = Field(HOUR, gt=0, description="An operator has to have logged in within this time.")


class LimitSettings(Table):
    """Rates and caps; 0 stands for none."""

    logins_per_minute: Count = Field(60, ge=0, description="Log-ins from one address; 0 = no limit.")
    failures_per_minute: Count = Field(60, ge=0, description="Bad credentials from one address; 0 = no limit.")
    commits_per_second: Count = Field(100, ge=0, description="Commits of one session by users and apps; 0 = no limit.")
    messages_per_second: Count = Field(50, ge=0, description="Messages of one live connection; 0 = no limit.")
    service_commits_per_second: Count = Field(0, ge=0, description="Commits of one service; 0 = no limit.")
    connections: Count = Field(50_000, ge=0, description="Live connections of one node; 0 = no limit.")


class ProviderSettings(Table):
    """An OpenID provider whose users may log in."""

    issuer: Issuer = Field(description="The provider's issuer URL, exactly as it stands in its tokens.")
    client_id: Text = Field(description="The hub's client id at the provider.")
    client_secret_env: Text | None = Field(None, description="Environment variable that holds the client secret.")
    client_secret_file: FilePath | None = Field(None, description="File that holds the client secret.")
    client_secret: SecretStr | None = Field(
        None, validate_default=True, description="The client secret itself; better one of the two above."
    )
    audiences: Texts = Field(
        (),
        validate_default=True,
        description="Audiences accepted in bearer log-ins.",
        json_schema_extra={"default": "the client id"},
    )
    scopes: Texts = Field(("openid", "profile", "email"), description="Scopes asked for at log-in.")
    claims: dict[Name, Text] = Field(
        {"name": "name", "email": "email"}, description="Keys of the section `identity` and the claims that fill them."
    )
    operator_claim: Text | None = Field(None, description="Key of `identity` that tells operators; needs the next one.")
    operator_value: Text | None = Field(None, description="Its value (or one of its values) that makes an operator.")

    @field_validator("client_secret")
    @classmethod
    def _one_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        env, file = info.data.get("client_secret_env"), info.data.get("client_secret_file")
        if sum(source is not None for source in (value, env, file)) > 1:
            raise ValueError("give one of client_secret, client_secret_env, client_secret_file")
        environ: Mapping[str, str] = (info.context or {}).get("environ", {})
        if env is not None:
            return SecretStr(_secret(environ.get(env, ""), f"the environment variable {env} is not set"))
        if file is not None:
            return SecretStr(_secret(_read(file), f"{file} is empty or cannot be read"))
        return value

    @field_validator("audiences")
    @classmethod
    def _own_audience(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return value or tuple(filter(None, [info.data.get("client_id")]))


def _secret(text: str, otherwise: str) -> str:
    if not text.strip():
        raise ValueError(otherwise)
    return text.strip()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


class SectionSettings(Table):
    """A section of every session's document."""

    browser: Literal["none", "read", "write"] = Field(
        "none", description="What the user's own browser may do with it: `none`, `read` or `write`."
    )
    initial: Json = Field(None, description="The section in a new session.", json_schema_extra={"default": "absent"})
    schema_file: FilePath | None = Field(None, alias="schema", description="File with its JSON Schema (2020-12).")
    max_bytes: Count | None = Field(
        None, ge=1, description="Its largest size, as JSON in UTF-8; else only the document's limit counts."
    )


class AppSettings(Table):
    """An application behind the gateway; exactly one of `prefix` and `host`."""

    prefix: Prefix | None = Field(None, description="Path prefix, whole segments; this or `host`.")
    host: Host | None = Field(None, description="A host name of the app's own; this or `prefix`.")
    upstream: Origin = Field(description="The app's server: scheme, host and port.")
    origins: Origins = Field((), description="Further browser origins that may act for this app.")
    anonymous: Flag = Field(False, description="Whether requests without a session pass, without identity.")
    verify_key_sha256: Hashes = Field((), description="SHA-256 (hex) of the keys a proxy shows at `/auth/verify`.")
    sections: Grants = Field({}, description="Sections the app may `read` or `write`.")


class ServiceSettings(Table):
    """A program that commits over HTTP with a key of its own."""

    key_sha256: Hashes = Field(description="SHA-256 (hex) of its keys; a string or, while rotating, a list.")
    sections: Grants = Field({}, description="Sections the service may `read` or `write`, in any session.")
    may_list: Flag = Field(False, description="Whether it may list sessions.")
    may_end: Flag = Field(False, description="Whether it may end sessions.")


class KeysSettings(Table):
    """The key ring."""

    file: FilePath | None = Field(
        None, description="The key ring, made by `hub keys new`; required unless the store is embedded."
    )


class Settings(Table):
    """The whole effective configuration of a node."""

    public_url: SafeOriginOrNone = Field(
        "",
        description="What browsers see; `http` only on loopback.",
        json_schema_extra={"default": "`bind`, if that is loopback"},
    )
    console_url: SafeOrigin | None = Field(
        None,
        description="Where operators find the console.",
        json_schema_extra={"default": "`public_url` on loopback, else no console"},
    )
    bind: Bind = Field("127.0.0.1:8000", description="Address and port to listen on.")
    metrics_bind: BindOrNone = Field(
        "127.0.0.1:9464", description='Address and port of `/metrics`; `""` = no metrics listener.'
    )
    store_url: StoreUrl = Field(
        "embedded", description="`embedded`, or a Redis/Valkey URL (`rediss`, `unix`, …); plaintext only on loopback."
    )
    store_ca_file: FilePath | None = Field(
        None,
        description="Certificates (PEM) that vouch for a `rediss://` store; nobody else does then.",
        json_schema_extra={"default": "the system's authorities"},
    )
    store_cert_file: FilePath | None = Field(None, description="Certificate (PEM) this node shows a `rediss://` store.")
    store_key_file: FilePath | None = Field(None, description="Its private key (PEM), if that is a file of its own.")
    data_dir: FilePath = Field(
        Path(".hub"), validate_default=True, description="Folder of the embedded store and its key ring."
    )
    durability: Durability = Field("local", description="`local`, `replicated:N` or `fsynced`.")
    allowed_origins: Origins = Field((), description="Further browser origins that may use the API.")
    home: Home = Field(
        "", description="Where `/` leads.", json_schema_extra={"default": "the first app's prefix, else `/docs`"}
    )
    trusted_proxies: Networks = Field((), description="Addresses or networks whose `X-Forwarded-*` is believed.")
    access_log: Flag = Field(False, description="Whether each request is logged, one line each.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`."
    )
    session: SessionSettings = Field(SessionSettings(), description="How long a session lives, how much it may hold.")
    limits: LimitSettings = Field(LimitSettings(), description="Rates and caps.")
    identity_providers: dict[Name, ProviderSettings] = Field({}, description="OpenID providers by name.")
    sections: dict[Name, SectionSettings] = Field({}, description="Sections of the document by name.")
    apps: dict[Name, AppSettings] = Field({}, description="Applications behind the gateway by name.")
    services: dict[ServiceName, ServiceSettings] = Field({}, description="Services by name (no `_` in it).")
    keys: KeysSettings = Field(KeysSettings(), description="The key ring.")

    @property
    def key_ring_file(self) -> Path:
        """Where the key ring is: as configured, or beside the embedded store, which makes its own."""
        return self.keys.file or self.data_dir / "keys.toml"
