"""What a history must be, so that it can be believed: walked entry by entry, the first that does not fit is named.

Pure: entries come opened, from whoever can open them. What an entry says of itself (revision, base, ops, document) and
what the chain says of it have to agree, and the last one has to agree with the record. Chain keys may have changed over
the life of a history, so an entry fits if it fits under any key that is known.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import orjson

from hub.core.chain import Chain, position_at
from hub.core.change import Change, decode_entry
from hub.core.document import apply
from hub.core.json import Object, equal
from hub.core.limits import CHECKPOINT_EVERY, CLOSING_MS
from hub.core.position import Position
from hub.core.session import Session
from hub.core.times import rfc3339
from hub.errors import HubError

Fault: TypeAlias = Literal[
    "not_found",  # neither record nor history
    "record_gone",  # a history without its record
    "history_gone",  # a record without its history
    "sealed",  # the data key does not open with this ring
    "inserted",  # an entry id that is no revision
    "missing",  # a revision that is not there
    "unreadable",  # an entry that does not open
    "moved",  # an entry that is another revision, by its own account
    "base",  # an entry that continues something else
    "chain",  # a chain value that does not follow
    "ops",  # operations that do not apply
    "document",  # a whole document that is not the one replayed
    "after_end",  # something after the end
    "closing",  # an end without its closing entry, or with another one
    "record",  # a record that disagrees with its history
    "head",  # what the log wrote down of an end disagrees
]
State: TypeAlias = Literal["live", "ended", "closing", "retired", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit, where (a revision, if it has one), and why, in a sentence."""

    fault: Fault
    revision: int | None
    why: str


