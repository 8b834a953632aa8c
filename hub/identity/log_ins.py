"""From the verified claims of a provider's token to the facts a session is opened with."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.core.json import Object
from hub.core.session import LogIn
from hub.identity import claims as rules
from hub.identity.providers import Provider

MAX_AGENT = 200


@dataclass(frozen=True, slots=True)
class Proven:
    """Who logged in, the section ``identity`` that follows, and the name under which this proof may be used once.

    ``id_token`` comes from a log-in in a browser and goes back to its provider at log-out, unless it is too long.
    """

    log_in: LogIn
    identity: Object
    digest: str
    id_token: str = field(default="", repr=False)


def proven(provider: Provider, claims: Object, *, began_ms: int, agent: str, digest: str) -> Proven:
    """Facts of one log-in. ``claims`` have passed ``claims.check``. Without ``auth_time``, ``iat`` stands in."""
    proved_at = rules.seconds(claims, "auth_time" if "auth_time" in claims else "iat")
    log_in = LogIn(
        provider=provider.name,
        issuer=provider.issuer,
        user=claims["sub"],
        auth_time=proved_at,
        began_ms=began_ms,
        idp_sid=claims.get("sid", ""),
        agent=_printable(agent)[:MAX_AGENT],
    )
    return Proven(log_in, provider.identity_of(claims), digest)


def _printable(agent: str) -> str:
    return "".join(character for character in agent if character.isprintable())
