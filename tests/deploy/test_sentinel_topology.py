"""The site of ``deploy/compose/sentinel.yml``, from its own files: the store's primary is lost under a person's hands,
and nobody who asks the store may do more than it has to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError

from tests.deploy.composed import Front
from tests.deploy.many_servers import ManyServers, many_servers
from tests.deploy.sentinel_site import DATA, SENTINELS, primary, start_servers, until_moved, until_whole
from tests.deploy.visitors import Person, asking, has, names_in_the_history, visiting
from tests.support.nodes import Node
from tests.support.waiting import eventually

pytestmark = pytest.mark.proxies

PATIENCE_SECONDS = 60.0  # of somebody who asks again and again while there is no primary


@dataclass
class Site:
    """What runs: all but two apps."""

    made: ManyServers
    nodes: list[Node]
    front: Front


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with many_servers("sentinel") as made:
        start_servers(made)
        for name in ("idp", "desk"):
            made.start(name)
        nodes = [made.node(name) for name in ("hub-1", "hub-2")]
        yield Site(made, nodes, made.front())


async def test_the_primary_is_lost_and_nothing_that_was_acknowledged(site: Site) -> None:
    """kill -9 of the primary under load, and started again at once as its container is: all the same a replica is
    promoted, for the file of what was killed may lack a moment. The nodes follow, each acknowledged commit is in the
    history once, nobody was signed out, and no user of the store wanted more than it may."""
    old = primary(site.made)
    async with visiting(site.front) as (ada, tab):
        assert tab.tab is not None
        began = tab.tab.position
        async with asking(ada, PATIENCE_SECONDS) as made:
            await eventually(lambda: has(made, 20), 10)
            site.made.kill(old)
            back = asyncio.create_task(asyncio.to_thread(site.made.start, old))
            new = await asyncio.to_thread(until_moved, site.made, old)
            enough = len(made.acknowledged) + 20
            await eventually(lambda: has(made, enough), PATIENCE_SECONDS)
        assert new in DATA
        assert set(made.statuses) <= {200, 503}
        assert 503 in made.statuses, "nobody noticed, so nothing was tried"
        assert await names_in_the_history(ada, began) == made.acknowledged
        await tab.until(made.acknowledged[-1], 10)
    await back
    assert _denied(site.made) == {}


async def test_who_was_primary_outlives_every_server(site: Site) -> None:
    """All servers and sentinels stopped, and started again as the compose file does it: the primary is the last one
    that was, not the one that is named first; what was acknowledged is there."""
    made = site.made
    old = primary(made)
    if old == "valkey":  # as at first: then nothing would be shown
        made.ask("sentinel-1", "SENTINEL", "FAILOVER", "main")
        old = await asyncio.to_thread(until_moved, made, "valkey")
    async with visiting(site.front) as (ada, tab):
        assert (await ada.rename("Ada before the outage", "one")).status_code == 200
        await asyncio.to_thread(made.end, *made.servers)
        for name in made.servers:
            made.start(name)
        await eventually(lambda: _is_committed(ada, "Ada after the outage"), PATIENCE_SECONDS)
        assert primary(made) == old
        await tab.until("Ada after the outage", 10)
        assert [name for name in tab.names if "outage" in name][-1] == "Ada after the outage"


async def _is_committed(person: Person, name: str) -> bool:
    answer = await person.rename(name, "two")
    assert answer.status_code in (200, 503)
    return answer.status_code == 200


def _denied(made: ManyServers) -> dict[str, list[str]]:
    """What servers refused to their users, where they count it (Valkey ≥ 7.2)."""
    found: dict[str, list[str]] = {}
    for name in made.servers:
        lines = made.ask(name, "INFO").decode().splitlines()
        refused = [line for line in lines if line.startswith("acl_access_denied") and not line.endswith(":0")]
        found |= {name: refused} if refused else {}
    return found


REFUSED = {
    "hub": "KEYS *, CONFIG GET *, FLUSHALL, REPLICAOF NO ONE, PSYNC ? -1, CLIENT LIST, GET other, SUBSCRIBE hub:x",
    "replica": "GET hub:x, SCAN 0, INFO, CONFIG GET *, REPLICAOF NO ONE, EVAL return+0 0",
    "sentinel": "GET hub:x, SCAN 0, KEYS *, DUMP hub:x, CONFIG GET *, CONFIG SET dir /, PSYNC ? -1, SUBSCRIBE hub:x,"
    " SSUBSCRIBE hub:x, EVAL return+0 0, FLUSHALL, SHUTDOWN, ACL LIST",
    "operator": "GET hub:x, SCAN 0, CONFIG GET *, REPLICAOF NO ONE, SHUTDOWN, FLUSHALL, PSYNC ? -1",
    "health": "GET hub:x, INFO, ROLE, TIME",
}
CHANGES = (
    "SENTINEL SET main quorum 1, SENTINEL REMOVE main, SENTINEL RESET *, SENTINEL CONFIG GET *, SHUTDOWN, ACL LIST"
)
REFUSED_BY_SENTINELS = {
    "hub": f"PING, INFO, SENTINEL MASTERS, SENTINEL FAILOVER main, {CHANGES}",
    "sentinel": f"INFO, SENTINEL MASTER main, SENTINEL FAILOVER main, {CHANGES}",
    "operator": CHANGES,
    "health": f"INFO, SENTINEL MASTER main, {CHANGES}",
}


@pytest.mark.parametrize("who", REFUSED)
def test_users_of_the_store_may_do_nothing_else(site: Site, who: str) -> None:
    """Not the hub's, and none of those that servers, sentinels and people have: no key, no configuration, no rights."""
    for name in DATA:
        _all_refused(site.made, name, who, REFUSED[who])


@pytest.mark.parametrize("who", REFUSED_BY_SENTINELS)
def test_users_of_the_sentinels_may_do_nothing_else(site: Site, who: str) -> None:
    """A node asks where the primary is; it cannot move it, nor can one that has its password."""
    for name in SENTINELS:
        _all_refused(site.made, name, who, REFUSED_BY_SENTINELS[who])
    with site.made.client("sentinel-1", "hub") as client:
        assert client.execute_command("SENTINEL", "MASTER", "main")


def _all_refused(made: ManyServers, name: str, who: str, commands: str) -> None:
    with made.client(name, who) as client:
        for words in commands.split(", "):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words.split())


def test_nobody_comes_in_at_the_sentinels_without_a_name(site: Site) -> None:
    """Nor with a password of somebody else: the one of the store does not open sentinels, nor the other way round."""
    passwords = {who: site.made.client(name, who) for name, who in (("valkey", "hub"), ("sentinel-1", "sentinel"))}
    of_the_store = passwords["hub"].connection_pool.connection_kwargs["password"]
    for who in ("hub", "default", "operator"):
        with site.made.client("sentinel-1", who, of_the_store) as client, pytest.raises(AuthenticationError):
            client.execute_command("SENTINEL", "MASTER", "main")


def test_the_doctor_is_content(site: Site) -> None:
    """Nothing about the store has failed, as the node's own environment sees it."""
    done = site.made.hub("hub-1", "doctor")
    about = [line for line in done.stdout.splitlines() if line.split()[1:2] == ["store"]]
    assert len(about) >= 9, done.stdout + done.stderr
    assert not [line for line in about if line.startswith("failed")], done.stdout


def test_in_the_end_all_are_well(site: Site) -> None:
    """Whoever was primary before is a replica now, and follows. The health check of each, as its container runs it."""
    until_whole(site.made)
    assert {name: site.made.health(name) for name in site.made.servers} == dict.fromkeys(site.made.servers, 0)
