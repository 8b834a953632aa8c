"""Who is connected, after a node died without a word: its tabs are not counted any more."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.lengths import BRISK
from tests.faults.stage import CRIPPLED
from tests.support.nodes import Cluster, cluster
from tests.support.tabs import Tab, log_in, open_tab

pytestmark = [pytest.mark.faults, pytest.mark.timeout(60)]


def apps_told(tab: Tab) -> list[str]:
    """The apps of the connections this tab heard of last."""
    told = [frame for frame in tab.frames if frame["type"] == "presence"]
    return sorted(each["app"] for each in told[-1]["connections"]) if told else []


async def test_the_tabs_of_a_dead_node_are_gone_within_30_seconds() -> None:
    """They were seen while it lived; afterwards only those of the living are."""
    with cluster() as own:
        await watch_it_die(own)


async def watch_it_die(own: Cluster) -> None:
    """Two nodes, a tab on each; the first is killed."""
    one, two = own.node(CRIPPLED, CRIPPLES=BRISK), own.node(CRIPPLED, CRIPPLES=BRISK)
    opened = await log_in(own, one)
    watching = await open_tab(two, opened.token, query="?app=b&presence=1")
    dying = await open_tab(one, opened.token, query="?app=a")
    try:
        await watching.until(lambda tab: apps_told(tab) == ["a", "b"])
        one.kill()
        started = asyncio.get_running_loop().time()
        await watching.until(lambda tab: apps_told(tab) == ["b"], 30)
        assert asyncio.get_running_loop().time() - started > 3, "nobody could know at once: it said nothing"
    finally:
        await dying.__aexit__(None, None, None)
        await watching.__aexit__(None, None, None)