class Trail:
    """A history as far as it was walked. ``position`` and ``document`` are those after the last entry that fits."""

    def __init__(self, sid: str, chains: Sequence[Chain]) -> None:
        self._sid, self._chains = sid, chains
        self.position: Position | None = None
        self.value = b""
        self.document: Object = {}
        self.first: Change | None = None
        self.last: Change | None = None
        self.entries = 0

    @property
    def revision(self) -> int:
        """The last revision that was walked; 0 before the first."""
        return self.position.revision if self.position else 0

    def step(self, revision: int, value: bytes, plain: bytes) -> Finding | None:
        """Walk over one more entry: its revision by its place, its chain value (32 bytes) and its plaintext."""
        try:
            members: Object = orjson.loads(plain)
            change = decode_entry(members, position_at(revision, value))
            own, before = members["revision"], bytes.fromhex(members.get("before", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Finding("unreadable", revision, "what it holds is no history entry")
        if own != revision:
            return Finding("moved", revision, f"it says of itself that it is revision {str(own)[:20]}")
        finding = self._order(change) if self.last else self._beginning(change, before)
        if finding is None and not self._follows(revision, before, plain, value):
            finding = Finding("chain", revision, "its chain value does not follow from the one before it")
        if finding is None:
            finding = self._replay(change)
        if finding is None:
            self.position, self.value, self.last = change.position, value, change
            self.first = self.first or change
            self.entries += 1
        return finding

    def _beginning(self, change: Change, before: bytes) -> Finding | None:
        """The first entry is the opening, or a checkpoint that carries all that was trimmed away before it."""
        revision = change.position.revision
        if revision == 1:
            if change.kind == "open" and change.base is None and change.document is not None:
                return None
            return Finding("base", 1, "it is not the opening of a session")
        if change.document is None:
            return Finding("document", revision, "history begins here, and there is no document to begin from")
        if change.kind == "open" or change.base is None or change.base != position_at(revision - 1, before):
            return Finding("base", revision, "history begins here, and what came before it is not what it names")
        return None

    def _order(self, change: Change) -> Finding | None:
        revision = change.position.revision
        assert self.last is not None
        if self.last.kind == "end":
            return Finding("after_end", revision, "it comes after the end of the session")
        if change.kind not in ("commit", "reveal", "end"):
            return Finding("base", revision, f"a {str(change.kind)[:20]!r} has no place here")
        if change.base != self.position:
            return Finding("base", revision, f"it continues {change.base}, and what comes before it is {self.position}")
        return None

    def _follows(self, revision: int, before: bytes, plain: bytes, value: bytes) -> bool:
        """A checkpoint names the value before it: so a trimmed history can be checked from its first entry on."""
        if revision == 1:
            return any(
                hmac.compare_digest(chain.extend(chain.start(self._sid), plain), value) for chain in self._chains
            )
        if self.last is not None and before not in (b"", self.value):
            return False
        return any(hmac.compare_digest(chain.extend(self.value or before, plain), value) for chain in self._chains)

    def _replay(self, change: Change) -> Finding | None:
        revision = change.position.revision
        if self.last is None:
            self.document = change.document or {}
            return None
        if change.kind != "commit" and change.ops:
            return Finding("ops", revision, f"a {change.kind} changes nothing, and this one has operations")
        try:
            document = apply(self.document, change.ops)
        except (HubError, KeyError, TypeError, ValueError, AttributeError):
            return Finding("ops", revision, "its operations do not apply to the document before it")
        if change.document is not None and not _is_same(change.document, document):
            return Finding("document", revision, "the document it carries is not the one its history leads to")
        if change.document is None and change.kind == "commit" and revision % CHECKPOINT_EVERY == 0:
            return Finding("document", revision, "it is a checkpoint and carries no document")
        self.document = document
        return None


def _is_same(left: Object, right: Object) -> bool:
    try:
        return equal(left, right)
    except RecursionError:  # deeper than any document the hub lets in
        return False


def oldest_kept(revision: int, history_changes: int) -> int:
    """The oldest revision still kept once a session stands at ``revision``; 0 and 1 both say that all are."""
    checkpoint = revision // CHECKPOINT_EVERY * CHECKPOINT_EVERY
    return max(0, checkpoint - history_changes) // CHECKPOINT_EVERY * CHECKPOINT_EVERY


def check_record(trail: Trail, session: Session, now_ms: int) -> Finding | None:
    """Whether the record stands where its history leads to, is over if history says so, and has the same document."""
    at, last = session.position, trail.last
    if session.position != trail.position or not hmac.compare_digest(session.chain, trail.value):
        return Finding("record", at.revision, "the chain value in the record is not the one of this revision")
    if session.ending is None:
        if last is not None and last.kind == "end":
            return Finding("record", at.revision, "history ends here, and the record says that the session lives")
        if not _is_same(session.document, trail.document):
            return Finding("record", at.revision, "the document in the record is not the one its history leads to")
        return None
    return _check_end(session, last, now_ms)


def _check_end(session: Session, last: Change | None, now_ms: int) -> Finding | None:
    ending, revision = session.ending, session.position.revision
    assert ending is not None
    is_closed = last is not None and last.kind == "end"
    if not session.is_closed:
        if is_closed:
            return Finding("record", revision, "the record does not know of the closing entry")
        if now_ms - ending.at_ms < CLOSING_MS:
            return None
        said = f"the session ended at {rfc3339(ending.at_ms)}, and its closing entry is missing"
        return Finding("closing", revision + 1, said)
    if last is None or not is_closed:
        return Finding("closing", revision, "the record says that history is closed, and this is no closing entry")
    told = (last.reason, last.actor, last.request_id, last.at)
    if told != (ending.reason, ending.actor, ending.request_id, rfc3339(ending.at_ms)):
        return Finding("closing", revision, "the record tells of another end than the closing entry")
    return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying a session came to. ``position`` is the last that fits; ``finding`` what does not, if anything."""

    sid: str
    state: State
    position: Position | None
    chain: bytes
    entries: int
    first_revision: int | None
    first_at: str | None
    last_at: str | None
    finding: Finding | None

    @classmethod
    def of(cls, trail: Trail, sid: str, state: State, finding: Finding | None) -> Verdict:
        """The verdict on what was walked."""
        first, last = trail.first, trail.last
        return cls(
            sid,
            state,
            trail.position,
            trail.value,
            trail.entries,
            first.position.revision if first else None,
            first.at if first else None,
            last.at if last else None,
            finding,
        )
