"""An OpenID provider: what is configured about it, and what it says about itself (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.core.json import Json, Object, check_depth, dumps, loads
from hub.errors import Malformed, Unauthenticated
from hub.identity.fetching import FetchFailed, is_safe_url


@dataclass(frozen=True, slots=True)
class Provider:
    """As configured. ``claims``: keys of the section ``identity`` ← claims of the provider."""

    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    audiences: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def discovery_url(self) -> str:
        """Where its metadata is (Discovery §4)."""
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    def identity_of(self, claims: Object) -> Object:
        """The section ``identity`` for these verified claims: absent and null ones are left out."""
        said = {key: claims[claim] for key, claim in self.claims.items() if claims.get(claim) is not None}
        try:
            check_depth(said, 1)  # it becomes a section, one level down in the document
            return _as_kept(said)
        except (Malformed, TypeError, ValueError):
            raise Unauthenticated("A claim of this user cannot be kept as JSON") from None


def _as_kept(value: Json) -> Object:
    kept: Object = loads(dumps(value))
    return kept


@dataclass(frozen=True, slots=True)
class Metadata:
    """Its endpoints, all of them https (or on this machine). ``says_iss``: its callbacks carry ``iss`` (RFC 9207)."""

    jwks_uri: str
    authorization_endpoint: str | None
    token_endpoint: str | None
    end_session_endpoint: str | None
    says_iss: bool
    userinfo_endpoint: str | None = None

    @classmethod
    def read(cls, said: Json, issuer: str) -> Metadata:
        """Check a discovery document; §4.3: its issuer is the configured one, to the letter. Raises ``FetchFailed``."""
        if not isinstance(said, dict) or said.get("issuer") != issuer:
            raise FetchFailed("its issuer is not the configured one")
        for name in ("jwks_uri", "authorization_endpoint", "token_endpoint"):
            # A provider of tokens only (for bearer log-ins) has keys, and nowhere to send a browser to.
            if (name in said or name == "jwks_uri") and not is_safe_url(said.get(name)):
                raise FetchFailed(f"its {name} is missing or not https")
        end, userinfo = said.get("end_session_endpoint"), said.get("userinfo_endpoint")
        return cls(
            said["jwks_uri"],
            said.get("authorization_endpoint"),
            said.get("token_endpoint"),
            end if is_safe_url(end) else None,
            said.get("authorization_response_iss_parameter_supported") is True,
            userinfo if is_safe_url(userinfo) else None,
        )
