"""The authorization endpoint answers only well-made requests, and only to addresses the client registered."""

import httpx
import pytest

from tests.demo.oidc import REDIRECT_URI, challenge_of, query_of
from tests.demo.provider_case import ISSUER, provider_case


async def test_the_answer_carries_code_state_and_issuer() -> None:
    """RFC 9207: the client can tell who answered."""
    async with provider_case() as case:
        answer = await case.flow.choose(await case.flow.authorize())
        assert answer.status_code == httpx.codes.SEE_OTHER
        assert answer.headers["location"].startswith(REDIRECT_URI + "?")
        query = query_of(answer.headers["location"])
        assert (query["state"], query["iss"]) == ("state-1", ISSUER)
        assert len(query["code"]) >= 43


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": REDIRECT_URI + "/"},
        {"redirect_uri": REDIRECT_URI + "?x=1"},
        {"redirect_uri": "http://localhost:8000.evil.example/auth/callback"},
        {"redirect_uri": ""},
        {"client_id": "other"},
        {"client_id": ""},
    ],
)
async def test_an_unregistered_address_is_never_redirected_to(changes: dict[str, str]) -> None:
    """A mismatch is a page, not a redirect: else the provider would send people anywhere."""
    async with provider_case() as case:
        answer = await case.flow.authorize(**changes)
        assert answer.status_code == httpx.codes.BAD_REQUEST
        assert "location" not in answer.headers
        assert "transaction" not in answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "everything"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
    ],
)
async def test_a_bad_request_goes_back_with_its_error(changes: dict[str, str], code: str) -> None:
    """Each mistake has its error code, with state and issuer, and no code."""
    async with provider_case() as case:
        answer = await case.flow.authorize(**changes)
        assert answer.status_code == httpx.codes.SEE_OTHER
        query = query_of(answer.headers["location"])
        assert (query["error"], query["state"], query["iss"]) == (code, "state-1", ISSUER)
        assert "code" not in query


async def test_a_client_without_pkce_is_told_so() -> None:
    """The sentence names what is missing."""
    async with provider_case() as case:
        answer = await case.flow.authorize(code_challenge="")
        assert "PKCE is required" in query_of(answer.headers["location"])["error_description"]


async def test_a_repeated_parameter_is_refused() -> None:
    """Two values of one parameter may be read differently by two readers."""
    async with provider_case() as case:
        pairs = [*case.flow.parameters().items(), ("scope", "openid")]
        answer = await case.http.get("/authorize", params=tuple(pairs))
        assert query_of(answer.headers["location"])["error"] == "invalid_request"
        twice = [*case.flow.parameters().items(), ("redirect_uri", REDIRECT_URI)]
        assert (await case.http.get("/authorize", params=tuple(twice))).status_code == httpx.codes.BAD_REQUEST


async def test_a_second_log_in_is_immediate_unless_login_is_asked_for() -> None:
    """Single sign-on, `prompt=login` and `max_age` (OpenID Connect Core §3.1.2.1)."""
    async with provider_case() as case:
        await case.flow.tokens("grace")
        case.clock.now += 100
        assert (await case.flow.authorize()).status_code == httpx.codes.SEE_OTHER
        assert (await case.flow.authorize(max_age="200")).status_code == httpx.codes.SEE_OTHER
        assert (await case.flow.authorize(max_age="50")).status_code == httpx.codes.OK
        assert (await case.flow.authorize(prompt="login")).status_code == httpx.codes.OK
        assert "code" in query_of((await case.flow.authorize(prompt="none")).headers["location"])


async def test_a_page_works_once_and_only_from_the_provider_itself() -> None:
    """The chooser's form cannot be sent by another site, repeated, or be answered with a stranger."""
    async with provider_case() as case:
        page = await case.flow.authorize()
        key = page.text.split('name="transaction" value="')[1].split('"')[0]
        form = {"transaction": key, "person": "ada"}
        foreign = await case.http.post("/authorize/choice", data=form, headers={"Origin": "http://evil.example"})
        assert foreign.status_code == httpx.codes.FORBIDDEN
        stranger = await case.http.post("/authorize/choice", data=form | {"person": "mallory"})
        assert stranger.status_code == httpx.codes.BAD_REQUEST
        assert (await case.http.post("/authorize/choice", data=form)).status_code == httpx.codes.SEE_OTHER
        assert (await case.http.post("/authorize/choice", data=form)).status_code == httpx.codes.BAD_REQUEST


async def test_pages_allow_no_inline_script_and_no_frame() -> None:
    """The strict policy is on every answer."""
    async with provider_case() as case:
        page = await case.flow.authorize()
        policy = page.headers["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        assert "style=" not in page.text


async def test_values_from_the_address_are_escaped() -> None:
    """State comes back as it went in; nothing of it becomes markup."""
    async with provider_case() as case:
        nasty = '"><script>alert(1)</script>&\r\nX: y'
        answer = await case.flow.choose(await case.flow.authorize(state=nasty, login_hint=nasty))
        assert query_of(answer.headers["location"])["state"] == nasty
        assert "\n" not in answer.headers["location"]
        assert challenge_of("x") not in answer.text
