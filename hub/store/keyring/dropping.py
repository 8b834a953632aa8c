"""Whether a key may be dropped: only when nothing is left that needs it. There is no way round this.

A key is needed while it is active, on any living node; for as long as what was begun with it may still be on its way;
and while something that was made with it lies in the store, or is in the hands of a browser or an app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from hub.core.times import rfc3339
from hub.store.keyring.at_rest import AtRest, Row, last_until
from hub.store.keyring.changes import Refused
from hub.store.keyring.key import Key, Use

SETTLE_SECONDS = 5.0
"""What a node began with a key before another one was active has reached the store after that."""

LINGER_SECONDS: dict[Use, int] = {
    "cookie": 600,  # the life of a log-in on its way
    "context": 60 + 60 + 600,  # of a token, what clocks may differ by, and how long apps keep the list of keys
}


def seconds_left(key: Key, now: float) -> float:
    """How long a key has to be kept for the sake of what it made last; 0 if it never made anything."""
    if key.state != "old":
        return 0.0
    since = datetime.fromisoformat(key.since).timestamp()
    return max(0.0, since + LINGER_SECONDS.get(key.use, SETTLE_SECONDS) - now)


def check_linger(key: Key, now: float) -> None:
    """Raise ``Refused`` where browsers or apps may still hold what the key made."""
    left = seconds_left(key, now)
    if key.use in LINGER_SECONDS and left:
        holds = "log-ins on their way need it" if key.use == "cookie" else "apps may still be shown tokens it signed"
        raise Refused(f"{key.use} key {key.kid} is needed: {holds} until {_moment(now + left)}")


async def check_unneeded(at_rest: AtRest, key: Key, on_seen: Callable[[int], None]) -> None:
    """Raise ``Refused`` where something in the store was made with the key."""
    match key.use:
        case "master":
            found = [row async for rows in at_rest.rows() for row in rows if row.master == key.kid]
            does, way = "wraps the data keys of", "; `hub keys reseal` wraps them anew"
        case "token":
            found = [row async for rows in at_rest.rows() for row in rows if row.token == key.kid]
            does, way = "checks the tokens of", ""
        case "chain":
            found = await at_rest.chained_with(key.kid, on_seen)
            does, way = "chains the histories of", ""
        case _:
            return
    if found:
        rows = list({row.sid: row for row in found}.values())
        raise Refused(f"{key.use} key {key.kid} is needed: it {does} {_said(rows)}{way}")


def _said(rows: Sequence[Row]) -> str:
    live, last = sum(row.is_live for row in rows), last_until(rows)
    sessions = "1 session" if len(rows) == 1 else f"{len(rows)} sessions"
    kept = "one is kept for ever" if last is None else f"the last is kept until {_moment(last / 1000)}"
    return f"{sessions} ({live} live, {kept})"


def _moment(seconds: float) -> str:
    return rfc3339(round(seconds * 1000))
