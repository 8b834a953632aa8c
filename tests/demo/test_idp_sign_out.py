"""Signing out at the provider ends its session, tells the client, and leads only to registered addresses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from urllib.parse import parse_qs

import httpx
import pytest
from jose import jwt

from tests.demo.provider_case import ISSUER, KEY, POST_LOGOUT_URI, provider_case


@pytest.fixture
def backchannel() -> Iterator[tuple[str, "Queue[str]"]]:
    """A client's back channel: its URI and the bodies it got."""
    bodies: Queue[str] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            return

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/auth/backchannel", bodies
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_proven_request_ends_the_session_and_leads_back() -> None:
    """With the ID token as hint nothing is asked; afterwards the chooser comes again."""
    async with provider_case() as case:
        tokens = await case.flow.tokens("ada")
        case.clock.now += 3600  # a hint may be long expired
        parameters = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": POST_LOGOUT_URI,
            "state": "s 1",
        }
        answer = await case.http.get("/end_session", params=parameters)
        assert answer.status_code == httpx.codes.SEE_OTHER
        assert answer.headers["location"] == POST_LOGOUT_URI + "?state=s+1"
        assert (await case.flow.authorize()).status_code == httpx.codes.OK


@pytest.mark.parametrize("hint", ["", "x", "a.b.c", "e30.e30.e30", "é.é.é"])
async def test_an_unproven_request_asks_first(hint: str) -> None:
    """Another site's link cannot sign somebody out; the person's own click can."""
    async with provider_case() as case:
        await case.flow.tokens("ada")
        parameters = {"id_token_hint": hint, "post_logout_redirect_uri": POST_LOGOUT_URI}
        asked = await case.http.get("/end_session", params=parameters)
        assert asked.status_code == httpx.codes.OK
        assert (await case.flow.authorize()).status_code == httpx.codes.SEE_OTHER
        form = {"post_logout_redirect_uri": POST_LOGOUT_URI, "state": ""}
        evil = {"Origin": "http://evil.example"}
        foreign = await case.http.post("/end_session/confirmed", data=form, headers=evil)
        assert foreign.status_code == httpx.codes.FORBIDDEN
        done = await case.http.post("/end_session/confirmed", data=form)
        assert done.headers["location"] == POST_LOGOUT_URI
        assert (await case.flow.authorize()).status_code == httpx.codes.OK


async def test_an_unregistered_address_is_not_led_to() -> None:
    """The provider is no open redirector."""
    async with provider_case() as case:
        tokens = await case.flow.tokens("ada")
        parameters = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": POST_LOGOUT_URI + "@evil.example",
        }
        answer = await case.http.get("/end_session", params=parameters)
        assert answer.status_code == httpx.codes.OK
        assert "location" not in answer.headers


async def test_the_clients_back_channel_hears_of_it(backchannel: tuple[str, "Queue[str]"]) -> None:
    """OpenID Connect Back-Channel Logout §2.4: typ, event, sid and sub; no nonce."""
    uri, bodies = backchannel
    async with provider_case(backchannel_uri=uri) as case:
        tokens = await case.flow.tokens("linus")
        await case.http.get("/end_session", params={"id_token_hint": tokens["id_token"]})
        token = parse_qs(bodies.get(timeout=5))["logout_token"][0]
        assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
        options = {"verify_exp": False}
        claims = jwt.decode(token, KEY.jwks()["keys"][0], algorithms=["RS256"], audience="hub", options=options)
        signed_in = jwt.get_unverified_claims(tokens["id_token"])
        assert (claims["iss"], claims["sub"], claims["sid"]) == (ISSUER, "linus", signed_in["sid"])
        assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert "nonce" not in claims
        assert claims["exp"] - claims["iat"] <= 120


async def test_a_silent_client_hinders_nobody() -> None:
    """A back channel that cannot be reached does not keep anyone signed in."""
    async with provider_case(backchannel_uri="http://127.0.0.1:1/nowhere") as case:
        tokens = await case.flow.tokens("ada")
        answer = await case.http.get("/end_session", params={"id_token_hint": tokens["id_token"]})
        assert answer.status_code == httpx.codes.OK
        assert (await case.flow.authorize()).status_code == httpx.codes.OK


async def test_one_browsers_sign_out_leaves_the_other_signed_in() -> None:
    """Sessions belong to browsers, not to people."""
    async with provider_case() as case, case.another_browser() as elsewhere:
        await case.flow.tokens("ada")
        page = await elsewhere.get("/")
        assert "Nobody is signed in" in page.text
        await elsewhere.post("/end_session/confirmed", data={"state": ""})
        assert "Ada Lovelace" in (await case.http.get("/")).text
