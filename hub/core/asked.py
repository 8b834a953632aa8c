"""How a commit is asked for in JSON, wherever it comes from: ``patch`` or ``ops``, and ``if_position``."""

from __future__ import annotations

from hub.core.json import Object
from hub.core.patch import Patch, json_patch, merge_patch
from hub.core.position import Position
from hub.errors import Malformed


def patch_of(asked: Object) -> Patch:
    """The patch: ``patch`` (RFC 7396) or ``ops`` (RFC 6902), exactly one of them. Raises ``Malformed``."""
    if ("patch" in asked) == ("ops" in asked):
        raise Malformed("A commit has either a patch or ops")
    return merge_patch(asked["patch"]) if "patch" in asked else json_patch(asked["ops"])


def if_position_of(asked: Object) -> Position | None:
    """The position the commit insists on, if any. Raises ``Malformed``."""
    text = asked.get("if_position")
    if text is None:
        return None
    try:
        return Position.parse(text)
    except (ValueError, TypeError):
        raise Malformed("if_position is a position such as 42.9f3a1c02") from None
