"""Which sessions a session at an identity provider opened, so that its end there is the end of them here.

An end is marked before the sids are read, and a log-in looks for the mark after it has written its sid: whichever
comes first, a log-in in flight does not escape.
"""

from __future__ import annotations

import asyncio

from hub.core.session import Session
from hub.store import keys
from hub.store.routed import Routed

MARK_SECONDS = 900


class IdpSessions:
    """The index by issuer and the provider's own ``sid``."""

    def __init__(self, calls: Routed, key: bytes) -> None:
        self._calls, self._key = calls, key

    async def note(self, session: Session) -> bool:
        """Write down whose session this is; ``False`` if the provider has ended that one by now."""
        log_in = session.log_in
        if not log_in.idp_sid:
            return True
        name = keys.idp_session(self._key, log_in.issuer, log_in.idp_sid)
        await asyncio.gather(
            self._calls.call("SADD", name, session.sid),
            self._calls.call("PEXPIREAT", name, session.expires_ms),
        )
        return not await self._calls.call("EXISTS", keys.idp_ended(self._key, log_in.issuer, log_in.idp_sid))

    async def end(self, issuer: str, idp_sid: str) -> list[str]:
        """Mark it ended, then say which sids it opened."""
        await self._calls.call("SET", keys.idp_ended(self._key, issuer, idp_sid), "1", "EX", MARK_SECONDS)
        found = await self._calls.call("SMEMBERS", keys.idp_session(self._key, issuer, idp_sid))
        return [sid.decode() for sid in found]
