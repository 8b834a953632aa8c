"""Names of keys and channels. All keys of one user carry the same hash tag, so they share a cluster slot."""

from __future__ import annotations

import hashlib
import hmac

from hub.core.chain import length_prefixed
from hub.core.session import USER_TAG_DIGITS, user_tag

ALL_SHARDS = 64
NODES = "hub:nodes"
OPS = "hub:ops"
PROBE = "hub:probe"


def probe(tag: str | None) -> str:
    """What is written to find out whether a shard can be written: a string. ``tag`` is one of that shard's."""
    return PROBE if tag is None else f"hub:{{{tag}}}:probe"


def node_keys(node: str) -> str:
    """Which keys of the ring a node works with, by name: a string that lives as long as the node."""
    return f"{NODES}:{node}:keys"


def record(sid: str) -> str:
    """The record of a session: a hash."""
    return f"hub:{{{user_tag(sid)}}}:s:{sid}"


def history(sid: str) -> str:
    """The history of a session: a stream, entry ids ``<revision>-0``."""
    return f"hub:{{{user_tag(sid)}}}:h:{sid}"


def idempotency(sid: str, digest: str) -> str:
    """What one idempotency key of one actor was answered."""
    return f"hub:{{{user_tag(sid)}}}:i:{sid}:{digest}"


def presence(sid: str) -> str:
    """Who is connected: a hash, connection → app, node, since."""
    return f"hub:{{{user_tag(sid)}}}:p:{sid}"


def live_sids(tag: str) -> str:
    """The live sids of one user: a sorted set by absolute expiry (ms)."""
    return f"hub:{{{tag}}}:u"


def not_before(tag: str) -> str:
    """When all of a user's sessions were last ended at once (ms); log-ins that began earlier open nothing."""
    return f"hub:{{{tag}}}:n"


def channel(tag: str) -> str:
    """Where changes and ends of one user's sessions are published."""
    return f"hub:{{{tag}}}"


def tag_of_channel(name: str) -> str:
    """Whose channel it is."""
    return name[5:-1]


def all_shard(sid: str) -> str:
    """One of 64 sorted sets of live sids by deadline (ms), for listing and sweeping."""
    return all_shards()[int(sid[:2], 16) % ALL_SHARDS]


def all_shards() -> list[str]:
    """All of them."""
    return _SHARDS


_SHARDS = [f"hub:all:{number}" for number in range(ALL_SHARDS)]


def idp_session(key: bytes, issuer: str, idp_sid: str) -> str:
    """The sids that one session at an identity provider opened: a set. Keyed: a provider's sids may be guessable."""
    return f"hub:idp:{digest(key, b'idp', issuer.encode(), idp_sid.encode())}"


def idp_ended(key: bytes, issuer: str, idp_sid: str) -> str:
    """The mark that a session at an identity provider has ended: a string, for 15 minutes."""
    return f"{idp_session(key, issuer, idp_sid)}:ended"


def once(key: bytes, purpose: str, value: str) -> str:
    """What may be used one time only. Keyed: whoever can write to the store cannot name what would be taken."""
    return f"hub:once:{purpose}:{digest(key, b'once', purpose.encode(), value.encode())}"


def digest(key: bytes, *fields: bytes) -> str:
    """A name for ``fields`` that says nothing to whoever has no key: 32 hex digits of HMAC-SHA256."""
    return hmac.digest(key, length_prefixed(*fields), hashlib.sha256).hex()[:32]


def tag_of_user(index_key: bytes, issuer: str, user: str) -> str:
    """The hash tag of a user: 16 hex digits of HMAC-SHA256 over issuer and subject."""
    fields = length_prefixed(issuer.encode(), user.encode())
    return hmac.digest(index_key, fields, hashlib.sha256).hex()[:USER_TAG_DIGITS]
