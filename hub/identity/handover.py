"""From the central log-in to an app's own host: a one-time code, bound to session, app and the browser that asked.

The app's host remembers in a sealed cookie that it sent this browser away (a transaction, as for a log-in); the hub's
own host, where the session is known, answers with a code that lives for half a minute; the app's host takes it once,
and only from the browser it sent. So nobody is put into somebody else's session by a link (RFC 6749 §10.12).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Literal, Protocol

import orjson

from hub.identity.transactions import LogInFailed, Transaction

CODE_SECONDS = 30
FROM_THE_HUB = ""
"""The provider of such a transaction: none, the hub itself answers."""

_STATE = re.compile(r"[0-9a-f]{8}\.[A-Za-z0-9_-]{43}")


class OnceStore(Protocol):
    """Where codes are kept until they are used."""

    async def put(self, purpose: Literal["code"], value: str, content: bytes, seconds: int) -> None: ...
    async def take(self, purpose: Literal["code"], value: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Handover:
    """What a code stands for."""

    sid: str
    app: str
    state: str


class Handovers:
    """Makes and takes codes."""

    def __init__(self, once: OnceStore) -> None:
        self._once = once

    async def make(self, sid: str, app: str, state: str) -> str:
        """A new code for the browser that holds ``state``. Raises ``LogInFailed`` for what is no state."""
        if not _STATE.fullmatch(state):
            raise LogInFailed("This is not how an app asks who you are.")
        code = secrets.token_urlsafe(32)
        content = orjson.dumps({"sid": sid, "app": app, "state": state})
        await self._once.put("code", code, content, CODE_SECONDS)
        return code

    async def take(self, code: str, app: str, transaction: Transaction) -> str:
        """The sid that ``code`` was made for. Raises ``LogInFailed`` if it is used, too old, or not for this."""
        content = await self._once.take("code", code)
        if content is None:
            raise LogInFailed("This way in was used already, or is too old.")
        made = Handover(**orjson.loads(content))
        if (made.app, made.state) != (app, transaction.state):
            raise LogInFailed("This way in was made for another app or another browser.")
        return made.sid
