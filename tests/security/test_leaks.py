"""Threats by what a node says: words of others in its logs, and bugs that talk."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from hub.telemetry import logs
from tests.support.answers import LEAKS, good, problem
from tests.support.canaries import found
from tests.support.contexts import context_token
from tests.support.echo import EchoApp
from tests.support.life import Life
from tests.support.nodes import READER_KEY, SERVICE_KEY, Cluster, Node
from tests.support.sabotaged import HEADER, PASSWORD
from tests.support.security_log import SecurityLog, lines_of
from tests.support.tabs import (
    MERGE,
    Opened,
    as_user,
    bearer,
    log_in,
    open_with,
)

pytestmark = pytest.mark.edge

Headers = dict[str, str]


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoApp]:
    with EchoApp() as app:
        yield app


# 55

SPLITS = '\r\n{"event": "forged"}\r\n\x1b[2J\x85\u2028\u2029\x00\x9b31m'


async def test_55_logs_hold_no_word_of_anybody(hub_cluster: Cluster, echo: EchoApp) -> None:
    """A node that logs everything, through a whole life and with bad credentials of every kind: none of the tokens,
    keys, names or values is in what it writes."""
    settings: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": echo.url, "HUB_LOG_LEVEL": "debug", "HUB_ACCESS_LOG": "true"}
    loud = await asyncio.to_thread(lambda: hub_cluster.node(**settings))
    life = Life(hub_cluster, loud)
    await life.live()
    opened = await log_in(hub_cluster, loud)
    bad = {name: f"canary-{secrets.token_urlsafe(32)}" for name in ("token", "key", "cookie", "jwt", "ticket", "code")}
    async with httpx.AsyncClient(base_url=loud.url) as client:
        for headers in (
            bearer(f"hub_st_{opened.sid}.{bad['token'][:43]}"),
            bearer(f"hub_sk_billing_{bad['key']}"),
            {"Cookie": f"hub={bad['cookie']}"},
            bearer(f"eyJhbGciOiJub25lIn0.{bad['jwt']}.{bad['jwt']}"),
        ):
            problem(await client.get("/v1/sessions/me", headers=headers), 401, "unauthenticated")
        problem(await client.post("/v1/sessions", headers=bearer(f"eyJ9.{bad['jwt']}.x")), 401, "unauthenticated")
        back = await client.get(
            "/auth/callback", params={"code": bad["code"], "state": bad["cookie"], "error": bad["key"]}
        )
        assert back.status_code == 400
        told = await client.post("/auth/backchannel", data={"logout_token": bad["jwt"]})
        assert told.status_code == 400
    async with await open_with(loud, {}, subprotocols=("hub.v1", f"hub.ticket.{bad['ticket']}")) as tab:
        await tab.until_closed()
    written = hub_cluster.log(loud)
    assert {"authn_login_success", "session_created", "session_expired", "authn_login_fail"} <= events_in(written)
    assert found(life.words | bad | {"service": SERVICE_KEY, "reader": READER_KEY}, written.encode()) == []
    assert "not used here" not in written  # the client secret


def events_in(text: str) -> set[str]:
    """The names of what was written; every line has to be one JSON object."""
    return {line["event"] for line in lines_of(text)}


async def test_55_nobody_can_write_lines_of_the_log(hub_cluster: Cluster) -> None:
    """Line ends and control characters in ``sub``, name, user agent, query and path come out as nothing or escaped:
    every line is still one JSON object, and none is of somebody's making."""
    node = hub_cluster.node("tests.support.sabotaged", HUB_LOG_LEVEL="debug")
    opened = await log_in(hub_cluster, node, f"ada{SPLITS}", name=SPLITS, email=SPLITS)
    async with as_user(node, opened) as user:
        agent = {
            "User-Agent": SPLITS.replace("\r", "").replace("\n", "").replace("\x00", "").encode("latin-1", "replace")
        }
        escaped = httpx.QueryParams({"x": SPLITS})
        for path in (f"/v1/sessions/me?{escaped}", f"/v1/%0d%0a{escaped}", f"/apps/a/%0d%0a%1b{escaped}"):
            for more in ({}, {HEADER: "1"}):
                await user.get(path, headers={**agent, **more})  # type: ignore[arg-type]
        broken = await user.get("/v1/sessions/%0d%0aforged/document", headers={HEADER: "1"})
        problem(broken, 500, "internal")
        good(await user.request("DELETE", "/v1/sessions/me", json={"detail": SPLITS}), 204)
    written = hub_cluster.log(node)
    assert "unexpected" in events_in(written)
    assert "forged" not in events_in(written)
    assert not set(written) & set(SPLITS) - set('\n {}":eventforgd,[231Jm')


