"""Sessions made straight in a store, without HTTP: opened, committed to and ended in one line each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from hub.core.chain import position_at
from hub.core.change import encode_entry
from hub.core.document import apply
from hub.core.json import Object
from hub.core.ports import CommitOutcome, Done, IdempotencyKey, NewSession, Opened, Revision
from hub.core.session import LogIn, Session
from hub.core.times import rfc3339
from hub.store.store import Store

ISSUER = "http://issuer.test"


@dataclass
class Opening:
    """A session about to be opened; every number has a sensible default."""

    store: Store
    user: str = field(default_factory=lambda: f"user-{uuid.uuid4().hex}")
    idle_ms: int = 600_000
    absolute_ms: int = 3_600_000
    retention_ms: int = 60_000
    per_user: int = 64
    began_ms: int | None = None
    document: Object = field(default_factory=lambda: {"profile": {"name": "Ada"}})
    id_token: str = ""

    async def open(self) -> Opened | None:
        """What the store answers."""
        began = self.store.clock.now_ms() if self.began_ms is None else self.began_ms
        return await self.store.open(
            NewSession(
                sid=self.store.new_sid(ISSUER, self.user),
                log_in=LogIn("main", ISSUER, self.user, began // 1000, began),
                verifier=b"kid:verifier",
                document=self.document,
                absolute_ms=self.absolute_ms,
                idle_ms=self.idle_ms,
                retention_ms=self.retention_ms,
                per_user=self.per_user,
                actor=f"user:{self.user}",
                request_id="request",
                id_token=self.id_token,
            )
        )

    async def live(self) -> Session:
        """The session, which must be opened."""
        opened = await self.open()
        assert opened is not None
        return opened.session


def opening(store: Store, **members: Any) -> Opening:
    """A session about to be opened."""
    return Opening(store, **members)


def next_revision(store: Store, session: Session, trim_below: int = 0, **sections: Any) -> Revision:
    """The revision that sets ``sections``."""
    ops = [{"op": "add", "path": f"/{name}", "value": value} for name, value in sections.items()]
    number, document = session.position.revision + 1, apply(session.document, ops)
    entry = encode_entry(
        kind="commit",
        base=session.position,
        revision=number,
        ops=ops,
        actor="service:test",
        at=rfc3339(store.clock.now_ms()),
        request_id="request",
    )
    chain = store.chain.extend(session.chain, entry)
    return Revision(position_at(number, chain), chain, document, entry, trim_below)


async def commit(
    store: Store, session: Session, key: IdempotencyKey | None = None, trim_below: int = 0, **sections: Any
) -> CommitOutcome:
    """Try to set ``sections`` on exactly this state of the session."""
    return await store.commit(session, next_revision(store, session, trim_below, **sections), key)


async def committed(store: Store, session: Session, trim_below: int = 0, **sections: Any) -> Session:
    """Set ``sections``, and the session as it is then."""
    assert isinstance(await commit(store, session, None, trim_below, **sections), Done)
    return await read(store, session.sid)


async def read(store: Store, sid: str) -> Session:
    """The session as it is; it must be there."""
    found = await store.read(sid)
    assert found is not None
    return found


async def end(store: Store, *sids: str, detail: str = "") -> int:
    """End sessions of one user; how many ended now."""
    done = await store.end(list(sids), "revoked", detail=detail, actor="service:test", request_id="request")
    return done.count
