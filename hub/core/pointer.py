"""JSON Pointer (RFC 6901): text to tokens and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hub.errors import Malformed

_BAD_ESCAPE = re.compile(r"~(?![01])")


def parse(text: object) -> list[str]:
    """``"/a~1b/0"`` → ``["a/b", "0"]``; ``""`` is the whole document. Raises ``Malformed``."""
    if not isinstance(text, str):
        raise Malformed("A path must be a string (RFC 6901)")
    if text == "":
        return []
    if text[0] != "/" or _BAD_ESCAPE.search(text):
        raise Malformed(f"Not a JSON Pointer (RFC 6901): {text[:80]!r}")
    if "~" not in text:
        return text[1:].split("/")
    return [token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/")]


def escape(token: str) -> str:
    """One token as it stands in a pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def join(tokens: Iterable[str]) -> str:
    """``["a/b", "0"]`` → ``"/a~1b/0"``."""
    return "".join(f"/{escape(token)}" for token in tokens)


def is_prefix(shorter: Sequence[str], longer: Sequence[str]) -> bool:
    """Whether ``longer`` lies at or below ``shorter``."""
    return len(shorter) <= len(longer) and list(longer[: len(shorter)]) == list(shorter)
