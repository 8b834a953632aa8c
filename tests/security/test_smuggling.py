"""What a request cannot hide in another: bytes that two parsers would cut apart differently never reach an app."""

from __future__ import annotations

import re

import pytest

from tests.security.gate import Gate, refusal

pytestmark = pytest.mark.edge

HIDDEN = "GET /apps/open/hidden HTTP/1.1\r\nHost: {host}\r\nX-Hub-User: mallory\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
EMPTY = "0\r\n\r\n"


def post(head: str, body: str = "") -> str:
    """A request with these header lines, each of them ended, and this body."""
    return "POST /apps/open/seen HTTP/1.1\r\nHost: {host}\r\n" + head + "\r\n" + body


REFUSED = {
    "CL and TE": post("Content-Length: 5\r\n" + CHUNKED, EMPTY + HIDDEN),
    "TE and CL": post(CHUNKED + "Content-Length: 500\r\n", EMPTY + HIDDEN),
    "CL and te": post("Content-Length: 5\r\ntransfer-encoding: CHUNKED\r\n", EMPTY + HIDDEN),
    "two CL": post("Content-Length: 0\r\nContent-Length: 5\r\n", HIDDEN),
    "two equal CL": post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc" + HIDDEN),
    "CL list": post("Content-Length: 3, 3\r\n", "abc" + HIDDEN),
    "CL plus": post("Content-Length: +3\r\n", "abc" + HIDDEN),
    "CL minus": post("Content-Length: -3\r\n", HIDDEN),
    "CL hex": post("Content-Length: 0x3\r\n", "abc" + HIDDEN),
    "CL underscore": post("Content-Length: 1_0\r\n", HIDDEN),
    "CL overflow": post("Content-Length: 18446744073709551617\r\n", "a" + HIDDEN),
    "CL empty": post("Content-Length: \r\n", HIDDEN),
    "CL folded": post("Content-Length:\r\n 5\r\n", HIDDEN),
    "TE chunked, identity": post("Transfer-Encoding: chunked, identity\r\n", EMPTY + HIDDEN),
    "TE identity": post("Transfer-Encoding: identity\r\n", HIDDEN),
    "TE gzip, chunked": post("Transfer-Encoding: gzip, chunked\r\n", EMPTY + HIDDEN),
    "TE xchunked": post("Transfer-Encoding: xchunked\r\n", EMPTY + HIDDEN),
    "TE chunkedx": post("Transfer-Encoding: chunked-x\r\n", EMPTY + HIDDEN),
    "TE quoted": post('Transfer-Encoding: "chunked"\r\n', EMPTY + HIDDEN),
    "TE twice": post(CHUNKED + "Transfer-Encoding: identity\r\n", EMPTY + HIDDEN),
    "TE twice the same": post(CHUNKED + CHUNKED, EMPTY + HIDDEN),
    "TE with a blank": post("Transfer-Encoding : chunked\r\n", EMPTY + HIDDEN),
    "TE folded": post("Transfer-Encoding:\r\n chunked\r\n", EMPTY + HIDDEN),
    "TE vertical tab": post("Transfer-Encoding: \x0bchunked\r\n", EMPTY + HIDDEN),
    "TE with NUL": post("Transfer-Encoding: chunked\x00\r\n", EMPTY + HIDDEN),
    "TE in HTTP/1.0": post(CHUNKED, EMPTY + HIDDEN).replace("HTTP/1.1", "HTTP/1.0", 1),
    "chunk size overflow": post(CHUNKED, "FFFFFFFFFFFFFFFFFF\r\n" + HIDDEN),
    "chunk size wraps": post(CHUNKED, "10000000000000003\r\nabc\r\n" + EMPTY + HIDDEN),
    "chunk size 0x": post(CHUNKED, "0x3\r\nabc\r\n" + EMPTY + HIDDEN),
    "chunk size minus": post(CHUNKED, "-3\r\nabc\r\n" + EMPTY + HIDDEN),
    "chunk size plus": post(CHUNKED, "+3\r\nabc\r\n" + EMPTY + HIDDEN),
    "chunk size missing": post(CHUNKED, "\r\n" + EMPTY + HIDDEN),
    "chunk too long": post(CHUNKED, "3\r\nabcdef\r\n" + EMPTY + HIDDEN),
    "chunk bare LF": post(CHUNKED, "3\nabc\n0\n\n" + HIDDEN),
    "chunk extension with LF": post(CHUNKED, "3;a=\nb\r\nabc\r\n" + EMPTY + HIDDEN),
    "chunk extension like a request": post(CHUNKED, "0;a=GET /apps/open/hidden HTTP/1.1\r\n\r\n" + HIDDEN),
    "a length in a trailer": post(CHUNKED, "3\r\nabc\r\n0\r\nContent-Length: 500\r\n\r\n" + HIDDEN),
    "bare LF in the head": "POST /apps/open/seen HTTP/1.1\nHost: {host}\nContent-Length: 0\n\n" + HIDDEN,
    "bare LF between headers": post("X-A: 1\nContent-Length: 5\r\n", HIDDEN),
    "bare CR between headers": post("X-A: 1\rContent-Length: 5\r\n", HIDDEN),
    "obs-fold": post("X-A: 1\r\n Content-Length: 5\r\n", HIDDEN),
    "blanks before the first header": "GET /apps/open/seen HTTP/1.1\r\n X: y\r\nHost: {host}\r\n\r\n" + HIDDEN,
    "HTTP/0.9": "GET /apps/open/seen\r\n" + HIDDEN,
    "HTTP/1.2": post("Content-Length: 0\r\n").replace("HTTP/1.1", "HTTP/1.2", 1) + HIDDEN,
    "HTTP/2.0": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "a line with two targets": "GET /apps/open/seen /apps/open/hidden HTTP/1.1\r\nHost: {host}\r\n\r\n" + HIDDEN,
}
"""Ends with a refusal, and the connection with it: what follows is never a request."""

