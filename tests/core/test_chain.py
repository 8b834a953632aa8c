"""The chain: a session's history is one thing, and any other history has another position."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from hub.core.chain import Chain, length_prefixed, position_at
from hub.core.position import Position
from tests.core.strategies import quick

KEY = bytes(range(32))


def test_the_chain_is_hmac_sha256_over_length_prefixed_fields() -> None:
    """Anybody with the key can compute it again, with nothing but HMAC."""
    chain = Chain(KEY)
    start = hmac.new(KEY, (3).to_bytes(8, "big") + b"sid", hashlib.sha256).digest()
    assert chain.start("sid") == start
    fields = (32).to_bytes(8, "big") + start + (5).to_bytes(8, "big") + b"entry"
    assert chain.extend(start, b"entry") == hmac.new(KEY, fields, hashlib.sha256).digest()


def test_the_tag_is_the_first_eight_hex_digits() -> None:
    """Of the chain value, in small letters."""
    assert position_at(7, b"\xab\xcd\xef\x01" + bytes(28)) == Position(7, "abcdef01")


@quick
@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_no_two_lists_of_fields_run_together(left: list[bytes], right: list[bytes]) -> None:
    """Length prefixes give each list of fields an encoding of its own."""
    assert (length_prefixed(*left) == length_prefixed(*right)) == (left == right)


@quick
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=5), st.data())
def test_a_history_that_differs_anywhere_ends_elsewhere(entries: list[bytes], data: st.DataObject) -> None:
    """One changed entry, another key or another session, and the last value is another one."""

    def last(key: bytes, sid: str, history: list[bytes]) -> bytes:
        value = Chain(key).start(sid)
        for entry in history:
            value = Chain(key).extend(value, entry)
        return value

    where = data.draw(st.integers(0, len(entries) - 1))
    changed = [*entries[:where], entries[where] + b"!", *entries[where + 1 :]]
    true = last(KEY, "sid", entries)
    assert true == last(KEY, "sid", entries)
    assert len({true, last(KEY, "sid", changed), last(KEY, "dis", entries), last(KEY[::-1], "sid", entries)}) == 4


def test_the_key_is_not_shown() -> None:
    """Neither in logs nor in tracebacks."""
    assert "00" not in repr(Chain(bytes(32)))
    assert "\\x" not in repr(Chain(KEY))
