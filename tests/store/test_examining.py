"""What a store says of itself, judged: each thing that can be wrong with it, one at a time."""

from __future__ import annotations

import pytest

from hub.store.fitness import judge, judge_skew
from hub.store.info import read_info

GOOD = {
    "valkey_version": "9.1.2",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000000",
    "maxmemory": "100000000",
    "aof_enabled": "1",
}


@pytest.mark.parametrize(
    ("told", "line", "state"),
    [
        ({}, "store version", "ok"),
        ({"valkey_version": "7.1.9"}, "store version", "failed"),
        ({"valkey_version": "nonsense"}, "store version", "failed"),
        ({"role": "slave", "master_host": "10.0.0.1"}, "store role", "failed"),
        ({"loading": "1"}, "store role", "failed"),
        ({"maxmemory_policy": "volatile-ttl"}, "store eviction", "failed"),
        ({"used_memory": "80000000"}, "store memory", "warn"),
        ({"used_memory": "99000000"}, "store memory", "failed"),
        ({"maxmemory": "0"}, "store memory", "ok"),
        ({"aof_enabled": "0"}, "store persistence", "warn"),
        ({"aof_last_write_status": "err"}, "store persistence", "failed"),
        ({"rdb_last_bgsave_status": "err"}, "store persistence", "failed"),
        ({"aof_last_bgrewrite_status": "err"}, "store persistence", "warn"),
    ],
)
def test_what_a_store_says_of_itself(told: dict[str, str], line: str, state: str) -> None:
    """One thing at a time, the others as they should be."""
    found = {each.name: each for each in judge(GOOD | told)}
    assert found[line].state == state
    assert all(each.state == "ok" for name, each in found.items() if name != line)


def test_versions_and_durability() -> None:
    """Redis counts by its own version; ``fsynced`` needs 7.2 and the append-only file."""
    redis = {name: value for name, value in GOOD.items() if name != "valkey_version"} | {"redis_version": "7.0.15"}
    assert {each.state for each in judge(redis)} == {"ok"}
    assert [each.name for each in judge(redis, "fsynced") if each.state != "ok"] == ["store version"]
    off = judge(GOOD | {"aof_enabled": "0"}, "fsynced")
    assert [each.state for each in off if each.name == "store persistence"] == ["failed"]
    assert [each.state for each in judge({})].count("failed") == 3
    assert read_info(b"# Server\r\nredis_version:7.0.15\r\n\r\nrole:master\r\n")["role"] == "master"


@pytest.mark.parametrize(
    ("online", "required", "wanted", "state"),
    [(0, False, 1, "failed"), (1, True, 2, "failed"), (1, False, 1, "warn"), (2, True, 1, "ok"), (2, True, 2, "ok")],
)
def test_replicas_against_what_is_waited_for(online: int, required: bool, wanted: int, state: str) -> None:
    """Fewer in step than N fail every commit; a primary that may write without any is a warning; one that still fetches
    its first copy does not count."""
    told = GOOD | {f"slave{n}": f"ip=127.0.0.1,port={n},state=online,offset=1,lag=0" for n in range(online)}
    told |= {f"slave{online}": "ip=127.0.0.1,port=9,state=send_bulk,offset=0,lag=0"}
    told |= {"min_slaves_good_slaves": str(online)} if required else {}
    found = {each.name: each for each in judge(told, f"replicated:{wanted}")}
    assert found["store replicas"].state == state
    assert found["store replicas"].to_do or state == "ok"
    assert "store replicas" not in {each.name for each in judge(told)}


def test_clocks_may_differ_a_little() -> None:
    """More than two seconds is a warning, a minute is too much."""
    assert [judge_skew(seconds).state for seconds in (0.1, -1.9, 3, -59, 61)] == ["ok", "ok", "warn", "warn", "failed"]
