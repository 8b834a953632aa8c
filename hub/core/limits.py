"""Numbers that the contract fixes. What an operator may set is in ``hub.settings`` instead."""

MAX_DEPTH = 64  # levels of nesting in any JSON value
MAX_INTEGER = 2**53 - 1  # I-JSON (RFC 7493 §2.2)
MAX_OPS = 256  # operations in one JSON Patch
MAX_FRAME_BYTES = 64 * 1024  # one message from a tab
MAX_HEADER_BYTES = 16 * 1024
MAX_CHANGES = 256  # changes handed out in one answer
MAX_CHANGES_BYTES = 256 * 1024  # of ops in one resume; beyond it a snapshot is cheaper
CHECKPOINT_EVERY = 256  # every so many revisions the history carries the whole document
IDEMPOTENCY_SECONDS = 600
CONTENTION_SECONDS = 2.0
CLOSING_MS = 60_000  # the closing entry of an ended session may be that late
