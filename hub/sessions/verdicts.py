"""Refusals that depend on who asks: the end of one's own session is 401, that of another's 410."""

from __future__ import annotations

from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import HubError, OwnSessionEnded, SessionEnded, SessionNotFound, Unauthenticated
from hub.telemetry.security import SecurityEvent, note


def over(principal: Principal, session: Session) -> HubError:
    """The refusal for a session that has ended."""
    assert session.ending is not None
    kind = OwnSessionEnded if principal.owns_its_session else SessionEnded
    return kind(f"It ended: {session.ending.reason}", sid=session.sid, **session.ending.to_facts())


def missing(principal: Principal) -> HubError:
    """The refusal for a session that is not there."""
    return Unauthenticated() if principal.owns_its_session else SessionNotFound()


def addressed(principal: Principal, sid: str) -> str:
    """The sid meant by ``sid`` or ``me``; users and apps may only mean their own (404 otherwise, unread)."""
    if sid == "me":
        if principal.sid is None:
            raise SessionNotFound("This caller has no session of its own")
        return principal.sid
    if principal.sid is not None and sid != principal.sid:
        note(SecurityEvent.MALICIOUS_DIRECT_REFERENCE, sid=principal.sid, purpose=principal.kind, why="another session")
        raise SessionNotFound
    return sid
