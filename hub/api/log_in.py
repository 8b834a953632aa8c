"""``POST /v1/sessions``: a native client's token of the identity provider becomes a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request

from hub.api.edge import request_id_of
from hub.api.identify import Identifier
from hub.core.json import Object
from hub.core.session import LogIn, Session
from hub.errors import Forbidden, Unauthenticated
from hub.identity.bearer import BearerLogIn
from hub.identity.buckets import Buckets
from hub.telemetry.security import SecurityEvent, note


class OpenSession(Protocol):
    """The use case."""

    async def __call__(
        self,
        *,
        log_in: LogIn,
        verifier_for: Callable[[str], tuple[str, bytes]],
        identity: Object,
        request_id: str,
    ) -> tuple[Session, str]: ...


class BearerSessions:
    """Checks the token, opens the session at the door it came to; a token that opened none may be tried again."""

    def __init__(
        self,
        bearer: BearerLogIn,
        open_session: OpenSession,
        new_token: Callable[[str, str], tuple[str, bytes]],
        identifier: Identifier,
        log_ins: Buckets,
    ) -> None:
        self._bearer, self._open, self._new_token = bearer, open_session, new_token
        self._identifier, self._log_ins = identifier, log_ins

    async def open(self, request: Request) -> tuple[Session, str]:
        """Session and token. Raises ``Unauthenticated``, ``RateLimited``, or that nobody can be asked now."""
        credentials = self._identifier.credentials(request.scope, "api")
        token, door = credentials.bearer, self._identifier.door_of(request.scope)
        if door.app is not None:
            raise Forbidden("Sessions are opened at the hub's own address, not at an app's")
        if token is None:
            raise Unauthenticated("Opening a session needs a token of the identity provider as bearer")
        proof = await self._bearer.verify(
            token, address=credentials.address, agent=request.headers.get("user-agent", "")
        )
        try:
            session, secret = await self._open(
                log_in=proof.log_in,
                verifier_for=lambda sid: self._new_token(sid, door.name),
                identity=proof.identity,
                request_id=request_id_of(request.scope),
            )
        except Exception:
            await self._bearer.release(proof)
            raise
        note(
            SecurityEvent.AUTHN_LOGIN_SUCCESS,
            address=credentials.address,
            sid=session.sid,
            purpose="bearer",
            provider=session.log_in.provider,
        )
        return session, secret
