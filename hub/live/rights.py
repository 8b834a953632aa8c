"""A connection dies with its caller.

A user's or an app's connection is to the caller's own session and ends with that. An operator's is to somebody else's:
it rests on the operator's own session, which has to go on, and on a log-in that is still recent. What an app or a
service may see comes from configuration, which is the same for as long as a node runs.
"""

from __future__ import annotations

import asyncio

from hub.core.principal import Principal
from hub.live.connection import Closing, Connection
from hub.live.fanout import Fanout
from hub.protocol.close_codes import CloseCode

COME_BACK_WITHIN_MS = 5000


async def close_with_caller(connection: Connection, fanout: Fanout) -> None:
    """Close an operator's connection as soon as that is no operator any more; nothing to do for anybody else."""
    if connection.principal.kind == "operator":
        closing = await _no_operator_any_more(connection.principal, fanout)
        connection.act(connection.conversation.on_closing(closing.code, closing.reason))


async def _no_operator_any_more(operator: Principal, fanout: Fanout) -> Closing:
    """Never says that a session ended: that would be taken for the one that is watched."""
    assert operator.session is not None
    assert operator.until_ms is not None
    seconds = max(0.0, (operator.until_ms - fanout.clock.now_ms()) / 1000)
    try:
        async with asyncio.timeout(seconds):
            code = await fanout.watch(operator.session)
    except TimeoutError:
        return Closing(CloseCode.FORBIDDEN, "this log-in is no longer recent enough for an operator")
    if code is CloseCode.SHUTDOWN:  # nobody could be asked for too long
        return Closing(code, str(COME_BACK_WITHIN_MS))
    return Closing(CloseCode.UNAUTHENTICATED, "the operator's own session is over")
