"""Reading requests: bodies within a limit, media types, positions, preferences. Bad input is ``Malformed``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from starlette.requests import ClientDisconnect, Request

from hub.core.position import Position
from hub.errors import Malformed, TooLarge, UnsupportedMediaType

MOST_BODY_BYTES = 1024 * 1024

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


async def body_of(request: Request, most: int = MOST_BODY_BYTES) -> bytes:
    """The body, at most ``most`` bytes. Raises ``TooLarge``."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge("The body is too large", limit_bytes=most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise TooLarge("The body is too large", limit_bytes=most)
            parts.append(part)
    except ClientDisconnect:
        raise ConnectionError("the caller has gone") from None
    return b"".join(parts)


def media_type(request: Request, accepted: Sequence[str], *, is_patch: bool = False) -> str:
    """The media type of the body, which must be one of ``accepted``."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        facts = {"accept_patch": list(accepted)} if is_patch else {"accepted": list(accepted)}
        raise UnsupportedMediaType(f"Send {' or '.join(accepted)}", **facts)
    return given


def if_match(request: Request) -> Position | None:
    """The position of ``If-Match``. A weak mark is tolerated: compressing proxies add it. ``*`` asks nothing."""
    text = request.headers.get("if-match")
    if text is None or text.strip() == "*":
        return None
    match = _ENTITY_TAG.fullmatch(text.strip())
    if match is None:
        raise Malformed('If-Match is one position in quotes, such as "42.9f3a1c02"')
    return position(match[1], "If-Match")


def none_match(request: Request) -> set[str]:
    """The tags of ``If-None-Match``; ``*`` among them means any."""
    text = request.headers.get("if-none-match", "")
    return {"*"} if text.strip() == "*" else set(_ENTITY_TAG.findall(text))


def position(text: str, where: str) -> Position:
    """A position. Raises ``Malformed`` naming ``where`` it was."""
    try:
        return Position.parse(text)
    except ValueError as error:
        raise Malformed(f"{where}: {error}") from None


def is_key(value: object) -> bool:
    """Whether ``value`` has the form of an idempotency key."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def idempotency_key(request: Request) -> str | None:
    """``Idempotency-Key``, if any."""
    key = request.headers.get("idempotency-key")
    if key is not None and not is_key(key):
        raise Malformed("An Idempotency-Key has 1 to 64 characters of A–Z a–z 0–9 _ -")
    return key


def preference(request: Request) -> Literal["minimal", "representation"] | None:
    """``Prefer: return=…`` (RFC 7240)."""
    for part in ",".join(request.headers.getlist("prefer")).split(","):
        match part.partition(";")[0].replace(" ", "").replace('"', "").lower():
            case "return=minimal":
                return "minimal"
            case "return=representation":
                return "representation"
    return None


def limit(request: Request, default: int, most: int) -> int:
    """``?limit=``: 1 to ``most``."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= most):
        raise Malformed(f"limit is a number from 1 to {most}")
    return int(text)


def names(request: Request, parameter: str) -> list[str] | None:
    """A comma-separated list in the query; ``None`` where it is not given."""
    text = request.query_params.get(parameter)
    return None if text is None else [name for name in text.split(",") if name]
