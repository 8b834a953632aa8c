"""Security events: what a security team wants to hear of, each under one name of a closed list.

Names are those of OWASP's logging vocabulary where it has one. A refusal is written down once, where it is made, as one
line of the logger ``hub.security``. A line holds only what ``note`` takes: no credential, no claim, nothing that
somebody sent; ``why`` is said in the hub's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from hub.errors import HubError
from hub.telemetry import metrics

log = logging.getLogger("hub.security")


class SecurityEvent(StrEnum):
    """All names there are."""

    AUTHN_LOGIN_SUCCESS = "authn_login_success"
    AUTHN_LOGIN_FAIL = "authn_login_fail"
    AUTHN_TOKEN_REUSE = "authn_token_reuse"
    AUTHZ_FAIL = "authz_fail"
    AUTHZ_ADMIN = "authz_admin"
    CSRF_REFUSED = "csrf_refused"
    MALICIOUS_CORS = "malicious_cors"
    MALICIOUS_DIRECT_REFERENCE = "malicious_direct_reference"
    EXCESS_RATE_LIMIT_EXCEEDED = "excess_rate_limit_exceeded"
    SESSION_CREATED = "session_created"
    SESSION_EXPIRED = "session_expired"
    SESSION_USE_AFTER_EXPIRE = "session_use_after_expire"
    SESSION_QUARANTINED = "session_quarantined"
    CRYPT_DECRYPT_FAIL = "crypt_decrypt_fail"
    KEY_RING_REFUSED = "key_ring_refused"
    PROVIDER_ANSWER_USELESS = "provider_answer_useless"


E = SecurityEvent
metrics.SECURITY_EVENTS.expect(event=SecurityEvent)

MEANINGS: Mapping[SecurityEvent, tuple[int, str]] = MappingProxyType(
    {
        E.AUTHN_LOGIN_SUCCESS: (logging.INFO, "Somebody proved who they are at an identity provider."),
        E.AUTHN_LOGIN_FAIL: (logging.WARNING, "A credential, token or log-in was unknown, forged, stale or broken."),
        E.AUTHN_TOKEN_REUSE: (logging.WARNING, "What counts once came again: a token, ticket, code or log-in."),
        E.AUTHZ_FAIL: (logging.WARNING, "A known caller asked for what it is not granted."),
        E.AUTHZ_ADMIN: (logging.INFO, "An operator was shown the real values of a session; why is in its history."),
        E.CSRF_REFUSED: (logging.WARNING, "A call with the cookie did not show that a page of the hub asked."),
        E.MALICIOUS_CORS: (logging.WARNING, "A page of an origin that is not allowed used the user's cookie."),
        E.MALICIOUS_DIRECT_REFERENCE: (logging.WARNING, "A user or app asked for a session that is not its own."),
        E.EXCESS_RATE_LIMIT_EXCEEDED: (logging.WARNING, "Too many bad credentials, log-ins, commits or messages."),
        E.SESSION_CREATED: (logging.INFO, "A session was opened."),
        E.SESSION_EXPIRED: (logging.INFO, "A session ended; `why` is its reason."),
        E.SESSION_USE_AFTER_EXPIRE: (logging.WARNING, "A credential of a session that is over was used."),
        E.SESSION_QUARANTINED: (logging.CRITICAL, "A record in the store was tampered with, or its key is missing."),
        E.CRYPT_DECRYPT_FAIL: (logging.CRITICAL, "A message or history entry in the store was forged or damaged."),
        E.KEY_RING_REFUSED: (logging.CRITICAL, "A changed key ring cannot be used; the old one still is."),
        E.PROVIDER_ANSWER_USELESS: (logging.WARNING, "An identity provider published keys or metadata of no use."),
    }
)
"""For each name how loud it is, and what it means to a person."""


def note(
    event: SecurityEvent,
    *,
    address: str = "",
    sid: str = "",
    purpose: str = "",
    why: str = "",
    provider: str = "",
    actor: str = "",
) -> None:
    """Write one event. ``address`` is the caller's, ``actor`` who did it where that is the point; ``""`` is left out.

    ``why`` is a sentence or word of the hub's own, never of the caller's.
    """
    facts = {"address": address, "sid": sid, "purpose": purpose, "why": why, "provider": provider, "actor": actor}
    level, _ = MEANINGS[event]
    metrics.SECURITY_EVENTS.add(event)
    log.log(level, event.value, extra={name: value for name, value in facts.items() if value})


def refused(error: HubError, *, address: str = "", sid: str = "", purpose: str = "", actor: str = "") -> None:
    """Write down a refusal that a caller who is known was given, if it is one for these books."""
    event = _REFUSALS.get(error.code)
    if event is not None:
        note(event, address=address, sid=sid, purpose=purpose, actor=actor, why=error.detail)


_REFUSALS = {"forbidden": E.AUTHZ_FAIL}
