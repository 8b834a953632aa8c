"""A tab whose machine went to sleep closes nothing: the node finds out by itself, and stops counting it."""

from __future__ import annotations

import asyncio
import base64
import os

import pytest

from tests.faults.lengths import BRISK
from tests.faults.stage import CRIPPLED
from tests.support.nodes import Cluster
from tests.support.tabs import as_user, bearer, log_in
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(90)]


async def test_a_tab_that_answers_no_ping_is_dropped(hub_cluster: Cluster) -> None:
    """It is connected and reads, as far as the network can tell, and is gone half a minute later all the same."""
    node = hub_cluster.node(CRIPPLED, CRIPPLES=BRISK)
    opened = await log_in(hub_cluster, node, "asleep")
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    lines = [
        "GET /v1/sessions/me/live HTTP/1.1",
        f"Host: 127.0.0.1:{node.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Authorization: {bearer(opened.token)['Authorization']}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b" 101 " in await reader.readline()
    async with as_user(node, opened) as user:

        async def connections() -> int:
            return int((await user.get("/v1/sessions/me")).json()["connections"])

        async def is_counted() -> bool:
            return await connections() == 1

        async def is_gone() -> bool:
            return await connections() == 0

        await eventually(is_counted)
        await asyncio.wait_for(reader.read(), 40)  # all that comes, pings included, until the node hangs up
        await eventually(is_gone)
    writer.close()
