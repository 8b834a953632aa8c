"""Where a browser may be sent after log-in: a path of this origin, and nothing that any browser reads as more.

Pure. What is doubtful leads to ``/`` instead of an error: the user still gets in.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

FALLBACK = "/"
MAX_CHARACTERS = 2048
_DECODINGS = 3
_PLAIN = "".join(map(chr, range(0x21, 0x7F)))
_UNWANTED = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


def safe_return_to(wanted: str | None) -> str:
    """``wanted`` if it is a same-origin path (query and fragment may follow), percent-encoded; otherwise ``/``."""
    if not wanted or len(wanted) > MAX_CHARACTERS or not _is_path(wanted):
        return FALLBACK
    try:
        return quote(wanted, safe=_PLAIN)
    except UnicodeEncodeError:
        return FALLBACK


def _is_path(wanted: str) -> bool:
    """Whether it stays a path of one leading slash, however often a proxy or browser decodes it."""
    if _UNWANTED.search(wanted):
        return False
    path = re.split(r"[?#]", wanted, maxsplit=1)[0]
    for _ in range(_DECODINGS):
        if not path.startswith("/") or path.startswith("//") or _UNWANTED.search(path):
            return False
        if any(segment in (".", "..") for segment in path.split("/")) or path.startswith("/auth/"):
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False
