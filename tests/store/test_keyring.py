"""Guarantees of the key ring's file: private, whole, never lost, and refused with a reason when it is not right."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.store.keyring import USES, Key, KeyRing
from hub.store.keyring.changes import Refused, add, drop
from hub.store.keyring.file import read_keys


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.fixture
def ring_file(tmp_path: Path) -> Path:
    path = tmp_path / "ring.toml"
    KeyRing.create(path)
    return path


def test_a_new_ring_reads_back_as_it_was_made(tmp_path: Path) -> None:
    """Every use has one active key, all different, 256 bits each."""
    made = KeyRing.create(tmp_path / "keys" / "ring.toml")
    assert KeyRing.load(tmp_path / "keys" / "ring.toml") == made
    secrets = [getattr(made, use).active.secret for use in USES]
    assert len(set(secrets)) == len(USES)
    assert all(len(secret) == 32 for secret in secrets[:-1])
    assert made.context.active.secret.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_two_rings_share_nothing(tmp_path: Path) -> None:
    """Keys are random."""
    one, two = KeyRing.create(tmp_path / "1"), KeyRing.create(tmp_path / "2")
    for use in USES:
        assert getattr(one, use).active.secret != getattr(two, use).active.secret


def test_the_file_is_private_from_the_start(ring_file: Path) -> None:
    """Mode 0600, and no draft is left behind."""
    assert ring_file.stat().st_mode & 0o777 == 0o600
    assert list(ring_file.parent.iterdir()) == [ring_file]


def test_a_ring_is_never_overwritten(ring_file: Path) -> None:
    """Losing a ring loses every session: creating on top of one is refused."""
    before = ring_file.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already and is not overwritten"):
        KeyRing.create(ring_file)
    assert ring_file.read_bytes() == before
    assert list(ring_file.parent.iterdir()) == [ring_file]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_ring_others_can_touch_is_refused(ring_file: Path, mode: int) -> None:
    """Looser than 0600 is an error that says what to do."""
    ring_file.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        KeyRing.load(ring_file)


def test_a_stricter_ring_is_fine(ring_file: Path) -> None:
    """0400 is what a careful deployment has."""
    ring_file.chmod(0o400)
    assert KeyRing.load(ring_file).master.active.use == "master"


def test_many_processes_at_once_get_one_ring(tmp_path: Path) -> None:
    """Made on demand by whoever is first; nobody reads half of it."""
    path, rings, start = tmp_path / "ring.toml", [], threading.Barrier(16)

    def get() -> None:
        start.wait()
        rings.append(KeyRing.load_or_create(path))

    threads = [threading.Thread(target=get) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 16
    assert all(ring == rings[0] for ring in rings)


BROKEN = [
    ('use = "token"', 'use = "tokens"', "use is one of"),
    ('state = "active"', 'state = "on"', "state is one of"),
    ('state = "active"', 'state = "old"', "exactly one master key is active, not 0"),
    ('use = "token"', 'use = "master"', "exactly one master key is active, not 2"),
    ('kid = "', 'kid = "not a kid', "a master key has a bad kid or secret"),
    ('since = "', 'since = "x', "since of master key"),
    ('since = "2', "since = 2 # ", "since of master key"),
    ('Z"', '"', "since of master key"),
    ('secret = "', 'secret = "AAAA', "is not 32 bytes in base64url"),
    ('secret = "', 'secret = "!', "is not 32 bytes in base64url"),
    ('secret = "', 'x = 1\nsecret = "', "a [[key]] has exactly"),
    ("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY", "is not a P-256 private key in PEM"),
    ("[[key]]", "[key]", "not TOML"),
    ("[[key]]", "[[kex]]", "exactly one master key is active, not 0"),
]


@pytest.mark.parametrize(("old", "new", "said"), BROKEN, ids=[said for *_, said in BROKEN])
def test_a_malformed_ring_is_refused_with_its_fault(ring_file: Path, old: str, new: str, said: str) -> None:
    """One clear sentence, and never the secret itself."""
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.load(edited(ring_file, old, new))
    assert said in str(caught.value)
    assert str(ring_file) in str(caught.value)
    assert "PRIVATE KEY--" not in str(caught.value)


def test_what_is_no_ring_at_all_is_refused(tmp_path: Path) -> None:
    """Missing, empty, binary, a folder, a pipe."""
    with pytest.raises(ConfigurationError, match="no such key ring"):
        KeyRing.load(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        KeyRing.load(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigurationError, match="not a file"):
        KeyRing.load(tmp_path / "pipe")
    for data in (b"", b"\xff\xfe", b"key = 1\n", b"key = []\n", b"key = [1]\n"):
        path = tmp_path / "ring"
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="not a key ring"):
            KeyRing.load(path)


def test_old_keys_still_open_and_only_one_is_active(ring_file: Path) -> None:
    """Rotation: an old master is found by its kid, new things are made with the active one."""
    old = 'use = "master"\nkid = "0ld"\nstate = "old"\nsecret = "' + "A" * 43 + '"\n'
    ring_file.write_text(f"[[key]]\n{old}\n{ring_file.read_text()}")
    ring = KeyRing.load(ring_file)
    assert ring.master["0ld"] == bytes(32)
    assert ring.master.active.kid != "0ld"
    with pytest.raises(KeyError):
        ring.master["unknown"]


def test_the_index_key_is_one_for_ever(ring_file: Path) -> None:
    """It names every key in the store, so there is nothing to rotate to."""
    edited(ring_file, 'use = "cookie"', 'use = "index"')
    with pytest.raises(ConfigurationError, match="exactly one index key is active, not 2"):
        KeyRing.load(ring_file)


def test_a_key_does_not_show_its_secret() -> None:
    """Neither in logs nor in tracebacks."""
    assert "canary" not in repr(Key("token", "a", "active", b"canary"))


def test_keys_without_a_since_have_had_their_state_since_the_file_was_written_at_least(ring_file: Path) -> None:
    """Rings made by hand need no times; no state can be younger than the file."""
    text = "\n".join(line for line in ring_file.read_text().splitlines() if not line.startswith("since"))
    ring_file.write_text(text)
    os.utime(ring_file, (1_700_000_000, 1_700_000_000))
    assert {key.since for key in read_keys(ring_file)} == {"2023-11-14T22:13:20.000Z"}


def test_a_new_key_says_since_when(ring_file: Path) -> None:
    """In UTC, just now."""
    since = datetime.fromisoformat(KeyRing.load(ring_file).master.active.since)
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60


# edits


def one_more(keys: list[Key]) -> list[Key]:
    return add(keys, "master", "2026-01-01T00:00:00.000Z")[0]


def test_an_edit_replaces_the_file_in_one_step_and_keeps_its_mode(ring_file: Path) -> None:
    """Another file under the same name, as private as before, nothing left beside it."""
    ring_file.chmod(0o400)
    before = ring_file.stat().st_ino
    with ring_file.open("rb") as reader:  # as a node that is just reading
        KeyRing.edit(ring_file, one_more)
        assert len(reader.read().split(b"[[key]]")) == len(USES) + 1
    assert ring_file.stat().st_ino != before
    assert ring_file.stat().st_mode & 0o777 == 0o400
    assert len(KeyRing.load(ring_file).master.by_kid) == 2
    assert list(ring_file.parent.iterdir()) == [ring_file]


def test_edits_at_once_lose_nothing(ring_file: Path) -> None:
    """Each builds on the one before: 24 writers, 24 more keys."""
    start = threading.Barrier(24)

    def write() -> None:
        start.wait()
        KeyRing.edit(ring_file, one_more)

    threads = [threading.Thread(target=write) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(KeyRing.load(ring_file).master.by_kid) == 25


def test_an_edit_follows_a_link(ring_file: Path, tmp_path: Path) -> None:
    """What the link leads to is replaced, and the link stays."""
    link = tmp_path / "link.toml"
    link.symlink_to(ring_file)
    KeyRing.edit(link, one_more)
    assert link.is_symlink()
    assert len(KeyRing.load(ring_file).master.by_kid) == 2


@pytest.mark.parametrize("change", [lambda keys: keys[1:], lambda keys: [*keys, keys[0]], lambda _: []])
def test_an_edit_that_would_leave_no_ring_is_not_made(
    ring_file: Path, change: Callable[[list[Key]], list[Key]]
) -> None:
    """Nor is one that fails on its way: the file is as it was."""
    before, inode = ring_file.read_bytes(), ring_file.stat().st_ino
    with pytest.raises(ConfigurationError, match="not a key ring"):
        KeyRing.edit(ring_file, change)
    with pytest.raises(Refused):
        KeyRing.edit(ring_file, lambda keys: drop(keys, "index", "none"))
    assert (ring_file.read_bytes(), ring_file.stat().st_ino) == (before, inode)
    assert list(ring_file.parent.iterdir()) == [ring_file]


def test_what_is_no_private_ring_is_not_edited(ring_file: Path, tmp_path: Path) -> None:
    """As for reading."""
    with pytest.raises(ConfigurationError, match="no such key ring"):
        KeyRing.edit(tmp_path / "none", one_more)
    ring_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        KeyRing.edit(ring_file, one_more)
