"""The code flow against the demo provider: what passes, and everything that must not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub.errors import ProviderUnavailable
from hub.identity.cookies import Cookies
from hub.identity.fetching import new_client
from hub.identity.jwks import ProviderDirectory
from hub.identity.oidc import Oidc, challenge_of
from hub.identity.providers import Provider
from hub.identity.transactions import LogInFailed, Transactions
from tests.identity.fakes import OnceInMemory
from tests.identity.minting import claims, ec_key, mint
from tests.identity.oidc_case import ISSUER, PUBLIC_URL, OidcCase, oidc_case, query_of
from tests.identity.servers import Answer, Server, publish
from tests.identity.worlds import NOW, Clock


@pytest.fixture
async def case() -> AsyncIterator[OidcCase]:
    async with oidc_case() as made:
        yield made


async def test_a_log_in_begins_with_all_defences(case: OidcCase) -> None:
    asked = query_of(await case.begin(prompt="login"))
    assert len(asked.pop("state")) > 43
    assert len(asked.pop("nonce")) == 43
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": "hub",
        "redirect_uri": f"{PUBLIC_URL}/auth/callback",
        "scope": "openid profile email groups",
        "code_challenge_method": "S256",
        "prompt": "login",
    }
    assert "prompt" not in query_of(await case.begin(prompt="none"))


async def test_the_whole_flow_says_who_it_is(case: OidcCase) -> None:
    answer = await case.answer("ada")
    case.clock.seconds += 30
    finished = await case.oidc.finish(answer, case.cookie, "Firefox", door_url=PUBLIC_URL)
    log_in = finished.proof.log_in
    assert (log_in.provider, log_in.issuer, log_in.agent) == ("main", ISSUER, "Firefox")
    assert log_in.auth_time == NOW
    assert log_in.began_ms == NOW * 1000  # when the log-in began, not when it ended
    assert log_in.idp_sid
    assert finished.proof.identity["name"].startswith("Ada")
    assert finished.return_to == "/apps/a"


async def test_a_public_client_sends_no_secret() -> None:
    seen: list[dict[str, str]] = []

    def token(form: dict[str, str], headers: dict[str, str]) -> Answer:
        seen.append({**form, "authorization": headers.get("authorization", "")})
        return Answer({}, 400)

    with Server() as server:
        publish(server, ec_key().jwk)
        server.answers["/token"] = token
        async with Hub(server, secret=None) as hub:
            with pytest.raises(LogInFailed):
                await hub.finish()
    assert (seen[0]["client_id"], seen[0]["authorization"]) == ("hub", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": ""},
        {"state": "x"},
        {"code": None},
        {"code": ""},
        {"code": "someone-elses"},
        {"iss": None},
        {"iss": f"{ISSUER}/"},
        {"iss": "https://evil.example"},
        {"error": "access_denied"},
        {"error": "<script>"},
    ],
    ids=repr,
)
async def test_a_wrong_callback_is_refused(case: OidcCase, changes: dict[str, Any]) -> None:
    """Threats 39 and 62: state, code and issuer are exact."""
    answer = await case.answer(**changes)
    with pytest.raises(LogInFailed) as caught:
        await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)
    assert caught.value.status == 400
    assert "<" not in caught.value.detail


async def test_repeated_parameters_are_refused(case: OidcCase) -> None:
    answer = await case.answer()
    for repeated in answer:
        with pytest.raises(LogInFailed):
            await case.oidc.finish([*answer, repeated], case.cookie, door_url=PUBLIC_URL)
    await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)


async def test_a_callback_without_its_cookie_is_refused(case: OidcCase) -> None:
    """Threat 39."""
    answer = await case.answer()
    with pytest.raises(LogInFailed):
        await case.oidc.finish(answer, [], door_url=PUBLIC_URL)


async def test_a_callback_works_once(case: OidcCase) -> None:
    """Threat 39."""
    answer = await case.answer()
    await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)
    with pytest.raises(LogInFailed, match="used already"):
        await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)


async def test_another_flows_code_is_refused(case: OidcCase) -> None:
    """Threat 39: PKCE and nonce bind a code to the flow that asked for it."""
    theirs, mine = dict(await case.answer("grace")), dict(await case.answer("ada"))
    with pytest.raises(LogInFailed):
        await case.oidc.finish(list({**mine, "code": theirs["code"]}.items()), case.cookie, door_url=PUBLIC_URL)


async def test_an_old_flow_is_refused(case: OidcCase) -> None:
    answer = await case.answer()
    case.clock.seconds += 600
    with pytest.raises(LogInFailed):
        await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)


async def test_an_unknown_provider_is_refused(case: OidcCase) -> None:
    with pytest.raises(LogInFailed):
        await case.oidc.begin("other", "/", [], door_url=PUBLIC_URL)
    assert await case.oidc.end_session_url("other", door_url=PUBLIC_URL) is None


async def test_the_way_out_names_hub_and_return_address(case: OidcCase) -> None:
    url = await case.oidc.end_session_url("main", door_url=PUBLIC_URL)
    assert url is not None
    assert url.startswith(f"{ISSUER}/end_session?")
    assert query_of(url) == {"client_id": "hub", "post_logout_redirect_uri": f"{PUBLIC_URL}/auth/signed-out"}


async def test_a_wrong_secret_is_the_hubs_own_fault() -> None:
    """The user did nothing wrong: it is a 503, written down, and the log-in may be tried again."""
    async with oidc_case(secret="wrong") as case:
        answer = await case.answer()
        for _ in range(2):
            with pytest.raises(ProviderUnavailable):
                await case.oidc.finish(answer, case.cookie, door_url=PUBLIC_URL)


# against a provider that misbehaves


class Hub:
    """A hub whose provider is ``server``."""

    def __init__(self, server: Server, secret: str | None = "s") -> None:
        self.server, self.clock = server, Clock()
        self.provider = Provider("main", server.url, "hub", secret, claims={"name": "name"})
        self.http: httpx.AsyncClient

    async def __aenter__(self) -> Hub:
        self.http = new_client()
        directory = ProviderDirectory(self.provider, self.http, self.clock)
        transactions = Transactions({"k": b"1" * 32}, "k", Cookies(secure=False), OnceInMemory(), self.clock)
        self.oidc = Oidc([(self.provider, directory)], transactions, self.http, self.clock)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def finish(self, token: Any = None, **changes: Any) -> Any:
        """A flow whose token endpoint gives an ID token with these claims (or answers ``token``)."""
        begun = await self.oidc.begin("main", "/", [], door_url=PUBLIC_URL)
        asked = query_of(begun.location)
        if token is not None:
            self.server.answers["/token"] = token
        elif "/token" not in self.server.answers or changes:
            said = claims(**{"iss": self.server.url, "nonce": asked["nonce"], **changes})
            self.server.answers["/token"] = Answer({"id_token": mint(said), "access_token": "opaque"})
        query = {"state": asked["state"], "code": "c", "iss": self.server.url}
        cookies = [value.partition(";")[0] for value in begun.set_cookies]
        return await self.oidc.finish(list(query.items()), cookies, door_url=PUBLIC_URL)


@pytest.fixture
def server() -> Any:
    with Server() as started:
        publish(started, ec_key().jwk)
        yield started


async def test_a_good_id_token_passes(server: Server) -> None:
    async with Hub(server) as hub:
        finished = await hub.finish(name="Ada")
        assert finished.proof.identity == {"name": "Ada"}


async def test_claims_a_provider_keeps_for_userinfo_are_asked_for_there(server: Server) -> None:
    """With the access token as bearer, and only where the ID token leaves something open (OIDC Core §5.4)."""
    publish(server, ec_key().jwk, userinfo_endpoint=f"{server.url}/userinfo")
    server.answers["/userinfo"] = lambda _, headers: (
        Answer({"sub": "ada", "name": "Ada"}) if headers["authorization"] == "Bearer opaque" else Answer({}, 401)
    )
    async with Hub(server) as hub:
        assert (await hub.finish(name=None, sub="ada")).proof.identity == {"name": "Ada"}
        assert (await hub.finish(name="Ada L.", sub="ada")).proof.identity == {"name": "Ada L."}
    assert server.requests["/userinfo"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"sub": "grace", "name": "Grace"}),
        Answer({"name": "Nobody"}),
        Answer([]),
        Answer(b"<html>"),
        Answer({"sub": "ada", "name": "Ada"}, 500),
    ],
    ids=repr,
)
async def test_userinfo_of_no_use_costs_no_log_in(server: Server, answer: Answer) -> None:
    """About somebody else it counts for nothing (§5.3.2); the log-in rests on the ID token."""
    publish(server, ec_key().jwk, userinfo_endpoint=f"{server.url}/userinfo")
    server.answers["/userinfo"] = answer
    async with Hub(server) as hub:
        proof = (await hub.finish(name=None, sub="ada")).proof
    assert (proof.log_in.user, proof.identity) == ("ada", {})


async def test_an_access_token_that_is_none_is_sent_nowhere(server: Server) -> None:
    """It would have to stand in a header."""
    publish(server, ec_key().jwk, userinfo_endpoint=f"{server.url}/userinfo")
    async with Hub(server) as hub:
        begun = await hub.oidc.begin("main", "/", [], door_url=PUBLIC_URL)
        said = claims(iss=server.url, nonce=query_of(begun.location)["nonce"], name=None)
        server.answers["/token"] = Answer({"id_token": mint(said), "access_token": "a\r\nX-Evil: 1"})
        query = [("state", query_of(begun.location)["state"]), ("code", "c"), ("iss", server.url)]
        cookies = [value.partition(";")[0] for value in begun.set_cookies]
        assert (await hub.oidc.finish(query, cookies, door_url=PUBLIC_URL)).proof.identity == {}
    assert server.requests["/userinfo"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"aud": "other"},
        {"aud": ["hub", "other"]},
        {"azp": "other"},
        {"iss": "https://evil.example"},
        {"exp": NOW - 100},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": 5},
        {"at_hash": "wrong"},
        {"at_hash": 5},
        {"auth_time": "today"},
        {"events": {}},
        {"name": "\ud800"},
    ],
    ids=repr,
)
async def test_a_wrong_id_token_is_a_failed_log_in(server: Server, changes: dict[str, Any]) -> None:
    """Threats 15 to 18, in the place of the ID token: a page with 400, never a session and never a 500."""
    async with Hub(server) as hub:
        with pytest.raises(LogInFailed):
            await hub.finish(**changes)


@pytest.mark.parametrize(
    "answer",
    [
        Answer({}),
        Answer([]),
        Answer({"id_token": 5}),
        Answer({"id_token": "junk"}),
        Answer({"id_token": "a.b.c.d.e"}),
        Answer({"error": "invalid_grant"}, 400),
    ],
    ids=repr,
)
async def test_an_answer_without_an_id_token_is_a_failed_log_in(server: Server, answer: Answer) -> None:
    async with Hub(server) as hub:
        with pytest.raises(LogInFailed):
            await hub.finish(answer)


@pytest.mark.parametrize(
    "answer",
    [Answer({}, 500), Answer(b"<html>"), Answer({}, 302, {"Location": "/elsewhere"}), Answer({}, 401)],
    ids=repr,
)
async def test_a_broken_token_endpoint_is_a_503(server: Server, answer: Answer) -> None:
    async with Hub(server) as hub:
        with pytest.raises(ProviderUnavailable):
            await hub.finish(answer)
    assert server.requests["/elsewhere"] == 0


async def test_an_issuer_that_never_names_itself_may_be_silent(server: Server) -> None:
    """RFC 9207 asks for ``iss`` only from a provider that announced it."""
    publish(server, ec_key().jwk, authorization_response_iss_parameter_supported=None)
    async with Hub(server) as hub:
        begun = await hub.oidc.begin("main", "/", [], door_url=PUBLIC_URL)
        asked = query_of(begun.location)
        said = claims(iss=server.url, nonce=asked["nonce"])
        server.answers["/token"] = Answer({"id_token": mint(said)})
        cookies = [value.partition(";")[0] for value in begun.set_cookies]
        assert (
            await hub.oidc.finish([("state", asked["state"]), ("code", "c")], cookies, door_url=PUBLIC_URL)
        ).return_to == "/"


async def test_no_metadata_no_log_in() -> None:
    """Threat 51: the provider is down."""
    with Server() as server:
        async with Hub(server) as hub:
            with pytest.raises(ProviderUnavailable):
                await hub.oidc.begin("main", "/", [], door_url=PUBLIC_URL)
            assert await hub.oidc.end_session_url("main", door_url=PUBLIC_URL) is None


def test_the_challenge_is_s256() -> None:
    """The example of RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
