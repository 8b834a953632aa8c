"""The code flow against a provider that misbehaves: ID tokens, userinfo and answers that no honest one gives."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.errors import ProviderUnavailable
from hub.identity.cookies import Cookies
from hub.identity.fetching import new_client
from hub.identity.jwks import ProviderDirectory
from hub.identity.oidc import Oidc
from hub.identity.providers import Provider
from hub.identity.transactions import LogInFailed, Transactions
from tests.identity.fakes import OnceInMemory
from tests.identity.minting import claims, ec_key, mint
from tests.identity.oidc_case import PUBLIC_URL, query_of
from tests.identity.servers import Answer, Server, publish
from tests.identity.worlds import NOW, Clock


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
