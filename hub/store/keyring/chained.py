"""Which chain key a history hangs on. An entry fits one key only, the one that was active when it was made."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator

import orjson

from hub.core.chain import Chain
from hub.store.audit.reading import Stored


async def is_chained_with(chain: Chain, sid: str, entries: AsyncIterator[Stored]) -> bool:
    """Whether any entry follows from the one before it under this key."""
    value: bytes | None = None
    async for entry in entries:
        if entry.plain:
            before = _before(chain, sid, entry) if value is None else value
            if hmac.compare_digest(chain.extend(before, entry.plain), entry.chain):
                return True
        value = entry.chain
    return False


def _before(chain: Chain, sid: str, entry: Stored) -> bytes:
    """The chain value before the first entry there is: a checkpoint, where history was trimmed, carries it along."""
    if entry.revision == 1:
        return chain.start(sid)
    try:
        members = orjson.loads(entry.plain)
        return bytes.fromhex(members.get("before", "")) if isinstance(members, dict) else b""
    except (ValueError, TypeError):
        return b""
