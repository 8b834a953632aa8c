"""A history that no hub left like this: nothing is written over it, somebody is told, and everything else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from hub.core.ports import Missing
from hub.core.session import Session
from hub.store import keys
from hub.store.store import Store
from tests.store.conftest import Place
from tests.support.sessions import commit, committed, end, opening, read

pytestmark = pytest.mark.contract

Mess = Callable[[Any, str], object]


def another_kind(outside: Any, name: str) -> None:
    """No stream at all."""
    outside.delete(name)
    outside.set(name, "nothing of the kind")


MESSES: dict[str, Mess] = {
    "an entry from the future": lambda outside, name: outside.xadd(name, {"e": "x", "c": "y"}, id="99-0"),
    "one such, that is gone again": lambda outside, name: outside.xdel(
        name, outside.xadd(name, {"e": "x", "c": "y"}, id="99-0")
    ),
    "the next entry": lambda outside, name: outside.xadd(name, {"e": "x", "c": "y"}, id="3-0"),
    "another kind of value": another_kind,
}


@pytest.fixture(params=MESSES)
def mess(request: pytest.FixtureRequest) -> Mess:
    """What somebody who can write to the store has done to a history."""
    return MESSES[request.param]


@pytest.fixture
async def spoilt(place: Place, store: Store, mess: Mess) -> Session:
    """A session at its second revision, and a history that does not fit it."""
    made = await committed(store, await opening(store).live(), cart={"n": 1})
    mess(place.outside(), keys.history(made.sid))
    return made


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Sids of sessions that operators were told of."""
    return [vars(each)["sid"] for each in caplog.records if each.message == "session_quarantined"]


async def test_a_commit_is_refused_whole(
    place: Place, store: Store, spoilt: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither record nor history is other than before: no position without its entry."""
    kept = [place.outside().dump(name(spoilt.sid)) for name in (keys.record, keys.history)]
    with caplog.at_level(logging.CRITICAL, "hub.security"):
        assert await commit(store, spoilt, None, 0, cart={"n": 2}) == Missing(is_unfit=True)
    assert [place.outside().dump(name(spoilt.sid)) for name in (keys.record, keys.history)] == kept
    assert told(caplog) == [spoilt.sid]


async def test_the_end_ends_it_and_every_other(
    place: Place, store: Store, mess: Mess, caplog: pytest.LogCaptureFixture
) -> None:
    """It is over though its history cannot be closed; that of a session ended in the same act is closed, and listings
    have neither."""
    spoilt, other = [await opening(store, user="twice").live() for _ in range(2)]
    spoilt = await committed(store, spoilt, cart={"n": 1})
    mess(place.outside(), keys.history(spoilt.sid))
    with caplog.at_level(logging.CRITICAL, "hub.security"):
        assert await end(store, spoilt.sid, other.sid) == 2
        over = await read(store, spoilt.sid)
    assert over.ending is not None
    assert not over.is_closed
    assert (await read(store, other.sid)).is_closed
    assert set(told(caplog)) == {spoilt.sid}
    assert not {spoilt.sid, other.sid} & await all_listed(store)


async def all_listed(store: Store) -> set[str]:
    """Sids of all live sessions."""
    found, cursor = await store.sids_from(None, 500)
    while cursor is not None:
        more, cursor = await store.sids_from(cursor, 500)
        found += more
    return set(found)
