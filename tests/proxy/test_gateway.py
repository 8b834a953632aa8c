"""Who a request is for and what its app hears of them, from the socket of the hub to the socket of the app."""

from __future__ import annotations

import pytest

from hub.errors import Maintenance
from tests.identity.worlds import PUBLIC_URL, SERVICE_KEY, SID
from tests.proxy.stage import app, echo, free_port, heard, hub, served

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}


async def test_an_app_hears_who_the_user_is_and_gets_path_and_query_as_they_are() -> None:
    """Context token, conveniences and the target byte for byte; the session cookie stays here."""
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/x%2Fy//z?q=%20&r=a+b", Cookie=f"theme=dark; __Host-hub={stage.world.token}")
        assert reply.status == 200
        assert reply.json()["target"] == "/apps/a/x%2Fy//z?q=%20&r=a+b"
        got = heard(reply)
        context = stage.world.contexts.verify(got["x-hub-session"][0], ["a"])
        assert (context.app, context.sid, context.user) == ("a", SID, "ada")
        assert got["x-hub-user"] == ["ada"]
        assert got["x-hub-sid"] == [SID]
        assert got["x-hub-position"] == ["3.9f3a1c02"]
        assert got["cookie"] == ["theme=dark"]
        assert got["x-request-id"] == [reply.header("x-request-id")]
        assert got["host"] == ["hub.example.com"]
        assert reply.header("x-hub-response") is None


async def test_a_navigation_without_a_session_leads_to_log_in_and_back() -> None:
    """302 with path and query percent-encoded, so nothing of them can change the log-in address."""
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/x?y=1&return_to=//evil%20", **_named(NAVIGATE))
        assert reply.status == 302
        wanted = "/auth/login?return_to=/apps/a/x%3Fy%3D1%26return_to%3D//evil%2520"
        assert reply.header("location") == wanted
        assert reply.header("cache-control") == "no-store"
        old = await stage.get("/apps/a", Accept="text/html,*/*;q=0.1")
        assert (old.status, old.header("location")) == (302, "/auth/login?return_to=/apps/a")


async def test_a_form_sent_without_a_session_gets_a_page_that_leads_to_log_in() -> None:
    """A redirect would turn the write into something else; nothing is sent on."""
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/save", "POST", "x=1", **_named({**NAVIGATE, "Origin": PUBLIC_URL}))
        assert (reply.status, reply.header("x-page"), reply.header("location")) == (401, "1", None)
        assert b'href="/auth/login?return_to=/apps/a/save"' in reply.body


async def test_a_frame_without_a_session_gets_a_page_that_leads_out_of_it() -> None:
    """The log-in page refuses frames, so a redirect would show nothing."""
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/", **_named({**NAVIGATE, "Sec-Fetch-Dest": "iframe"}))
        assert (reply.status, reply.header("x-page")) == (401, "1")
        assert b'href="/auth/login?return_to=/apps/a/" target="_top"' in reply.body
        assert reply.header("x-hub-response") == "1"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, {"Sec-Fetch-Dest": "script", "Accept": "text/html"}],
)
async def test_anything_else_without_a_session_gets_a_problem(headers: dict[str, str]) -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/", **_named(headers))
        assert (reply.status, reply.json()["code"]) == (401, "unauthenticated")
        assert reply.header("content-type") == "application/problem+json"


async def test_an_ended_session_is_told_with_its_reason_and_a_navigation_signs_in_again() -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        stage.world.end()
        reply = await stage.get("/apps/a/", **stage.cookie)
        assert (reply.status, reply.json()["code"], reply.json()["reason"]) == (401, "session_ended", "revoked")
        assert (await stage.get("/apps/a/", **stage.cookie, **_named(NAVIGATE))).status == 302


async def test_without_a_store_nobody_is_logged_out_and_nothing_is_served() -> None:
    """503 as a page or a problem, never 401 or a redirect; no cookie is touched, the app is not asked."""
    async with served(echo) as port, hub(app(port, anonymous=True)) as stage:

        async def no_store(sid: str, /) -> None:
            raise Maintenance

        stage.world.authenticator._read = no_store
        problem = await stage.get("/apps/a/", **stage.cookie)
        page = await stage.get("/apps/a/", **stage.cookie, **_named(NAVIGATE))
        assert (problem.status, problem.json()["code"]) == (503, "maintenance")
        assert (page.status, page.header("x-page")) == (503, "1")
        for reply in (problem, page):
            assert reply.header("retry-after") == ("2" if reply is problem else "5")
            assert reply.header("set-cookie") is None


