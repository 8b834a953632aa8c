"""One history entry in words: as a line of JSON with all it holds, and as a row for people.

What looks like a token is never shown, wherever it stands in a document, and no control character reaches a terminal.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

from hub.cli.output import moment
from hub.core import pointer
from hub.core.json import Json, Object, dumps
from hub.core.position import Position
from hub.core.times import rfc3339
from hub.errors import Malformed
from hub.store.audit.reading import Found, Stored

LONGEST_VALUE = 60
MOST_OPS = 4
NOTHING = object()

_SECRET = re.compile(r"hub_(st|sk)_[A-Za-z0-9._-]+|eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){1,4}")
_REVISION = re.compile(r"[1-9][0-9]{0,15}")


class Unreadable(Exception):
    """An entry cannot be put in words; the message says why."""


def to_line(found: Found, stored: Stored) -> Object:
    """All that an entry holds, whose it is, and where it stands. Raises ``Unreadable``."""
    if stored.finding is not None:
        raise Unreadable(stored.finding.why)
    log_in = found.log_in
    whose = {"sid": found.sid, "user": log_in.user if log_in else None, "provider": log_in.provider if log_in else None}
    where = {"position": f"{stored.revision}.{stored.chain.hex()[:8]}", "chain": stored.chain.hex()}
    try:
        members: Object = orjson.loads(stored.plain)
        dumps(members)  # what nests too deeply to be written again is none of ours
        is_entry = all(isinstance(members[name], str) for name in ("kind", "actor", "at", "request_id"))
        is_entry = is_entry and all(isinstance(op["op"], str) and pointer.parse(op["path"]) for op in members["ops"])
    except (ValueError, KeyError, TypeError, Malformed):
        is_entry = False
    if not is_entry:
        raise Unreadable("what it holds is no history entry")
    own = {**whose, "revision": stored.revision, **where}
    return own | members | own


def without_secrets(value: Json) -> Json:
    """The same with everything that looks like a token replaced."""
    return orjson.loads(_SECRET.sub("[secret]", dumps(value).decode()))


class Bound:
    """``--since`` or ``--until``: a position, a bare revision, or a time (RFC 3339; local where no zone is named)."""

    def __init__(self, text: str) -> None:
        self.position: Position | None = None
        self.revision = 0
        self.at = ""
        try:
            if _REVISION.fullmatch(text):
                self.revision = int(text)
            elif "." in text and ":" not in text:
                self.position = Position.parse(text)
                self.revision = self.position.revision
            else:
                self.at = rfc3339(round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000))
        except (ValueError, OverflowError):
            raise typer.BadParameter(f"{text[:40]!r} is neither a position (42.9f3a1c02) nor a time") from None

    def is_before(self, line: Object) -> bool:
        """Whether this lies before an entry (for a time: not after it)."""
        return bool(self.at <= line["at"]) if self.at else bool(self.revision < line["revision"])

    def is_at_or_after(self, line: Object) -> bool:
        """Whether an entry lies at this or before it."""
        return bool(line["at"] <= self.at) if self.at else bool(line["revision"] <= self.revision)

    def is_elsewhere(self, line: Object) -> bool:
        """Whether this names another history: the same revision under another tag."""
        position = self.position
        return position is not None and position.revision == line["revision"] and str(position) != line["position"]


def tokens_of(path: str) -> list[str]:
    """The tokens of ``--path``."""
    try:
        return pointer.parse(path)
    except Malformed as error:
        raise typer.BadParameter(error.detail) from None


def touching(line: Object, tokens: Sequence[str], *, is_first: bool) -> list[Object]:
    """What an entry did at or below a path: ops, and of those above it the part that lies at it.

    The first entry of a history counts as adding what its document has there.
    """
    if is_first:
        value = _inside(line.get("document"), tokens)
        return [] if value is NOTHING else [{"op": "add", "path": pointer.join(tokens), "value": value}]
    return [seen for op in line["ops"] for seen in _seen_from(op, tokens)]


def _seen_from(op: Object, tokens: Sequence[str]) -> Iterator[Object]:
    own = pointer.parse(op["path"])
    if pointer.is_prefix(tokens, own):
        yield op
    elif pointer.is_prefix(own, tokens):
        value = _inside(op["value"], tokens[len(own) :]) if "value" in op else NOTHING
        gone = {"op": "remove", "path": pointer.join(tokens)}
        yield gone if value is NOTHING else {"op": op["op"], "path": pointer.join(tokens), "value": value}


def _inside(value: Any, tokens: Sequence[str]) -> Any:
    for token in tokens:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token.isascii() and token.isdigit() and int(token) < len(value):
            value = value[int(token)]
        else:
            return NOTHING
    return value


def to_row(line: Object, ops: Sequence[Object]) -> list[str]:
    """Revision, time, actor, what, request id."""
    kind = line["kind"]
    said: list[str] = []
    if kind != "commit":
        said.append(": ".join(str(part) for part in (kind, line.get("reason"), line.get("detail")) if part))
    said += [_op(op) for op in ops[:MOST_OPS]]
    if len(ops) > MOST_OPS:
        said.append(f"and {len(ops) - MOST_OPS} more")
    cells = [str(line["revision"]), moment(line["at"]), str(line["actor"]), "\n".join(said), str(line["request_id"])]
    return [_printable(cell) for cell in cells]


def _op(op: Object) -> str:
    if "value" not in op:
        return f"{op['op']} {op['path']}"
    value = dumps(op["value"]).decode()
    return f"{op['op']} {op['path']} {value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + '…'}"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == "\n" else f"\\u{ord(sign):04x}" for sign in text)
