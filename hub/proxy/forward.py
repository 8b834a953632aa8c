"""A request on its way to an app's server and its answer on the way back, piece by piece.

Three things end an exchange: it is complete, the caller has gone, or the session it rests on is over. Whichever comes
first stops the others. A short exchange is over before its session is watched at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from starlette.types import Receive, Send

from hub.errors import HubError
from hub.proxy.connection import Head, Header
from hub.proxy.upstream import Upstream

WITHOUT_BODY = frozenset({204, 304})

CleanAnswer = Callable[[Sequence[Header]], list[Header]]
Watch = Callable[[], Awaitable[HubError]]
"""Returns the reason when the exchange must not go on."""


class CallerGone(Exception):
    """The caller has closed the connection."""


class RequestBody:
    """The request's body as ASGI brings it. ``None`` of it is read before a server is there to take it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_read = asyncio.Event()
        self._is_gone = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece. Raises ``CallerGone``."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._is_gone = True
                self._is_read.set()
                raise CallerGone
            if piece := message.get("body", b""):
                yield piece
            more = message.get("more_body", False)
        self._is_read.set()

    def skip(self) -> None:
        """There is none."""
        self._is_read.set()

    async def until_gone(self) -> None:
        """Returns when the caller has gone."""
        await self._is_read.wait()
        while not self._is_gone:
            self._is_gone = (await self._receive())["type"] == "http.disconnect"


async def forward(
    upstream: Upstream, head: Head, receive: Receive, send: Send, *, clean: CleanAnswer, has_body: bool, watch: Watch
) -> None:
    """Carry one exchange out. Raises ``HubError``; what was already sent then ends without its end."""
    body = RequestBody(receive)
    if not has_body:
        body.skip()
    talking = asyncio.create_task(_talk(upstream, head, body.pieces() if has_body else None, send, clean))
    leaving = asyncio.create_task(body.until_gone())
    watching = asyncio.ensure_future(watch())
    tasks: set[asyncio.Future[None] | asyncio.Future[HubError]] = {talking, leaving, watching}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            talking.result()
        elif watching.done():
            raise watching.result()
    except CallerGone:
        return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _talk(
    upstream: Upstream, head: Head, body: AsyncIterator[bytes] | None, send: Send, clean: CleanAnswer
) -> None:
    async with upstream.ask(head, body) as answer:
        headers = clean(answer.headers)
        if answer.status in WITHOUT_BODY:  # a length here would promise bytes that do not come
            headers = [(name, value) for name, value in headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for piece in answer.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