WHOLE = {
    "a request in a body": post("Content-Length: {length}\r\n", HIDDEN),
    "a request in a chunk": post(CHUNKED, "{size}\r\n" + HIDDEN + "\r\n" + EMPTY),
    "identity in a trailer": post(CHUNKED + "Trailer: X-Hub-User\r\n", "0\r\nX-Hub-User: mallory\r\n\r\n"),
    "Content_Length": post("Content_Length: 500\r\nContent-Length: 3\r\n", "abc"),
    "Transfer_Encoding": post("Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", "abc"),
    "Connection names the length": post("Connection: Content-Length\r\nContent-Length: {length}\r\n", HIDDEN),
}
"""Is one request, and the app is asked once."""


def filled(gate: Gate, text: str) -> bytes:
    """The bytes of an attack on this gate."""
    host = f"127.0.0.1:{gate.node.port}"
    length = len(HIDDEN.format(host=host))
    return text.format(host=host, length=length, size=f"{length:x}").encode("latin-1")


def statuses(raw: bytes) -> list[int]:
    """Of all answers that came."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)]


async def assert_not_poisoned(gate: Gate, after: str) -> None:
    """The next caller's request is what it was: nothing of an attack is left on a connection to the app."""
    gate.forget()
    answer = await gate.get("/apps/open/next", "Connection: close")
    assert (answer.status, answer.json()) == (200, {"asked": 1}), after
    assert [asked.target for asked in gate.open.asked] == ["/apps/open/next"], after


@pytest.mark.parametrize("attack", REFUSED)
async def test_57_a_request_that_can_be_read_in_two_ways_is_refused(gate: Gate, attack: str) -> None:
    """4xx, the connection closes, and the app hears of none of it."""
    heard = statuses(await gate.talk(filled(gate, REFUSED[attack])))
    assert len(heard) == 1
    assert 400 <= heard[0] < 500
    assert [asked.target for asked in gate.asked() if "hidden" in asked.target] == []
    assert b"hidden" not in gate.open.raw
    await assert_not_poisoned(gate, attack)


@pytest.mark.parametrize("attack", WHOLE)
async def test_57_one_request_is_one_request_for_the_app(gate: Gate, attack: str) -> None:
    """A body is a body, whatever it looks like; trailers and look-alike framing are dropped."""
    last = gate.request("/apps/open/last", "Connection: close")
    assert statuses(await gate.talk(filled(gate, WHOLE[attack]) + last)) == [200, 200]
    assert [asked.target for asked in gate.open.asked] == ["/apps/open/seen", "/apps/open/last"]
    seen = gate.open.asked[0]
    assert len(seen.all("content-length")) + len(seen.all("transfer-encoding")) == 1
    assert not [name for name, _ in seen.headers if "hub" in name.lower() or "_" in name]
    assert b"mallory" not in gate.open.raw.replace(seen.body, b"")
    await assert_not_poisoned(gate, attack)


async def test_57_nothing_is_carried_through_an_upgrade_that_no_app_was_asked_for(gate: Gate) -> None:
    """``Upgrade: h2c`` is a plain request without it, and what follows is nobody's."""
    about_it = ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "TE: trailers", "Trailer: X-Hub-User")
    for connection in ("Upgrade, HTTP2-Settings, close", "close"):
        gate.forget()
        asks = gate.request("/apps/open/seen", f"Connection: {connection}", *about_it)
        assert statuses(await gate.talk(asks + gate.request("/apps/open/hidden"))) == [200]
        assert [asked.target for asked in gate.open.asked] == ["/apps/open/seen"]
        assert not {line.partition(":")[0].lower() for line in about_it} & {
            name.lower() for name, _ in gate.open.last.headers
        }


async def test_57_requests_one_after_another_are_each_judged(gate: Gate) -> None:
    """On one connection, sent at once: the second is nobody's although the first was Ada's."""
    first, second = gate.request("/apps/a/one", gate.cookie), gate.request("/apps/a/two", "Connection: close")
    assert statuses(await gate.talk(first + second)) == [200, 401]
    assert [asked.target for asked in gate.asked()] == ["/apps/a/one"]


async def test_57_what_is_too_large_is_not_read(gate: Gate) -> None:
    """Over 16 KiB of headers, in one or in many, or of a request line: 431, and no app is asked."""
    long = "x" * 16_400
    for target, lines in (
        ("/apps/open/", [f"X-Long: {long}"]),
        ("/apps/open/", [f"{long}: x"]),
        ("/apps/open/", [f"X-{number}: {'x' * 90}" for number in range(180)]),
        ("/apps/open/", [f"Cookie: {long}"]),
        (f"/apps/open/{long}", []),
        (f"/apps/open/?{long}", []),
        (f"/v1/sessions/{long}", []),
    ):
        answer = await gate.get(target, *lines, "Connection: close")
        assert refusal(answer) == (431, "headers_too_large"), target[:20]
    assert gate.asked() == []
    assert statuses(await gate.talk(b"GET /apps/open/" + b"x" * 90_000)) == [431]
    assert (await gate.get("/apps/open/", f"X-Long: {'x' * 15_000}")).status == 200
