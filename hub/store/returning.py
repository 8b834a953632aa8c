"""What is made sure of between finding the store again and saying so."""

from __future__ import annotations

from hub.core.mode import Mode
from hub.errors import Maintenance
from hub.store.calls import Calls
from hub.store.connecting import Connect
from hub.store.ends import Ends
from hub.store.feed import Feed
from hub.store.scripts import Scripts


async def get_ready(connect: Connect, feed: Feed, ends: Ends) -> None:
    """The feed is heard, of the same server that was found; and what has ended, has ended there too.

    Raises ``HubError`` where that cannot be done.
    """
    await feed.wait_until_up()
    if connect.sentinels is not None and feed.address != connect.sentinels.current:
        feed.drop()
        raise Maintenance  # the primary has moved meanwhile; it has to be looked at again
    calls = Calls(connect, _nobody_is_told)  # the others are refused until all this is done
    try:
        await ends.end_again(Scripts(calls))
    finally:
        await calls.close()


def _nobody_is_told(_: Mode) -> None:
    pass
