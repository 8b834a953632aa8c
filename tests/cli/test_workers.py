"""Guarantees of several processes on one port: none is missed for long, none is left over, one word stops all."""

import os
import select
import signal
import socket
from pathlib import Path

import httpx
import pytest

from hub.cli.listen import listen
from tests.cli.processes import end_of, eventually, is_alive, line_of, running

PARENT = ["-m", "tests.cli.tiny_node", "parent"]


def children_of(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def who_answers(url: str) -> int:
    return int(httpx.get(url, timeout=10).text)


def test_all_workers_serve_one_port_and_stop_together() -> None:
    """SIGTERM to the parent is SIGTERM to all; exit code 0, nobody left."""
    with running(PARENT) as parent:
        url = line_of(parent)
        eventually(lambda: len(children_of(parent.pid)) == 2, "two workers")
        children = children_of(parent.pid)
        assert who_answers(url) in children
        parent.terminate()
        assert end_of(parent)[0] == 0
        assert not any(map(is_alive, children))


def test_a_dead_worker_is_replaced() -> None:
    """kill -9 of one: another one starts, and the port answers all the while."""
    with running(PARENT) as parent:
        url = line_of(parent)
        eventually(lambda: len(children_of(parent.pid)) == 2, "two workers")
        victim, other = children_of(parent.pid)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(children_of(parent.pid) - {victim}) == 2, "a new worker")
        assert who_answers(url) in children_of(parent.pid)
        assert other in children_of(parent.pid)
        parent.terminate()
        code, said = end_of(parent)
        assert code == 0
        assert "a worker stopped (signal 9); another one starts" in said


def test_no_worker_outlives_its_parent() -> None:
    """kill -9 of the parent: the workers drain and go by themselves."""
    with running(PARENT) as parent:
        line_of(parent)
        eventually(lambda: len(children_of(parent.pid)) == 2, "two workers")
        children = children_of(parent.pid)
        parent.kill()
        eventually(lambda: not any(map(is_alive, children)), "the workers are gone")


@pytest.mark.parametrize("unread", [True, False])
def test_a_worker_whose_parent_is_gone_already_does_not_stay(unread: bool) -> None:
    """Dead before the worker was ready, or with its word unread (which resets the link)."""
    ours, theirs = socket.socketpair()
    with listen("127.0.0.1:0") as listener, theirs:
        arguments = ["worker", "--socket-fd", str(listener.fileno()), "--link-fd", str(theirs.fileno())]
        if not unread:
            ours.close()
        with running(["-m", "tests.cli.tiny_node", *arguments], keep=(listener, theirs)) as worker:
            theirs.close()
            if unread:
                eventually(lambda: bool(select.select([ours], [], [], 0)[0]), "the worker is ready")
                ours.close()
            assert end_of(worker) == (0, "")


def test_a_wrong_configuration_is_not_tried_again_and_again() -> None:
    """A worker that refuses its configuration ends the whole with 2."""
    with running(PARENT, {"TINY": "refuse"}) as parent:
        code, said = end_of(parent)
    assert code == 2
    assert "the tiny node does not like this" in said
    assert "another one starts" not in said


def test_workers_that_die_at_once_are_restarted_slowly_and_can_still_be_stopped() -> None:
    """The pause grows; SIGTERM is heard during it."""
    with running(PARENT, {"TINY": "crash"}) as parent:
        assert parent.stderr is not None
        lines = [parent.stderr.readline() for _ in range(4)]
        assert all("a worker stopped (exit code 7)" in line for line in lines)
        parent.terminate()
        assert end_of(parent)[0] == 0


def test_ctrl_c_is_passed_on_once() -> None:
    """The terminal's signal reaches the parent only, which asks the workers to drain."""
    with running(PARENT) as parent:
        line_of(parent)
        parent.send_signal(signal.SIGINT)
        assert end_of(parent)[0] == 0
