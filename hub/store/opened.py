"""Records that were opened a moment ago: the same bytes need not be opened twice.

Nothing here saves a read. What a record is was read from the store after the request came; only the work of unsealing
and parsing is spared, and only where every byte of it is as it was. Documents are never changed in place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from hub.core.session import Session

MOST = 2048
LARGEST_BYTES = 8192  # of a sealed record; larger ones are opened each time


class OpenedRecords:
    """Sessions by sid, each with the bytes it was made of; the least used go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Sequence[bytes], Session]] = OrderedDict()

    def get(self, sid: str, flat: Sequence[bytes]) -> Session | None:
        """The session in these bytes, if they were opened before."""
        known = self._known.get(sid)
        if known is None or known[0] != flat:
            return None
        self._known.move_to_end(sid)
        return known[1]

    def put(self, sid: str, flat: Sequence[bytes], session: Session) -> None:
        """They were opened just now."""
        if sum(map(len, flat)) > LARGEST_BYTES:
            self._known.pop(sid, None)
            return
        self._known[sid] = (flat, session)
        self._known.move_to_end(sid)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Keys have changed: what opened with them has to open again."""
        self._known.clear()
