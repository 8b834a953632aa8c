"""A session's record and history entries: between hashes of bytes in the store and nouns of ``core``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from hub.core.chain import position_at
from hub.core.change import Change, decode_entry
from hub.core.json import Object, dumps
from hub.core.position import Position
from hub.core.session import Ending, LogIn, Session
from hub.store.sealing import MasterKeys, SealBroken, seal, unseal

Fields = Mapping[bytes, bytes]
LAST_MS = 253_402_300_799_999  # the end of the year 9999


def from_flat(flat: Sequence[bytes]) -> Fields:
    """``[name, value, name, value]`` as a script answers it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def read_session(sid: str, fields: Fields, masters: MasterKeys) -> Session:
    """The session in a record. Raises ``SealBroken`` where the record cannot be trusted whole."""
    try:
        data_key = masters.unwrap(sid, fields[b"dek"])
        position = Position.parse(fields[b"position"].decode())
        ending = _ending(sid, fields, data_key)
        document = {} if ending else _document(sid, position, fields[b"doc"], data_key)
        return Session(
            sid=sid,
            log_in=read_log_in(sid, fields, data_key),
            position=position,
            document=document,
            created_ms=_milliseconds(fields[b"created"]),
            expires_ms=_milliseconds(fields[b"expires"]),
            idle_expires_ms=_milliseconds(fields[b"idle"]),
            chain=fields[b"chain"],
            verifier=fields[b"verifier"],
            data_key=data_key,
            ending=ending,
            is_closed=b"closed" in fields,
            hint=fields.get(b"hint", b""),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SealBroken(f"a record does not hold together: {type(error).__name__}") from None


def _document(sid: str, position: Position, sealed: bytes, data_key: bytes) -> Object:
    plain = unseal(data_key, sealed, b"doc", sid.encode(), str(position).encode())
    document: Object = orjson.loads(plain)
    return document


def seal_document(sid: str, position: Position, document: Object, data_key: bytes) -> bytes:
    """The document as it lies in the record, bound to its position."""
    return seal(data_key, dumps(document), b"doc", sid.encode(), str(position).encode())


def seal_log_in(sid: str, log_in: LogIn, data_key: bytes) -> bytes:
    """Who the session belongs to, as it lies in the record."""
    members = {name: getattr(log_in, name) for name in LogIn.__slots__}
    return seal(data_key, dumps(members), b"meta", sid.encode())


def read_log_in(sid: str, fields: Fields, data_key: bytes) -> LogIn:
    """Who the session belongs to. Raises ``SealBroken``, also where there is no such field."""
    try:
        return LogIn(**orjson.loads(unseal(data_key, fields[b"meta"], b"meta", sid.encode())))
    except (KeyError, ValueError, TypeError) as error:
        raise SealBroken(f"a record does not hold together: {type(error).__name__}") from None


def seal_hint(sid: str, id_token: str, data_key: bytes) -> bytes:
    """The provider's ID token, as it lies in the record until the session ends."""
    return seal(data_key, id_token.encode(), b"hint", sid.encode())


def read_hint(session: Session) -> str:
    """The provider's ID token; ``""`` where none was kept, or what was kept does not open."""
    try:
        return unseal(session.data_key, session.hint, b"hint", session.sid.encode()).decode() if session.hint else ""
    except SealBroken:
        return ""


def seal_entry(sid: str, position: Position, entry: bytes, data_key: bytes) -> bytes:
    """One history entry, as it lies in the stream and goes over the feed."""
    return seal(data_key, entry, b"entry", sid.encode(), str(position).encode())


def read_entry(sid: str, position: Position, sealed: bytes, data_key: bytes) -> tuple[Change, bytes]:
    """The change in a sealed entry, and its plaintext. Raises ``SealBroken``."""
    plain = open_entry(sid, position, sealed, data_key)
    return decode_entry(orjson.loads(plain), position), plain


def open_entry(sid: str, position: Position, sealed: bytes, data_key: bytes) -> bytes:
    """The plaintext of a history entry, byte for byte as the chain covers it. Raises ``SealBroken``."""
    return unseal(data_key, sealed, b"entry", sid.encode(), str(position).encode())


def read_stream_entry(
    sid: str, entry_id: bytes, fields: Sequence[bytes], data_key: bytes
) -> tuple[Change, bytes, bytes]:
    """The change, its plaintext and its chain value, from one entry of a history stream."""
    parts = from_flat(fields)
    try:
        revision, chain = int(entry_id.partition(b"-")[0]), parts[b"c"]
        change, plain = read_entry(sid, position_at(revision, chain), parts[b"e"], data_key)
    except (KeyError, ValueError, TypeError) as error:
        raise SealBroken(f"a history entry does not hold together: {type(error).__name__}") from None
    return change, plain, chain


def seal_ending(sid: str, reason: str, detail: str, actor: str, request_id: str, data_key: bytes) -> bytes:
    """Why a session ends, and who ended it."""
    members = {"reason": reason, "detail": detail, "actor": actor, "request_id": request_id}
    return seal(data_key, dumps(members), b"ending", sid.encode())


def read_ending(sid: str, sealed: bytes, data_key: bytes) -> Object:
    """``{"detail", "actor", "request_id", "reason"}`` of an end. Raises ``SealBroken``."""
    members: Object = orjson.loads(unseal(data_key, sealed, b"ending", sid.encode()))
    return members


def _ending(sid: str, fields: Fields, data_key: bytes) -> Ending | None:
    if fields[b"status"] != b"ended":
        return None
    said = read_ending(sid, fields[b"ending"], data_key)
    return Ending(at_ms=_milliseconds(fields[b"ended"]), **said)


def _milliseconds(text: bytes) -> int:
    """A time that has a date. Raises ``ValueError``."""
    number = int(text)
    if not 0 <= number <= LAST_MS:
        raise ValueError("no time")
    return number
