"""From settings to the nouns the parts of the hub are made of, and to the objects that know who is calling.

Only ``hub.app`` and ``hub.node`` use this.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from jsonschema_rs import Draft202012Validator
from jsonschema_rs import ValidationError as SchemaError

from hub.core.access import Grants
from hub.core.looking import LookAgain, nowhere
from hub.core.masking import Masks
from hub.errors import ConfigurationError
from hub.identity.addresses import TrustedProxies
from hub.identity.authenticator import Allowed, Authenticator, with_identity
from hub.identity.bearer import BearerLogIn
from hub.identity.buckets import Buckets
from hub.identity.cookies import Cookies
from hub.identity.csrf import FormProofs
from hub.identity.doors import AppHost, Doors
from hub.identity.fetching import new_client
from hub.identity.handover import Handovers
from hub.identity.jwks import ProviderDirectory
from hub.identity.logout_tokens import LogoutTokens
from hub.identity.oidc import Oidc
from hub.identity.operators import OperatorRule, Operators
from hub.identity.provider_tokens import ProviderTokens
from hub.identity.providers import Provider
from hub.identity.services import Service, Services
from hub.identity.session_tokens import SessionTokens
from hub.identity.tickets import Tickets
from hub.identity.tokens import ContextSigner, SigningKey, assert_backend
from hub.identity.transactions import Transactions
from hub.proxy.ports import App
from hub.sessions.rates import Rates
from hub.sessions.sections import Section, Sections
from hub.sessions.sessions import Lifetimes
from hub.settings import Settings, split_bind
from hub.store.connecting import StoreTls
from hub.store.keyring import KeyRing
from hub.store.store import Store


def store_tls_of(settings: Settings) -> StoreTls:
    """How the store proves itself to this node, and this node to it."""
    return StoreTls(settings.store_ca_file, settings.store_cert_file, settings.store_key_file)


def sections_of(settings: Settings) -> Sections:
    """The sections, with their schemas compiled."""
    return Sections(
        [
            Section(
                name=name,
                browser=None if section.browser == "none" else section.browser,
                initial=section.initial,
                validator=_validator(name, section.schema_file),
                max_bytes=section.max_bytes,
            )
            for name, section in settings.sections.items()
        ],
        settings.session.max_document_bytes,
    )


def _validator(section: str, file: Path | None) -> Draft202012Validator | None:
    if file is None:
        return None
    try:
        return Draft202012Validator(json.loads(file.read_bytes()), validate_formats=True)
    except (OSError, ValueError, SchemaError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"sections.{section}.schema: {file} is no usable JSON Schema: {reason}") from None


def lifetimes_of(settings: Settings) -> Lifetimes:
    """How long sessions live."""
    session = settings.session
    return Lifetimes(
        idle_ms=round(session.idle * 1000),
        absolute_ms=round(session.absolute * 1000),
        retention_ms=round(session.audit_retention * 1000),
        per_user=session.per_user,
    )


def rates_of(settings: Settings) -> Rates:
    """How often one may commit."""
    limits = settings.limits
    return Rates(limits.commits_per_second, limits.service_commits_per_second, time.monotonic)


def app_grants_of(settings: Settings) -> Mapping[str, Grants]:
    """The sections of each app."""
    return {name: app.sections for name, app in settings.apps.items()}


def apps_of(settings: Settings) -> list[App]:
    """The apps behind the gateway."""
    return [
        App(
            name=name,
            upstream=app.upstream,
            prefix=app.prefix,
            host=app.host,
            grants=with_identity(app.sections, always=False),
            origins=app.origins,
            anonymous=app.anonymous,
            verify_key_sha256=frozenset(app.verify_key_sha256),
        )
        for name, app in settings.apps.items()
    ]


def _services(settings: Settings) -> list[Service]:
    """The services."""
    return [
        Service(
            name=name,
            key_sha256=service.key_sha256,
            grants=service.sections,
            may_list=service.may_list,
            may_end=service.may_end,
        )
        for name, service in settings.services.items()
    ]


def _providers(settings: Settings) -> list[Provider]:
    """The identity providers."""
    return [
        Provider(
            name=name,
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret.get_secret_value() if provider.client_secret else None,
            audiences=frozenset(provider.audiences),
            scopes=tuple(provider.scopes),
            claims=provider.claims,
        )
        for name, provider in settings.identity_providers.items()
    ]


def _operator_rules(settings: Settings) -> dict[str, OperatorRule]:
    """Who is an operator, by provider."""
    return {
        name: OperatorRule(provider.operator_claim, provider.operator_value)
        for name, provider in settings.identity_providers.items()
        if provider.operator_claim and provider.operator_value
    }


def _signing_keys(ring: KeyRing) -> list[SigningKey]:
    """The keys of context tokens."""
    return [SigningKey(key.kid, key.secret, key.state) for key in ring.context.by_kid.values()]


def masks_of(ring: KeyRing) -> Masks:
    """What hides values from operators; of the one key that never changes, so that marks stay what they are."""
    return Masks(ring.index.active.secret)


def trusted_of(settings: Settings) -> TrustedProxies:
    """The networks whose forwarding headers are believed."""
    return TrustedProxies(ip_network(network, strict=False) for network in settings.trusted_proxies)


def doors_of(settings: Settings) -> Doors:
    """The origins at which people meet this hub."""
    apps = [AppHost(name, app.host, app.origins) for name, app in settings.apps.items() if app.host]
    return Doors(settings.public_url, settings.console_url, settings.allowed_origins, apps)


def hosts_of(settings: Settings) -> set[str]:
    """All values of ``Host`` that are ours: public, console, apps', and on loopback the bind address itself."""
    urls = [settings.public_url, settings.console_url]
    hosts = {urlsplit(url).netloc.lower() for url in urls if url}
    hosts |= {app.host.lower() for app in settings.apps.values() if app.host}
    _, port = split_bind(settings.bind)
    return hosts | {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}


