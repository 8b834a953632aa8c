"""The code flow against the demo provider: what passes, and everything that must not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.errors import ProviderUnavailable
from hub.identity.oidc import challenge_of
from hub.identity.transactions import LogInFailed
from tests.identity.oidc_case import ISSUER, PUBLIC_URL, OidcCase, oidc_case, query_of
from tests.identity.worlds import NOW


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


def test_the_challenge_is_s256() -> None:
    """The example of RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
