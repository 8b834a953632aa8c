"""Tokens on trial: shown to a node by the road their kind comes by, one at a time, and judged by its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import httpx

from tests.support import raw
from tests.support.adversary import Court
from tests.support.log_ins import begin
from tests.support.malformed import Forge

GOOD = {"access": 201, "id": 303, "logout": 200}
CPU_SECONDS = 0.050

Show = Callable[[str], Awaitable[int]]


@dataclass(frozen=True)
class Verdict:
    """What a node made of one token."""

    name: str
    token: str
    status: int
    cpu_seconds: float

    def __repr__(self) -> str:
        return f"{self.name}: {self.status} after {self.cpu_seconds * 1000:.0f} ms"


def has_own_spelling(token: str) -> bool:
    """Whether a header can carry it as it is: printable ASCII, without blanks, in less than 16 KiB."""
    return token.isascii() and token.isprintable() and " " not in token and 0 < len(token) < 16_000


async def begun(court: Court, kind: str) -> tuple[Forge, Show]:
    """A forge for tokens that would be good right now, and how to show one of them."""
    if kind != "id":
        return Forge(court.provider, kind), lambda token: _status_of(court, kind, token)
    court.http.cookies.clear()
    asked = await begin(court.http)

    async def show(token: str) -> int:
        answer = await court.call_back(court.http, asked, {"id_token": token})
        assert ("hub" in court.http.cookies) == (answer.status_code == GOOD["id"])
        return answer.status_code

    return Forge(court.provider, kind, nonce=asked["nonce"]), show


async def tried(court: Court, kind: str, families: Iterable[str]) -> list[Verdict]:
    """Every malformed token of these families; a good one last, which must be believed."""
    verdicts = []
    for family in families:
        for number, name in enumerate(Forge(court.provider, kind, nonce="n").names(family)):
            verdict = await _one(court, kind, family, number, name)
            if verdict.cpu_seconds > CPU_SECONDS:  # Python collected its garbage meanwhile, or it is the token's doing
                verdict = await _one(court, kind, family, number, name)
            verdicts.append(verdict)
    forge, show = await begun(court, kind)
    assert await show(forge.token()) == GOOD[kind]
    return verdicts


async def _one(court: Court, kind: str, family: str, number: int, name: str) -> Verdict:
    forge, show = await begun(court, kind)
    token, before = forge.at(family, number), court.cpu_seconds()
    status = await show(token)
    return Verdict(name, token, status, court.cpu_seconds() - before)


def wrong(kind: str, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those that were not refused as they should be, or not soon."""
    return [
        each for each in verdicts if each.status not in _refusals(kind, each.token) or each.cpu_seconds > CPU_SECONDS
    ]


def _refusals(kind: str, token: str) -> set[int]:
    """401 for a bearer, 400 for what a provider sends; what no header can carry is refused as a request is."""
    if kind != "access":
        return {400}
    return {401} if has_own_spelling(token) else {400, 401, 431}


async def _status_of(court: Court, kind: str, token: str) -> int:
    """The answer; 431 also where the node hung up on too much before it could be read."""
    try:
        answer = await _shown(court, kind, token)
    except (ConnectionError, asyncio.IncompleteReadError):
        assert kind == "access"
        assert len(token) > 100_000
        return 431
    return answer.status if isinstance(answer, raw.Raw) else answer.status_code


async def _shown(court: Court, kind: str, token: str) -> httpx.Response | raw.Raw:
    if kind != "access" or has_own_spelling(token):
        return await court.send(kind, token)
    value = token.encode("utf-8", "surrogateescape")
    lines = f"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{court.node.port}\r\nContent-Length: 0\r\n".encode()
    return await raw.send(court.node, lines + b"Authorization: Bearer " + value + b"\r\n\r\n")