class Identity:
    """Everything about who is calling, built once: credentials, cookies, tokens, providers, tickets."""

    def __init__(
        self, settings: Settings, ring: KeyRing, store: Store, browser: Grants, look_again: LookAgain = nowhere
    ) -> None:
        assert_backend()
        clock, limits = store.clock, settings.limits
        self.doors = doors_of(settings)
        self.cookies = Cookies.of_url(settings.public_url)
        self.tokens = SessionTokens(ring.token.secrets, ring.token.active.kid, look_again)
        self.contexts = ContextSigner(_signing_keys(ring), settings.public_url, clock, look_again)
        self.failures = Buckets(limits.failures_per_minute)
        self.log_ins = Buckets(limits.logins_per_minute)
        self.tickets = Tickets(store.once)
        self.proofs = FormProofs(ring.cookie.active.secret, ring.cookie.secrets.values(), look_again)
        self.http = new_client()
        self.directories = [(provider, ProviderDirectory(provider, self.http)) for provider in _providers(settings)]
        self.handovers = Handovers(store.once)
        self.transactions = Transactions(
            ring.cookie.secrets, ring.cookie.active.kid, self.cookies, store.once, clock, look_again
        )
        self.oidc = Oidc(self.directories, self.transactions, self.http, clock)
        tokens = ProviderTokens(self.directories, clock)
        self.logout_tokens = LogoutTokens(tokens, store.once)
        self.bearer = BearerLogIn(tokens, store.once, self.failures)
        self.authenticator = Authenticator(
            read=store.read,
            tokens=self.tokens,
            contexts=self.contexts,
            services=Services(_services(settings)),
            operators=Operators(_operator_rules(settings), settings.session.operator_max_age, clock),
            cookies=self.cookies,
            doors=self.doors,
            allowed=Allowed(browser, app_grants_of(settings)),
            failures=self.failures,
        )

    def follow_ring(self, ring: KeyRing) -> None:
        """Go on with other keys."""
        self.tokens.replace_keys(ring.token.secrets, ring.token.active.kid)
        self.contexts.replace_keys(_signing_keys(ring))
        self.proofs.replace_keys(ring.cookie.active.secret, ring.cookie.secrets.values())
        self.transactions.replace_keys(ring.cookie.secrets, ring.cookie.active.kid)

    @property
    def issuers(self) -> dict[str, str]:
        """Issuers by the names of their providers."""
        return {provider.name: provider.issuer for provider, _ in self.directories}
