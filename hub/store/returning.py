"""What is made sure of between finding a shard of the store again and saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.core.mode import Mode
from hub.errors import Maintenance
from hub.store.calls import Calls
from hub.store.scripts import Scripts

if TYPE_CHECKING:
    from hub.store.ends import Ends
    from hub.store.shard import Shard


async def get_ready(shard: Shard, ends: Ends) -> None:
    """The feed is heard, of the same server that was found; and what has ended, has ended there too.

    Raises ``HubError`` where that cannot be done.
    """
    connect, line = shard.connect, shard.line
    await line.wait_until_up()
    if connect.guide is not None and line.address != connect.guide.current:
        line.drop()
        raise Maintenance  # the primary has moved meanwhile; it has to be looked at again
    calls = Calls(connect, _nobody_is_told)  # the others are refused until all this is done
    try:
        await ends.end_again(Scripts(calls), shard.holds)
    finally:
        await calls.close()


def _nobody_is_told(_: Mode) -> None:
    pass
