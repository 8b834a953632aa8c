"""nginx, Caddy and HAProxy in front of an app, with the hub asked first: the files of ``deploy/``, run for real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.deploy.fronts import FRONTS, Site, site

pytestmark = pytest.mark.proxies

OWN = ("x-hub-user", "x-hub-sid", "x-hub-position", "x-hub-session")


@pytest.fixture(scope="module", params=sorted(FRONTS))
def deployed(request: pytest.FixtureRequest) -> Iterator[Site]:
    with site(request.param) as made:
        yield made


@pytest.fixture
def visit(deployed: Site) -> Iterator[Site]:
    """The same site, for a browser without cookies."""
    with Site(deployed.url, deployed.hub, deployed.nodes, deployed.authority) as made:
        yield made


def sent(answer: httpx.Response) -> dict[str, list[str]]:
    """The headers the app was sent, by lower-case name."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    found: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def test_anonymous_to_log_in_to_the_app_and_out_again(visit: Site) -> None:
    """A navigation is led to the log-in and back; the app is told who; after the end the next request is refused."""
    answer = visit.sign_in("/apps/a/deep?x=1&y=2")
    assert answer.json()["target"] == "/apps/a/deep?x=1&y=2"
    told = sent(answer)
    assert told["x-hub-user"] == ["ada"]
    assert visit.token is not None
    assert told["x-hub-sid"][0] in visit.token
    kept = visit.token
    out = visit.call("/auth/logout", "POST", headers={"X-Hub-CSRF": "1"})
    assert out.status_code == 204, out.text
    refused = visit.call("/apps/a/deep", headers={"Cookie": f"__Host-hub={kept}"})
    assert refused.status_code == 401


def test_a_script_is_told_and_not_redirected(visit: Site) -> None:
    """401 for a call without a session, whatever the method; 302 for a person."""
    for method in ("GET", "POST", "DELETE"):
        assert visit.call("/apps/a/data", method).status_code == 401
    assert urlsplit(visit.navigate("/apps/a/").headers["location"]).path == "/auth/login"


def test_what_a_visitor_claims_to_be_is_replaced(visit: Site) -> None:
    """In any spelling, and with the hub's cookie kept from the app while others stay."""
    visit.sign_in("/apps/a/")
    spellings = ("X-Hub-User", "x-hub-user", "X_Hub_User", "X-HUB-SID", "X-Hub-Session", "x_hub_position")
    claims = [(name, "root") for name in (*spellings, "X-Hub-Position")]
    cookies = f"first=1; __Host-hub={visit.token}; myhub=2; last=3"
    answer = visit.client.get("/apps/a/", headers=[*claims, ("Cookie", cookies)])
    told = sent(answer)
    for name in OWN:
        assert len(told[name]) == 1, name
        assert "root" not in told[name][0], name
    assert not [name for name in told if "_hub_" in name]
    (passed,) = told["cookie"]
    assert visit.token is not None
    assert visit.token not in passed
    assert [part.strip() for part in passed.split(";") if part.strip()] == ["first=1", "myhub=2", "last=3"]


def test_a_write_from_a_strange_page_is_refused(visit: Site) -> None:
    """The hub applies its Origin rule to the original method."""
    visit.sign_in("/apps/a/")
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert visit.call("/apps/a/x", "POST", headers=foreign).status_code == 403
    body = visit.call("/apps/a/x", "POST", content=b"hello").json()
    assert (body["method"], body["body"]) == ("POST", "hello")


def test_a_browser_cannot_ask_for_a_context_token(visit: Site) -> None:
    """``/auth/verify`` is not there from outside, even with the key."""
    visit.sign_in("/apps/a/")
    for headers in ({}, {"X-Hub-Verify-Key": "a-verify-key-for-deployments"}):
        answer = visit.client.get("/auth/verify?app=a", headers=headers)
        assert answer.status_code == 404
        assert "x-hub-session" not in answer.headers


def test_live_connections_go_through(visit: Site) -> None:
    """A WebSocket of the hub, its close code included."""
    visit.sign_in("/apps/a/")
    headers = {"Cookie": f"__Host-hub={visit.token}"}
    url = visit.url.replace("https", "wss") + "/v1/sessions/me/live"
    with connect(
        url, ssl=visit.authority, origin=_origin(visit.url), additional_headers=headers,
        subprotocols=[Subprotocol("hub.v1")], proxy=None,
    ) as socket:  # fmt: skip
        assert '"snapshot"' in str(socket.recv(timeout=5))
        assert '"live"' in str(socket.recv(timeout=5))
        assert visit.call("/auth/logout", "POST", headers={"X-Hub-CSRF": "1"}).status_code == 204
        last, code = _to_the_end(socket)
    assert '"ended"' in last
    assert code == 4500


def _to_the_end(socket: ClientConnection) -> tuple[str, int | None]:
    """The last frame, and the code the other side closed with."""
    last = ""
    while True:
        try:
            last = str(socket.recv(timeout=5))
        except ConnectionClosed as closed:
            return last, closed.rcvd.code if closed.rcvd else None


def _origin(url: str) -> Any:
    return url


@pytest.mark.parametrize("front", sorted(FRONTS))
def test_without_a_store_nothing_passes_and_nobody_is_signed_out(front: str) -> None:
    """A page that tries again by itself, no cookie cleared; afterwards the same cookie works."""
    with site(front) as own:
        own.sign_in("/apps/a/")
        kept = own.token
        own.hub.store.stop()
        answer = own.navigate("/apps/a/")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "set-cookie" not in answer.headers
        assert "You are still signed in" in answer.text
        assert own.token == kept
        own.hub.store.start()
        for _ in range(400):
            if (answer := own.navigate("/apps/a/")).status_code == 200:
                break
            own.client.get("/auth/signed-out")
        assert answer.status_code == 200
