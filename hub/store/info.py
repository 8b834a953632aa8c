"""What servers say of themselves in lines."""

from __future__ import annotations


def read_info(answer: object) -> dict[str, str]:
    """``name:value`` lines, as of ``INFO`` and ``CLUSTER INFO``; nothing, for what is no text."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else ""
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in lines if colon}
