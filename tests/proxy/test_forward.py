"""Requests to an app and answers from it: streamed, in both directions at once, and ended by whoever ends first."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from hub.proxy.ports import Timings
from tests.identity.worlds import PUBLIC_URL
from tests.proxy.stage import (
    DEADLINE_SECONDS,
    HOST,
    app,
    echo,
    hub,
    parse,
    raw_server,
    request,
    served,
    stream_back,
    talk,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_chunked_request_and_a_chunked_answer_pass() -> None:
    async with served(stream_back) as port, hub(app(port, anonymous=True)) as stage:
        raw = request("POST", "/apps/a/", {"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        assert (await talk(stage.port, raw)).body == b"abcdefg"


async def test_an_answer_that_comes_before_the_request_is_complete_passes() -> None:
    """413 after the first bytes: the caller hears it without sending the rest."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await writer.drain()

    async with raw_server(refuse) as port, hub(app(port, anonymous=True)) as stage, _deadline():
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("POST", "/apps/a/", {"Content-Length": "1000000"}) + b"only the beginning")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413")
        assert await reader.readexactly(3) == b"big"
        writer.close()


async def test_pieces_arrive_when_they_are_sent() -> None:
    """Server-sent events: each is there before the next one is even made."""
    go_on = asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go_on.wait()
        writer.write(b"data: 2\n\n")

    async with raw_server(events) as port, hub(app(port, anonymous=True)) as stage, _deadline():
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("GET", "/apps/a/", {}))
        await reader.readuntil(b"data: 1\n\n")
        go_on.set()
        await reader.readuntil(b"data: 2\n\n")
        writer.close()


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 17\r\n\r\n', 304, b""),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, 200, b"ok"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 201, b""),
        ("GET", b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", 302, b""),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", 200, b"\x1f\x8b"),
        ("GET", b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 599, b""),
    ],
)  # fmt: skip
async def test_an_answer_passes_as_it_is(method: str, answer: bytes, status: int, body: bytes) -> None:
    """Without bodies where there are none, provisional answers left out, nothing decoded, no redirect followed."""
    async with _answering(answer) as port, hub(app(port, anonymous=True)) as stage:
        reply = await stage.get("/apps/a/", method)
        assert (reply.status, reply.body) == (status, body)
        if method == "HEAD":
            assert reply.header("content-length") == "17"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX-Y: a\x01b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_a_bad_gateway(answer: bytes) -> None:
    async with _answering(answer) as port, hub(app(port, anonymous=True)) as stage:
        reply = await stage.get("/apps/a/")
        assert (reply.status, reply.json()["code"]) == (502, "upstream_failed")


async def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    """The connection breaks off without the last chunk."""
    half = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    async with _answering(half) as port, hub(app(port, anonymous=True)) as stage:
        with pytest.raises(ValueError, match="invalid literal"):
            await stage.get("/apps/a/")


async def test_an_app_that_keeps_silent_is_a_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as port, hub(app(port, anonymous=True)) as stage:
        reply = await stage.get("/apps/a/", "POST", "x")
        assert (reply.status, reply.json()["code"]) == (504, "upstream_timeout")


async def test_the_app_hears_at_once_that_the_caller_has_gone() -> None:
    """While it thinks, and in the middle of an answer: its work is not done for nobody."""
    arrived, gone = asyncio.Event(), [asyncio.Event(), asyncio.Event()]

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        if b"/talking" in head:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        try:
            await reader.read()
        finally:
            gone[b"/talking" in head].set()

    async with raw_server(slow) as port, hub(app(port, anonymous=True), timings=Timings()) as stage, _deadline():
        for number, path in enumerate(["/apps/a/thinking", "/apps/a/talking"]):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            writer.write(request("GET", path, {}))
            await arrived.wait()
            if number:
                await reader.readuntil(b"hello")
            writer.close()
            await gone[number].wait()


async def test_expect_is_answered_by_the_hub_once_the_app_is_there() -> None:
    """100 comes before the body is sent; the app sees no ``Expect``."""
    async with served(echo) as port, hub(app(port, anonymous=True)) as stage, _deadline():
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("POST", "/apps/a/", {"Expect": "100-continue", "Content-Length": "2"}))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"ok")
        reply = parse(await reader.read())
        writer.close()
        assert reply.json()["length"] == 2
        assert "expect" not in dict(reply.json()["headers"])


@pytest.mark.parametrize("is_begun", [True, False])
async def test_the_end_of_a_session_cuts_what_rests_on_it(is_begun: bool) -> None:
    """A stream breaks off; a request that still waits for its answer is told that the session is over."""

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if is_begun:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    async with raw_server(stream) as port, hub(app(port)) as stage, _deadline():
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("GET", "/apps/a/", stage.cookie))
        if is_begun:
            await reader.readuntil(b"data: 1\n\n")
        await stage.following.wait()
        stage.world.end()
        stage.cut.set()
        rest = await reader.read()
        writer.close()
        if is_begun:
            assert b"0\r\n\r\n" not in rest
        else:
            told = parse(rest)
            assert (told.status, told.json()["code"], told.json()["reason"]) == (401, "session_ended", "revoked")


async def test_a_short_exchange_is_not_followed() -> None:
    """Following costs the store something; an ordinary request is over before it begins."""
    async with served(echo) as port, hub(app(port)) as stage:
        assert (await stage.get("/apps/a/", "POST", "x", **stage.cookie, Origin=PUBLIC_URL)).status == 200
        assert not stage.following.is_set()


async def test_absolute_form_and_host_cannot_change_the_target() -> None:
    """Whatever a request names, it goes to the configured server or nowhere."""
    asked: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))

    async with raw_server(elsewhere) as evil, served(echo) as port, hub(app(port, anonymous=True)) as stage:
        target = f"http://127.0.0.1:{evil}/apps/a/x"
        assert (await talk(stage.port, request("GET", target, {}))).json()["target"] == "/apps/a/x"
        named = {"X-Original-URI": target, "X-Forwarded-Host": f"127.0.0.1:{evil}", "X-Rewrite-URL": target}
        assert (await talk(stage.port, request("GET", "/apps/a/", named))).status == 200
        refused = await talk(stage.port, request("GET", "/apps/a/", {"Host": f"127.0.0.1:{evil}"}))
        assert (refused.status, refused.json()["code"]) == (421, "unknown_host")
        userinfo = await talk(stage.port, request("GET", f"http://{HOST}@127.0.0.1:{evil}/apps/a/", {}))
        assert userinfo.status in (200, 400)
        assert asked == []


def _answering(answer: bytes) -> contextlib.AbstractAsyncContextManager[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return raw_server(serve)


def _deadline() -> asyncio.Timeout:
    return asyncio.timeout(DEADLINE_SECONDS)
