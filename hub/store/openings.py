"""Opening sessions: the first entry of a history, the record, and the user's index, in one script."""

from __future__ import annotations

from hub.core.chain import position_at
from hub.core.change import encode_entry
from hub.core.ports import NewSession, Opened
from hub.core.position import Position
from hub.core.session import Session, user_tag
from hub.core.times import rfc3339
from hub.errors import Unconfirmed
from hub.store import keys, records
from hub.store.calls import Answered
from hub.store.sessions import Records, published_change


class Openings:
    """Opens sessions."""

    def __init__(self, sessions: Records) -> None:
        self._sessions = sessions

    async def open(self, new: NewSession) -> Opened | None:
        """Open a session; ``None`` if its log-in began before the user was logged out everywhere."""
        store = self._sessions
        data_key, wrapped = store.masters.new_data_key(new.sid)
        entry = self._first_entry(new)
        chain = store.chain.extend(store.chain.start(new.sid), entry)
        position = position_at(1, chain)
        answered = await self._run(new, position, chain, data_key, wrapped, entry)
        reply = answered.reply
        if reply[0] == b"too_early":
            return None
        if not store.calls.is_durable(answered):
            raise Unconfirmed
        now, expires, idle = (int(number) for number in reply[:3])
        store.clock.heard(new.sid, now)
        session = Session(
            sid=new.sid,
            log_in=new.log_in,
            position=position,
            document=new.document,
            created_ms=now,
            expires_ms=expires,
            idle_expires_ms=idle,
            chain=chain,
            verifier=new.verifier,
            data_key=data_key,
        )
        await store.list_until(session.sid, session.deadline_ms)
        return Opened(session, [sid.decode() for sid in reply[3]])

    def _first_entry(self, new: NewSession) -> bytes:
        return encode_entry(
            kind="open",
            base=None,
            revision=1,
            ops=[],
            actor=new.actor,
            at=rfc3339(self._sessions.clock.now_ms(new.sid)),
            request_id=new.request_id,
            document=new.document,
        )

    async def _run(
        self, new: NewSession, position: Position, chain: bytes, data_key: bytes, wrapped: bytes, entry: bytes
    ) -> Answered:
        tag, sealed = user_tag(new.sid), records.seal_entry(new.sid, position, entry, data_key)
        key_names = [
            keys.record(new.sid),
            keys.history(new.sid),
            keys.live_sids(tag),
            keys.not_before(tag),
            keys.channel(tag),
        ]
        limits = [new.log_in.began_ms, new.absolute_ms, new.idle_ms, new.retention_ms, new.per_user]
        fields: list[str | bytes] = ["position", str(position), "verifier", new.verifier, "dek", wrapped]
        fields += ["meta", records.seal_log_in(new.sid, new.log_in, data_key)]
        fields += ["doc", records.seal_document(new.sid, position, new.document, data_key)]
        if new.id_token:
            fields += ["hint", records.seal_hint(new.sid, new.id_token, data_key)]
        published = published_change(new.sid, position, sealed)
        args = [new.sid, *limits, sealed, published, chain, *fields]
        return await self._sessions.scripts.run_durably("open", key_names, args)
