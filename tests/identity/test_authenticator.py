"""Credentials in, a principal out: every kind of caller, and every way of not being one."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from hub.core.position import Position
from hub.errors import Maintenance, OwnSessionEnded, RateLimited, Unauthenticated
from hub.identity.session_tokens import SessionTokens
from tests.identity.worlds import NOW, SERVICE_KEY, SID, World, bearer, cookie, request


def context_token(world: World, app: str = "a") -> str:
    return world.contexts.sign(
        sid=SID, user="ada", position=Position(3, "9f3a1c02"), app=app, grants={"profile": "read"}
    )


async def test_a_session_token_is_the_user_by_cookie_and_by_bearer() -> None:
    """The same string proves the same session both ways, and only the cookie is marked as sent by itself."""
    world = World()
    by_cookie = await world.authenticator.authenticate(cookie(world.token))
    by_bearer = await world.authenticator.authenticate(bearer(world.token))
    assert (by_cookie.via_cookie, by_bearer.via_cookie) == (True, False)
    for principal in (by_cookie, by_bearer):
        assert principal.actor == "user:ada"
        assert principal.sid == SID
        assert principal.session is world.sessions[SID]
        assert principal.grants == {"profile": "write", "identity": "read"}


async def test_an_app_gets_its_sections_as_configured_now() -> None:
    """A context token names the app and the session; what it may do is read from the configuration, not the token."""
    world = World()
    principal = await world.authenticator.authenticate(bearer(context_token(world)))
    assert (principal.kind, principal.name, principal.sid) == ("app", "a", SID)
    assert principal.grants == {"profile": "write"}
    assert world.reads == []


async def test_nobody_may_write_identity() -> None:
    """Even an app configured to write the section ``identity`` may only read it."""
    world = World()
    principal = await world.authenticator.authenticate(bearer(context_token(world, "b")))
    assert principal.grants == {"identity": "read"}


async def test_a_service_is_known_by_its_key() -> None:
    world = World()
    principal = await world.authenticator.authenticate(bearer(SERVICE_KEY))
    assert (principal.actor, principal.sid, principal.may_list, principal.may_end) == (
        "service:billing",
        None,
        True,
        False,
    )


@pytest.mark.parametrize("token", [SERVICE_KEY + "x", "hub_sk_other_abc", "hub_sk_billing_", "hub_sk_", "hub_sk_é_x"])
async def test_a_wrong_service_key_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await World().authenticator.authenticate(bearer(token))


async def test_authorization_hides_the_cookie() -> None:
    """With ``Authorization`` present a good cookie does not help."""
    world = World()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(cookie(world.token, authorization="Bearer hub_sk_billing_wrong"))


async def test_with_authorization_the_cookies_are_not_even_read() -> None:
    """What would be refused by itself does not disturb a good bearer."""
    world = World()
    planted = request(authorization=f"Bearer {world.token}", cookie="__Host-hub=a; __Host-hub=b")
    assert (await world.authenticator.authenticate(planted)).sid == SID


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer a b", "", "Bearer \x7f"])
async def test_another_scheme_is_refused(value: str) -> None:
    world = World()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(cookie(world.token, authorization=value))


async def test_an_app_keeps_its_own_authorization_behind_the_proxy() -> None:
    """On the way to an app only the hub's own bearer tokens count; others are that app's matter."""
    world = World()
    principal = await world.authenticator.authenticate(
        cookie(world.token, authorization="Bearer of-the-app", purpose="proxy")
    )
    assert principal.sid == SID


async def test_two_session_cookies_are_refused() -> None:
    """Threat 5: one of two cookies of the name was planted, so neither counts."""
    world = World()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(
            request(cookie=f"__Host-hub={world.token}; x=1; __Host-hub={world.token}")
        )


async def test_the_bare_cookie_name_does_not_count_over_https() -> None:
    """Threat 5: a sibling host can set ``hub``, but not ``__Host-hub``."""
    world = World()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(request(cookie=f"hub={world.token}"))


async def test_an_ended_session_says_why_to_whoever_holds_its_token() -> None:
    world = World()
    world.end("revoked")
    with pytest.raises(OwnSessionEnded) as caught:
        await world.authenticator.authenticate(bearer(world.token))
    assert caught.value.facts == {"reason": "revoked", "ended_at": "2027-01-15T08:00:00.000Z"}


async def test_an_ended_session_tells_a_stranger_nothing() -> None:
    """Knowing the public sid is not enough to learn that a session ended."""
    world = World()
    world.end()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(bearer(world.token[:-1] + ("A" if world.token[-1] != "A" else "B")))


@pytest.mark.parametrize("verifier", [b"", b"k1:", b"k1", b"k2:" + b"0" * 32, b"\xff" * 40])
async def test_a_planted_verifier_opens_nothing(verifier: bytes) -> None:
    """Threat 66: whoever can write to the store still cannot make a verifier."""
    world = World()
    world.sessions[SID] = replace(world.sessions[SID], verifier=verifier)
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(bearer(world.token))


async def test_a_token_made_with_an_older_key_still_opens() -> None:
    """Keys rotate without logging anybody out."""
    world = World()
    token, verifier = SessionTokens({"k0": b"0" * 32}, "k0").new(SID)
    world.sessions[SID] = replace(world.sessions[SID], verifier=verifier)
    assert (await world.authenticator.authenticate(bearer(token))).sid == SID


async def test_store_down_is_not_a_401() -> None:
    """Threat 49: what the store raises goes through, and costs the caller nothing."""
    world = World(failures_per_minute=1)

    async def down(sid: str, /) -> None:
        raise Maintenance

    world.authenticator._read = down
    for _ in range(3):
        with pytest.raises(Maintenance):
            await world.authenticator.authenticate(bearer(world.token))


async def test_guessing_is_limited_and_a_good_credential_is_not() -> None:
    """Threat 53: after some bad credentials an address gets 429, but the right one still opens."""
    world = World(failures_per_minute=5)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(bearer("guess"))
    with pytest.raises(RateLimited) as caught:
        await world.authenticator.authenticate(bearer("guess"))
    assert 0 < caught.value.facts["retry_after_seconds"] <= 12
    assert (await world.authenticator.authenticate(bearer(world.token))).sid == SID
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(bearer("guess", address="192.0.2.2"))


async def test_coming_without_a_credential_is_no_guess() -> None:
    world = World(failures_per_minute=1)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(request())


async def test_failures_are_logged_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Threat 55: the security log names event and address, never the credential."""
    world = World()
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(bearer(world.token[:-2] + "zz"))
    record = caplog.records[-1]
    assert (record.name, record.message) == ("hub.security", "authn_login_fail")
    assert record.__dict__["address"] == "192.0.2.1"
    assert not any(world.token[20:40] in str(value) for value in record.__dict__.values())