@pytest.mark.parametrize("is_terminal", [False, True])
def test_55_whatever_is_logged_comes_out_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    """Secrets are replaced in events, facts however nested, exceptions and arguments; line ends and what a terminal
    would obey are escaped, on a terminal too."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
        logs.configure("debug")
        shown = write_badly()
    finally:
        root.handlers[:], root.level = before
    text = capsys.readouterr().err
    plain = text.replace("\x1b[0m", "")
    for secret in shown:
        assert secret not in text, secret
    assert "\nforged" not in text
    for control in ("\r", "\x1b[2J", "\x85", "\u2028", "\x00"):
        assert control not in plain, repr(control)
    if not is_terminal:
        assert events_in(text) >= {"with [secret] and\r\nforged", "nested", "broken"}


def write_badly() -> list[str]:
    """Log secrets and control characters wherever they fit; the secrets."""
    log, token = logging.getLogger("hub.test"), f"hub_st_0123456789abcdef-x.{secrets.token_urlsafe(32)}"
    key, jwt = (
        f"hub_sk_billing_{secrets.token_urlsafe(32)}",
        f"eyJ{secrets.token_urlsafe(20)}.{secrets.token_urlsafe(20)}.x",
    )
    ticket, code = f"hub.ticket.{secrets.token_urlsafe(32)}", secrets.token_urlsafe(32)
    url = f"redis://hub:{PASSWORD}@10.0.0.1/0"
    log.warning("with %s and\r\nforged", token)
    log.warning(
        "nested", extra={"facts": {"a": [token, {key: key}], "b": (ticket,), "c": jwt.encode()}, "said": SPLITS}
    )
    log.warning("a request", extra={"target": f"/auth/callback?code={code}&state={code}&x=1", "url": url})
    try:
        raise RuntimeError(f"{url} {jwt}\r\nforged {SPLITS}")
    except RuntimeError as error:
        log.exception("broken", extra={"error": error})
    return [token, key, jwt, ticket, code, PASSWORD]


# 56


@pytest.fixture(scope="module")
def sabotaged(hub_cluster: Cluster, echo: EchoApp) -> Node:
    """A node with a bug that requests with a header find."""
    settings: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": echo.url}
    return hub_cluster.node("tests.support.sabotaged", **settings)


FILLED = {"sid": "me", "user": "me", "section": "cart", "version": "x", "path": "x", "name": "x", "file": "x"}


async def all_routes(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Every method of every route, from the hub's own description."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def callers(node: Node, cluster: Cluster, opened: Opened, token: str) -> dict[str, Headers]:
    """Everybody who may come by."""
    return {
        "a service": bearer(SERVICE_KEY),
        "a user": bearer(opened.token),
        "a page": {"Cookie": f"hub={opened.token}", "Origin": node.url, "X-Hub-CSRF": "1"},
        "an app": bearer(token),
        "a native client": bearer(cluster.provider.token("grace")),
        "nobody": {},
    }


BODIES = {"PATCH": (MERGE, b'{"cart": {"n": 1}}'), "PUT": ("application/json", b"1")}
TYPES = {"/v1/commits": ("application/x-ndjson", b'{"sid": "%s", "patch": {"cart": {"n": 1}}}')}


async def test_56_a_bug_says_nothing_of_the_inside(hub_cluster: Cluster, sabotaged: Node) -> None:
    """Every route × every kind of caller, with a bug that raises the store's address and password: where it is hit the
    answer is a bare 500 problem, and the cause is in the log, once, under the request's id and without the password."""
    opened = await log_in(hub_cluster, sabotaged)
    token, hits, log = await context_token(sabotaged, opened, "a"), set(), SecurityLog(hub_cluster, sabotaged)
    async with httpx.AsyncClient(base_url=sabotaged.url) as client:
        extra = [("GET", "/apps/a/"), ("POST", "/apps/a/x"), ("GET", "/auth/verify?app=a")]
        for method, path in [*await all_routes(client), *extra]:
            for who, headers in callers(sabotaged, hub_cluster, opened, token).items():
                sid = opened.sid if who == "a service" else "me"
                where = path.format_map({**FILLED, "sid": sid})
                media_type, body = TYPES.get(path, BODIES.get(method, ("application/json", b"{}")))
                body = body.replace(b"%s", opened.sid.encode())
                given = {"Content-Type": media_type, "If-Match": "*", **headers, HEADER: "1"}
                content = body if method in ("POST", "PUT", "PATCH") else None
                answer = await client.request(method, where, headers=given, content=content)
                if assert_silent(answer, log.text()):
                    hits.add((method, path))
        good(await client.get("/v1/sessions/me", headers=bearer(opened.token)))
    assert len(hits) >= 15, hits


def assert_silent(answer: httpx.Response, written: str) -> bool:
    """Whether the bug was hit; the answer must not show it."""
    where = f"{answer.request.method} {answer.request.url.path}"
    assert answer.status_code < 500 or answer.headers.get("X-Hub-Response") == "1", where
    unexpected = [line for line in lines_of(written) if line["event"] == "unexpected"]
    assert PASSWORD not in answer.text + repr(answer.headers), where
    assert PASSWORD not in written, where
    if answer.status_code < 500:
        assert unexpected == [], where
        return False
    said = problem(answer, 500, "internal")
    assert said["detail"] == said["title"], where
    assert not any(leak in answer.text for leak in (*LEAKS, "RuntimeError", "10.11.12.13", "6379")), where
    assert [line["request_id"] for line in unexpected] == [said["request_id"]], where
    assert "RuntimeError" in unexpected[0]["exception"]
    return True


async def test_56_a_bug_refuses_a_live_connection_and_says_nothing(hub_cluster: Cluster, sabotaged: Node) -> None:
    """500 before it is accepted, as bare as any other."""
    opened, log = await log_in(hub_cluster, sabotaged), SecurityLog(hub_cluster, sabotaged)
    with pytest.raises(InvalidStatus) as refused:
        await open_with(sabotaged, {**bearer(opened.token), HEADER: "1"})
    response = refused.value.response
    assert (response.status_code, json.loads(response.body or b"")["code"]) == (500, "internal")
    assert not any(leak in (response.body or b"").decode() for leak in (*LEAKS, PASSWORD))
    assert [line["event"] for line in lines_of(log.text())] == ["unexpected"]