async def test_an_anonymous_app_is_reached_by_everybody_but_only_users_have_an_identity() -> None:
    """No credential, a bad one or a service's key: the request passes, without a single identity header."""
    async with served(echo) as port, hub(app(port, anonymous=True)) as stage:
        spoofed = {"X-Hub-User": "root", "Remote-User": "root"}
        tries: list[dict[str, str]] = [{}, {"Cookie": "__Host-hub=x"}, {"Authorization": f"Bearer {SERVICE_KEY}"}]
        for tried in tries:
            got = heard(await stage.get("/apps/a/", **_named(spoofed | tried)))
            assert not [name for name in got if name.startswith("x-hub-") or name == "remote-user"]
            assert "authorization" not in got
        assert heard(await stage.get("/apps/a/", **stage.cookie))["x-hub-user"] == ["ada"]


async def test_a_service_is_no_user() -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/", Authorization=f"Bearer {SERVICE_KEY}")
        assert (reply.status, reply.json()["code"]) == (403, "forbidden")


async def test_a_bearer_session_token_reaches_the_app_without_its_secret() -> None:
    """A native client's token is the hub's; the app's own ``Authorization`` goes on."""
    async with served(echo) as port, hub(app(port)) as stage:
        got = heard(await stage.get("/apps/a/", Authorization=f"bearer  {stage.world.token}"))
        assert got["x-hub-sid"] == [SID]
        assert "authorization" not in got
        own = heard(await stage.get("/apps/a/", **stage.cookie, Authorization="Basic YTpi"))
        assert (own["authorization"], own["x-hub-sid"]) == (["Basic YTpi"], [SID])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": PUBLIC_URL}, 200),
        ({"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://pages.example.org"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://other.example.com"}, 403),
        ({"Origin": "http://hub.example.com"}, 403),
        ({"Origin": "https://hub.example.com.evil.example"}, 403),
    ],
)
async def test_an_unsafe_request_with_a_cookie_shows_where_it_comes_from(headers: dict[str, str], status: int) -> None:
    """A sibling's page cannot act as the user through the proxy."""
    async with served(echo) as port, hub(app(port, origins=("https://pages.example.org",))) as stage:
        reply = await stage.get("/apps/a/", "POST", "x=1", **stage.cookie, **_named(headers))
        assert reply.status == status
        if status == 403:
            assert reply.json()["code"] == "csrf"
            assert stage.touched == []


async def test_an_unsafe_request_with_a_bearer_needs_no_origin() -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        reply = await stage.get("/apps/a/", "POST", "x=1", Authorization=f"Bearer {stage.world.token}")
        assert (reply.status, reply.json()["length"]) == (200, 3)


async def test_only_navigations_and_unsafe_methods_slide_the_idle_timer() -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        await stage.get("/apps/a/", **stage.cookie)
        await stage.get("/apps/a/", "HEAD", **stage.cookie)
        await stage.get("/apps/a/", **stage.cookie, Sec_Fetch_Mode="cors", Accept="text/html")
        assert stage.touched == []
        await stage.get("/apps/a/", **stage.cookie, **_named(NAVIGATE))
        await stage.get("/apps/a/", "DELETE", **stage.cookie, Origin=PUBLIC_URL)
        assert stage.touched == [SID, SID]


async def test_an_app_on_a_host_of_its_own_gets_every_path() -> None:
    """Its pages have an origin of their own, which may act for it; log-in is at the hub."""
    async with served(echo) as port, hub(app(port, prefix=None, host="own.example.com")) as stage:
        there = {"Host": "own.example.com"}
        reply = await stage.get("/", "POST", "1", **stage.cookie, **there, Origin="https://own.example.com")
        assert reply.status == 200
        assert reply.json()["target"] == "/"
        away = await stage.get("/x", **there, **_named(NAVIGATE))
        assert away.header("location") == "/auth/login?return_to=/x"
        assert (await stage.get("/x", **stage.cookie)).status == 404


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_trace_and_connect_are_refused(method: str) -> None:
    """TRACE would hand a context token to whoever asks; CONNECT would make a tunnel."""
    async with served(echo) as port, hub(app(port)) as stage:
        target = "/apps/a/" if method == "TRACE" else "hub.example.com:443"
        reply = await stage.get(target, method, **stage.cookie)
        assert reply.status == (405 if method == "TRACE" else 400)


async def test_a_page_tells_a_person_that_the_app_is_down() -> None:
    """503 for this app only, and the person is still signed in."""
    async with served(echo) as port, hub(app(free_port()), app(port, name="b", prefix="/apps/b")) as stage:
        page = await stage.get("/apps/a/", **stage.cookie, **_named(NAVIGATE))
        assert (page.status, page.header("x-page"), page.header("retry-after")) == (503, "1", "5")
        assert b"<i>5</i>" in page.body  # it asks again by itself
        assert b"still signed in" in page.body
        problem = await stage.get("/apps/a/", **stage.cookie)
        assert (problem.status, problem.json()["code"]) == (503, "upstream_unavailable")
        assert (await stage.get("/apps/b/", **stage.cookie)).status == 200


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}
