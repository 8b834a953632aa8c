"""A store under Sentinel as the compose file has it, and what a test waits for there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.deploy.many_servers import ManyServers
from tests.support.waiting import becomes

FORMED_SECONDS = 30.0
MOVED_SECONDS = 60.0  # 7 s as a rule; sentinels that vote for each other at once try again after 20
ROUND_AGAIN_SECONDS = 60.0
DATA, SENTINELS = ("valkey", "valkey-2", "valkey-3"), ("sentinel-1", "sentinel-2", "sentinel-3")


def start_servers(made: ManyServers) -> None:
    """All six, in the order in which compose starts them, until everybody knows everybody."""
    for name in made.servers:
        made.start(name)
    assert becomes(lambda: is_whole(made), FORMED_SECONDS)


def primary(made: ManyServers) -> str:
    """The one that all sentinels which answer name, and that says so itself; empty while there is none."""
    said = {_named(made, sentinel) for sentinel in SENTINELS}
    names = [made.called(address) for address in said if address]
    return names[0] if len(names) == 1 and made.role(names[0])[0] == b"master" else ""


def _named(made: ManyServers, sentinel: str) -> str:
    found = made.ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
    return found[0].decode() if found else ""


def is_whole(made: ManyServers) -> bool:
    """Whether both replicas follow the primary, and each sentinel sees both and the other two."""
    now = primary(made)
    if not now or len(made.role(now)[2]) != len(DATA) - 1:
        return False
    return all(_sees_all(made, sentinel) for sentinel in SENTINELS)


def _sees_all(made: ManyServers, sentinel: str) -> bool:
    others = made.ask(sentinel, "SENTINEL", "SENTINELS", "main")
    replicas = made.ask(sentinel, "SENTINEL", "REPLICAS", "main")
    return _are_well(others, "sentinel") and _are_well(replicas, "slave")


def _are_well(seen: Sequence[Sequence[bytes]] | None, kind: str) -> bool:
    """Whether there are two, and both answer; ``master_down`` is what another sentinel said a while ago."""
    flags = [set(_facts(each)["flags"].split(",")) - {"master_down"} for each in seen or ()]
    return flags == [{kind}] * 2


def _facts(words: Sequence[Any]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(words[::2], words[1::2], strict=True)}


def until_moved(made: ManyServers, old: str) -> str:
    """Until another one is the primary; which."""
    assert becomes(lambda: primary(made) not in ("", old), MOVED_SECONDS), made.log("sentinel-1")[-3000:]
    return primary(made)


def until_whole(made: ManyServers) -> None:
    """Until what came back is a replica again."""
    assert becomes(lambda: is_whole(made), ROUND_AGAIN_SECONDS), made.log("sentinel-1")[-3000:]