# operators


async def test_an_operator_is_told_by_the_rule_of_its_provider() -> None:
    world = World()
    principal = await world.authenticator.authenticate(cookie(world.token))
    operator = world.authenticator.operator_of(principal)
    assert operator is not None
    assert (operator.actor, operator.sid, operator.may_end, operator.may_list) == ("operator:ada", None, True, True)


@pytest.mark.parametrize(
    ("roles", "provider"),
    [(["users"], "main"), ("hub-operators-not", "main"), (None, "main"), ({}, "main"), (["hub-operators"], "other")],
)
async def test_others_are_no_operators(roles: object, provider: str) -> None:
    """Threat 44: another value, or the right value from a provider without the rule, makes no operator."""
    world = World()
    now = world.sessions[SID]
    log_in = replace(now.log_in, provider=provider)
    world.sessions[SID] = replace(now, log_in=log_in, document={"identity": {"roles": roles}})
    principal = await world.authenticator.authenticate(cookie(world.token))
    assert world.authenticator.operator_of(principal) is None


async def test_an_operator_has_to_have_logged_in_lately_and_in_a_browser() -> None:
    world = World()
    bearer_user = await world.authenticator.authenticate(bearer(world.token))
    assert world.authenticator.operator_of(bearer_user) is None
    user = await world.authenticator.authenticate(cookie(world.token))
    world.clock.seconds = NOW + 3599
    assert world.authenticator.operator_of(user) is not None
    world.clock.seconds = NOW + 3600
    assert world.authenticator.operator_of(user) is None
