"""A cookie comes by itself, so it needs something beside it that a foreign page cannot bring."""

from __future__ import annotations

import pytest

from hub.errors import CsrfRefused
from tests.identity.worlds import PUBLIC_URL, SID, World, cookie, request

SAFE = {"origin": PUBLIC_URL, "x_hub_csrf": "1"}


async def test_an_unsafe_call_with_all_proofs_passes() -> None:
    world = World()
    principal = await world.authenticator.authenticate(
        cookie(world.token, method="PATCH", content_type="application/json", content_length="2", **SAFE)
    )
    assert principal.sid == SID


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": PUBLIC_URL},
        {"x_hub_csrf": "1"},
        {"x_hub_csrf": "1", "sec_fetch_site": "cross-site"},
        {"x_hub_csrf": "1", "sec_fetch_site": "same-site"},
        {"x_hub_csrf": "1", "sec_fetch_site": "none"},
        {**SAFE, "sec_fetch_site": "same-site"},
        {**SAFE, "origin": "null"},
        {**SAFE, "origin": "https://evil.example"},
        {**SAFE, "origin": "http://hub.example.com"},
        {**SAFE, "origin": "https://hub.example.com:8443"},
        {**SAFE, "origin": "https://hub.example.com.evil.example"},
        {**SAFE, "x_hub_csrf": "0"},
        {**SAFE, "content_length": "4"},
        {**SAFE, "content_length": "4", "content_type": "text/plain"},
        {**SAFE, "content_length": "4", "content_type": "application/x-www-form-urlencoded"},
        {**SAFE, "transfer_encoding": "chunked", "content_type": "text/plain;application/json"},
    ],
)
async def test_a_cookie_alone_does_not_act(headers: dict[str, str]) -> None:
    """Threat 38: every unsafe call with a cookie needs origin, header and a JSON body; the store is not even read."""
    world = World()
    with pytest.raises(CsrfRefused):
        await world.authenticator.authenticate(cookie(world.token, method="PATCH", **headers))
    assert world.reads == []


async def test_a_listed_origin_may_act() -> None:
    world = World()
    ok = cookie(
        world.token, method="DELETE", origin="https://shop.example.com", x_hub_csrf="1", sec_fetch_site="same-site"
    )
    assert (await world.authenticator.authenticate(ok)).sid == SID


async def test_a_bearer_needs_nothing_beside_it() -> None:
    world = World()
    unsafe = request(method="DELETE", authorization=f"Bearer {world.token}", origin="https://evil.example")
    assert (await world.authenticator.authenticate(unsafe)).sid == SID


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://hub.example.com.evil.example",
        "null",
        None,
        "http://hub.example.com",
        "https://hub.example.com:444",
    ],
)
async def test_a_foreign_page_opens_no_socket(origin: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Threat 37: the Origin is exact; a refusal comes before the store is read, and is written down."""
    world = World()
    headers = {} if origin is None else {"origin": origin}
    with pytest.raises(CsrfRefused):
        await world.authenticator.authenticate(cookie(world.token, purpose="socket", **headers))
    assert world.reads == []
    assert [record.message for record in caplog.records] == ["csrf_refused" if origin is None else "malicious_cors"]


async def test_own_pages_open_sockets_and_streams() -> None:
    world = World()
    for purpose in ("socket", "stream"):
        live = cookie(world.token, purpose=purpose, origin=PUBLIC_URL)
        assert (await world.authenticator.authenticate(live)).sid == SID
    stream = cookie(world.token, purpose="stream", sec_fetch_site="same-origin")
    assert (await world.authenticator.authenticate(stream)).sid == SID
    with pytest.raises(CsrfRefused):
        await world.authenticator.authenticate(cookie(world.token, purpose="socket", sec_fetch_site="same-origin"))


async def test_the_proxy_asks_for_the_origin_only() -> None:
    """Threat 67: unsafe requests and upgrades to an app need its own or the hub's Origin; no hub header, any body."""
    world = World()
    app_origins = frozenset({"https://a.example.com"})
    for headers in ({"method": "POST"}, {"upgrade": "websocket"}):
        for origin in (PUBLIC_URL, "https://a.example.com"):
            through = cookie(world.token, purpose="proxy", origin=origin, app_origins=app_origins, **headers)
            assert (await world.authenticator.authenticate(through)).sid == SID
        sibling = cookie(
            world.token, purpose="proxy", origin="https://b.example.com", app_origins=app_origins, **headers
        )
        with pytest.raises(CsrfRefused):
            await world.authenticator.authenticate(sibling)
