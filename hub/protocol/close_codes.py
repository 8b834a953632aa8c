"""Why a connection is closed. The range is the policy: 40xx come back, 45xx do not by themselves."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """WebSocket close codes of the hub (RFC 6455 §7.4.2: 4000–4999 are private use)."""

    SHUTDOWN = 4001  # the node is draining; the reason is a jitter window in ms
    SLOW = 4002  # nothing could be written for too long, or too many replies wait
    LIMIT = 4003  # too many messages for now
    ENDED = 4500  # the session is over
    UNAUTHENTICATED = 4501  # no credential that names a known session
    BAD_MESSAGE = 4502  # broke the protocol
    FORBIDDEN = 4503  # may not follow this session
    TOO_MANY = 4504  # more connections than this session may have

    @property
    def terminal(self) -> bool:
        """Whether a client must not come back by itself."""
        return self >= 4500
