"""Heads: where ended sessions stood, as the log wrote it down when they ended.

Pure. Whoever has every key and can write to the store can make a whole new history that fits in itself; what another
place wrote down about the old one still speaks against it. A log is read line by line, and whatever is not a head in
it is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from hub.core.json import Object
from hub.core.position import Position
from hub.core.session import Session, is_sid
from hub.core.times import rfc3339
from hub.core.trail import Finding, Verdict

EVENT = "session_head"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of one history: its last position and chain value (32 bytes), and when the session ended and expires."""

    sid: str
    position: Position
    chain: bytes
    at_ms: int
    expires_ms: int


def to_facts(session: Session, position: Position, chain: bytes) -> dict[str, str]:
    """What the log says of the end of ``session``, whose closing entry is at ``position``."""
    ending = session.ending
    assert ending is not None
    return {
        "sid": session.sid,
        "position": str(position),
        "chain": chain.hex(),
        "reason": ending.reason,
        "at": rfc3339(ending.at_ms),
        "expires_at": rfc3339(session.expires_ms),
    }


def read(line: bytes) -> Head | None:
    """The head in a line of a log (whatever stands before its first brace); ``None`` where there is none."""
    if EVENT.encode() not in line:
        return None
    try:
        said: Object = orjson.loads(line[line.index(b"{") :])
        if said["event"] != EVENT or not is_sid(said["sid"]):
            return None
        at_ms, chain = _milliseconds(said["at"]), bytes.fromhex(said["chain"])
        expires_ms = _milliseconds(str(said.get("expires_at", said["at"])))
        return Head(said["sid"], Position.parse(said["position"]), chain, at_ms, expires_ms)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def compare(verdict: Verdict, heads: Sequence[Head], now_ms: int, retention_ms: int) -> Verdict:
    """The verdict, held against what the log says of the same session. What does not fit without it comes first."""
    if verdict.finding is not None and verdict.finding.fault != "not_found":
        return verdict
    for head in heads:
        finding = _against(verdict, head, now_ms, retention_ms)
        if finding is not None:
            return replace(verdict, finding=finding)
    if verdict.finding is not None and heads:
        return replace(verdict, state="retired", finding=None)
    return verdict


def _against(verdict: Verdict, head: Head, now_ms: int, retention_ms: int) -> Finding | None:
    revision = head.position.revision
    if verdict.finding is not None:
        kept_until = head.expires_ms + retention_ms
        if now_ms < kept_until:
            return Finding(
                "head", revision, f"the log has its end, it should be kept until {rfc3339(kept_until)}, and it is gone"
            )
        return None
    if verdict.state == "live":
        return Finding("head", revision, f"the log says that it ended at {rfc3339(head.at_ms)}, and it is live")
    if verdict.position != head.position or verdict.chain != head.chain:
        said = f"the log has {head.position} with chain {head.chain.hex()[:16]}… as its end"
        return Finding(
            "head", revision, f"{said}, and its history ends otherwise: it was rewritten, or cut and closed again"
        )
    return None
