"""``POST /auth/backchannel``: a provider says, server to server, that a session of its own is over.

The answers are those of OpenID Connect Back-Channel Logout 1.0 §2.8: 200, or 400 with ``invalid_request``. Only
failures count against the limit of an address, so a provider that is right is never refused for being busy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from hub.api import answers, reading
from hub.api.edge import request_id_of
from hub.errors import HubError, Malformed, RateLimited, Unavailable
from hub.identity.buckets import Buckets
from hub.identity.logout_tokens import LogoutTokens
from hub.identity.once import UsedBefore
from hub.telemetry.security import SecurityEvent, note

FORM = "application/x-www-form-urlencoded"
MOST_FORM_BYTES = 32 * 1024
MOST_FIELDS = 16


class EndAtProvider(Protocol):
    """The use case."""

    async def __call__(
        self, provider: str, issuer: str, *, idp_sid: str | None, user: str | None, request_id: str
    ) -> int: ...


class Backchannel:
    """The handler."""

    def __init__(
        self, tokens: LogoutTokens, end: EndAtProvider, failures: Buckets, address_of: Callable[[Scope], str]
    ) -> None:
        self._tokens, self._end = tokens, end
        self._failures, self._address_of = failures, address_of

    async def __call__(self, request: Request) -> Response:
        """End what the token says."""
        try:
            token = await _token(request)
            order = await self._tokens.check(token)
            await self._end(
                order.provider,
                order.issuer,
                idp_sid=order.idp_sid,
                user=order.user,
                request_id=request_id_of(request.scope),
            )
            await self._tokens.done(order)
        except Unavailable:
            raise
        except HubError as refusal:
            return self._refused(request, refusal)
        return answers.nothing(200)

    def _refused(self, request: Request, refusal: HubError) -> Response:
        address = self._address_of(request.scope)
        if wait_seconds := self._failures.take(address):
            why = "bad logout tokens"
            note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, address=address, purpose="backchannel", why=why)
            raise RateLimited("Too many bad logout tokens from this address", retry_after_seconds=wait_seconds)
        is_replay = isinstance(refusal, UsedBefore)
        event = SecurityEvent.AUTHN_TOKEN_REUSE if is_replay else SecurityEvent.AUTHN_LOGIN_FAIL
        note(event, address=address, purpose="backchannel", why=refusal.detail)
        return answers.json({"error": "invalid_request", "error_description": refusal.detail}, 400)


async def _token(request: Request) -> str:
    reading.media_type(request, [FORM])
    body = await reading.body_of(request, MOST_FORM_BYTES)
    try:
        tokens = parse_qs(body.decode("latin-1"), max_num_fields=MOST_FIELDS).get("logout_token", [])
    except ValueError:
        raise Malformed(f"A form has {MOST_FIELDS} fields at most") from None
    return tokens[0] if len(tokens) == 1 else ""
