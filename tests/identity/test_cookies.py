"""The hub's cookies: flags, names, and what is read from a request."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Unauthenticated
from hub.identity.cookies import Cookies

SECURE, PLAIN = Cookies.of_url("https://hub.example.com"), Cookies.of_url("http://localhost:8000")


def test_every_cookie_has_all_flags() -> None:
    """Threat 4: ``__Host-``, Secure, HttpOnly, SameSite, Path=/ and no Domain."""
    for value in (
        SECURE.set_session("token"),
        SECURE.clear_session(),
        SECURE.set_transaction("0a", "sealed", 600),
        SECURE.clear_transaction("0a"),
    ):
        name, *flags = value.split("; ")
        assert name.startswith("__Host-hub")
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(flags)
        assert not any(flag.lower().startswith("domain") for flag in flags)


def test_names_on_loopback_have_no_prefix() -> None:
    assert (PLAIN.session, PLAIN.transaction_prefix) == ("hub", "hub_tx_")
    assert PLAIN.set_session("t") == "hub=t; Path=/; HttpOnly; SameSite=Lax"
    assert PLAIN.clear_session() == "hub=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([], None),
        ([""], None),
        (["__Host-hub=t"], "t"),
        (["a=1; __Host-hub=t;b=2"], "t"),
        (["a=1", "__Host-hub=t"], "t"),
        (["__Host-hub="], None),
        (["__Host-hub"], None),
        (["hub=t"], None),
        (["x__Host-hub=t; __Host-hubx=t"], None),
    ],
)
def test_the_session_cookie_is_found(headers: list[str], token: str | None) -> None:
    assert SECURE.session_token(headers) == token


@pytest.mark.parametrize(
    "headers", [["__Host-hub=a; __Host-hub=a"], ["__Host-hub=a", "__Host-hub=b"], ["__Host-hub=; __Host-hub=b"]]
)
def test_two_of_the_name_are_refused(headers: list[str]) -> None:
    """Threat 5."""
    with pytest.raises(Unauthenticated):
        SECURE.session_token(headers)


def test_apps_neither_see_nor_set_the_hubs_cookies() -> None:
    """Threats 6 and 7 rest on this: every spelling of the hub's names, and no other."""
    for cookies in (SECURE, PLAIN):
        for name in ("hub", "__Host-hub", "__host-HUB", "hub_tx_1", "__Host-hub_tx_0a"):
            assert cookies.is_own(name)
        for name in ("hubs", "my_hub", "__Secure-hub", "hub_t", "theme"):
            assert not cookies.is_own(name)


@given(st.lists(st.text()))
def test_no_header_makes_it_raise_anything_else(headers: list[str]) -> None:
    with contextlib.suppress(Unauthenticated):
        SECURE.session_token(headers)
    SECURE.transactions(headers)
