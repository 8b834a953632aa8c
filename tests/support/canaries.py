"""Words that must not turn up where they do not belong, in any of the forms in which they could be hidden."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from urllib.parse import quote


def canary(what: str, letter: str = "é") -> str:
    """A new word that is in nothing else; ``letter`` is one that JSON, URLs and bytes write differently."""
    return f"canary-{what}-{letter}-{secrets.token_hex(6)}"


def forms(word: str) -> Iterator[bytes]:
    """The word as it is, escaped for JSON, for URLs and as ``MONITOR`` does it, in hex, in base64 at each offset."""
    plain = word.encode()
    yield plain
    yield repr(plain)[2:-1].encode()
    yield json.dumps(word)[1:-1].encode()
    yield quote(word).encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for offset in range(3):
        # The first and last characters depend on what stands beside the word.
        core = base64.b64encode(bytes(offset) + plain).rstrip(b"=")[-(-offset * 4 // 3) : -1]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


def found(words: Mapping[str, str], haystack: bytes) -> list[str]:
    """The names of the ``words`` that are in there."""
    return [name for name, word in words.items() if any(form in haystack for form in forms(word))]
