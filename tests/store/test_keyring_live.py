"""A node follows its ring: what is whole is taken in one step by everybody, what is not is said once and left alone."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.store.keyring import Key, KeyRing, Use
from hub.store.keyring.changes import activate, add, drop
from hub.store.keyring.live import LiveRing
from hub.store.keyring.ring import now
from hub.store.sealing import MasterKeys, SealBroken

SID = "0123456789abcdef-0123456789abcdefghijkl"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    KeyRing.create(tmp_path / "ring.toml")
    return tmp_path / "ring.toml"


def rotate(file: Path, use: Use) -> str:
    """Add and activate; the new kid."""
    made = list[Key]()

    def change(keys: list[Key]) -> list[Key]:
        more, key = add(keys, use, now())
        made.append(key)
        return activate(more, use, key.kid, now())[0]

    KeyRing.edit(file, change)
    return made[0].kid


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["why"] for record in caplog.records if record.getMessage() == "key_ring_refused"]


def test_a_ring_that_has_not_changed_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look costs one ``stat``, so whoever meets an unknown key may look every time."""
    ring = LiveRing(file)
    monkeypatch.setattr(KeyRing, "load", lambda _: pytest.fail("it was read"))
    assert not ring.look()


def test_followers_get_a_changed_ring_once(file: Path) -> None:
    """All of them, before ``look`` returns."""
    ring, heard = LiveRing(file), list[KeyRing]()
    ring.followers += [heard.append, heard.append]
    kid = rotate(file, "token")
    assert ring.look()
    assert [each.token.active.kid for each in heard] == [kid, kid]
    assert ring.keys == KeyRing.load(file)
    assert not ring.look()
    os.utime(file)
    assert not ring.look(), "the same keys again are no news"
    assert len(heard) == 2


def test_a_missing_key_in_use_a_changed_secret_and_rubbish_are_refused_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One critical line each; the keys in use stay; a whole ring afterwards is taken."""
    ring, whole = LiveRing(file), file.read_text()
    before, heard = ring.keys, list[KeyRing]()
    ring.followers.append(heard.append)
    active = before.chain.active.kid
    other = KeyRing.create(file.with_name("other.toml"))
    broken = {
        "not TOML": "[[key",
        "no [[key]] in it": "",
        f"the chain key in use, {active}, is not in it": whole.replace(f'kid = "{active}"', 'kid = "other"'),
        "in use, ": file.with_name("other.toml").read_text().replace(other.index.active.kid, before.index.active.kid),
    }
    for said, text in broken.items():
        caplog.clear()
        file.write_text(text)
        assert not ring.look()
        assert not ring.look()
        [why] = refusals(caplog)
        assert said in why
        assert "\n" not in why
        assert ring.keys is before
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    caplog.clear()
    file.write_text(whole)
    assert not ring.look(), "as it was"
    file.unlink()
    assert not ring.look()
    assert refusals(caplog) == [f"{file}: no such key ring; `hub keys new` makes one"]
    file.write_text(whole)
    file.chmod(0o600)
    kid = rotate(file, "cookie")
    assert ring.look()
    assert heard == [ring.keys]
    assert ring.keys.cookie.active.kid == kid


def test_a_name_means_one_key_for_ever(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another secret under an old kid would silently open nothing."""
    rotate(file, "token")
    ring = LiveRing(file)
    [old] = [key for key in ring.keys.token.by_kid.values() if key.state == "old"]

    def change(keys: list[Key]) -> list[Key]:
        return [Key(k.use, k.kid, k.state, bytes(32), k.since) if k == old else k for k in keys]

    KeyRing.edit(file, change)
    assert not ring.look()
    assert refusals(caplog) == [f"{file}: token key {old.kid} is another key than before"]
    KeyRing.edit(file, lambda keys: drop(keys, "token", old.kid))
    assert ring.look(), "to be gone is another matter"


def test_loosened_rings_are_refused_although_their_content_is_the_same(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The mode counts, not the time of the content."""
    ring = LiveRing(file)
    file.chmod(0o644)
    assert not ring.look()
    assert not ring.look()
    [why] = refusals(caplog)
    assert "mode 0644 lets others at the keys" in why


def test_an_unknown_master_is_looked_for_at_once(file: Path) -> None:
    """A data key wrapped by a node that has read the new ring opens at one that has not looked yet."""
    behind = LiveRing(file)
    keys = behind.keys.master
    masters = MasterKeys(keys.secrets, keys.active.kid, behind.look)
    behind.followers.append(lambda ring: masters.replace_keys(ring.master.secrets, ring.master.active.kid))
    rotate(file, "master")
    ahead = LiveRing(file).keys.master
    key, wrapped = MasterKeys(ahead.secrets, ahead.active.kid).new_data_key(SID)
    assert masters.unwrap(SID, wrapped) == key
    assert masters.new_data_key(SID)[1].startswith(ahead.active.kid.encode() + b":")
    with pytest.raises(SealBroken, match="not in the key ring"):
        masters.unwrap(SID, b"unknown:" + wrapped)


async def test_it_looks_by_itself(file: Path) -> None:
    """Within two seconds, until it is stopped."""
    ring, news = LiveRing(file), asyncio.Event()
    ring.followers.append(lambda _: news.set())
    ring.start()
    try:
        rotate(file, "context")
        await asyncio.wait_for(news.wait(), 2.5)
    finally:
        await ring.stop()


def test_there_must_be_a_ring_to_begin_with(tmp_path: Path) -> None:
    """As before."""
    with pytest.raises(ConfigurationError, match="no such key ring"):
        LiveRing(tmp_path / "none")
