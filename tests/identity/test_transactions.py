"""Log-ins on their way: sealed, short-lived, few, and used once."""

from __future__ import annotations

import pytest

from hub.errors import Maintenance
from hub.identity.cookies import Cookies
from hub.identity.transactions import LIFETIME_SECONDS, LogInFailed, Transaction, Transactions
from tests.identity.fakes import OnceInMemory
from tests.identity.worlds import NOW, Clock

KEYS = {"k0": b"0" * 32, "k1": b"1" * 32}


def transactions(clock: Clock | None = None, active: str = "k1", **keys: bytes) -> Transactions:
    return Transactions(keys or KEYS, active, Cookies(secure=True), OnceInMemory(), clock or Clock())


class Browser:
    """Keeps cookies as a browser would."""

    def __init__(self) -> None:
        self.jar: dict[str, str] = {}

    def receive(self, set_cookies: list[str]) -> None:
        for value in set_cookies:
            pair, *flags = value.split("; ")
            name, _, content = pair.partition("=")
            if "Max-Age=0" in flags:
                self.jar.pop(name, None)
            else:
                self.jar[name] = content

    @property
    def cookies(self) -> list[str]:
        return ["; ".join(f"{name}={value}" for name, value in self.jar.items())]

    def begin(self, made: Transactions, return_to: str = "/apps/a") -> Transaction:
        transaction, set_cookies = made.begin("main", return_to, "https://hub.example.com", self.cookies)
        self.receive(set_cookies)
        return transaction


def test_a_transaction_comes_back_as_it_went() -> None:
    made, browser = transactions(), Browser()
    begun = browser.begin(made)
    assert made.find(begun.state, browser.cookies) == begun
    assert begun.began_ms == NOW * 1000
    assert begun.state.startswith(f"{begun.number}.")


def test_the_cookie_shows_nothing() -> None:
    """Sealed: neither verifier nor nonce nor state can be read from it."""
    browser = Browser()
    begun = browser.begin(transactions(), "/apps/secret-place")
    for shown in (begun.state, begun.nonce, begun.verifier, "secret-place"):
        assert shown not in browser.cookies[0]


def test_two_tabs_log_in_at_once() -> None:
    made, browser = transactions(), Browser()
    before = browser.cookies
    one, set_one = made.begin("main", "/1", "https://hub.example.com", before)
    two, set_two = made.begin("main", "/2", "https://hub.example.com", before)
    browser.receive([*set_one, *set_two])
    assert made.find(two.state, browser.cookies).return_to == "/2"
    assert made.find(one.state, browser.cookies).return_to == "/1"


def test_a_browser_carries_five_and_the_oldest_goes() -> None:
    clock = Clock()
    made, browser = transactions(clock), Browser()
    begun = []
    for _ in range(7):
        clock.seconds += 1
        begun.append(browser.begin(made))
    assert len(browser.jar) == 5
    for gone in begun[:2]:
        with pytest.raises(LogInFailed):
            made.find(gone.state, browser.cookies)
    for kept in begun[2:]:
        made.find(kept.state, browser.cookies)


def test_another_browsers_state_is_refused() -> None:
    """Threat 39: without this browser's cookie a callback is nobody's."""
    made, browser, other = transactions(), Browser(), Browser()
    begun, foreign = browser.begin(made), other.begin(made)
    for state in (
        foreign.state,
        f"{begun.number}.{foreign.state.partition('.')[2]}",
        begun.number,
        f"{begun.number}.",
        "",
        "é",
        "\udcff",
    ):
        with pytest.raises(LogInFailed):
            made.find(state, browser.cookies)


def test_a_cookie_cannot_be_moved_or_changed() -> None:
    made, browser = transactions(), Browser()
    begun = browser.begin(made)
    ((name, value),) = browser.jar.items()
    kid, _, sealed = value.partition(".")
    for other in (
        f"k0.{sealed}",
        f"k9.{sealed}",
        f"{kid}.{sealed[:-1]}",
        f"{kid}.{'A' * len(sealed)}",
        f"{kid}.",
        "",
        "é",
        f"{kid}.{sealed}=",
    ):
        browser.jar[name] = other
        with pytest.raises(LogInFailed):
            made.find(begun.state, browser.cookies)
    browser.jar = {"__Host-hub_tx_00000000": value}
    with pytest.raises(LogInFailed):
        made.find(begun.state.replace(begun.number, "00000000"), browser.cookies)


def test_ten_minutes_by_the_stores_clock() -> None:
    clock = Clock()
    made, browser = transactions(clock), Browser()
    begun = browser.begin(made)
    clock.seconds += LIFETIME_SECONDS - 0.001
    made.find(begun.state, browser.cookies)
    clock.seconds += 0.001
    with pytest.raises(LogInFailed):
        made.find(begun.state, browser.cookies)
    browser.begin(made)
    assert len(browser.jar) == 1


def test_unreadable_ones_are_cleared_away() -> None:
    browser = Browser()
    browser.jar = {"__Host-hub_tx_0000000a": "junk", "__Host-hub_tx_../x": "junk"}
    browser.begin(transactions())
    assert "__Host-hub_tx_0000000a" not in browser.jar
    assert len(browser.jar) == 2


async def test_each_is_used_once() -> None:
    """Threat 39: the second use is refused; one that came to nothing may be tried again."""
    made, browser = transactions(), Browser()
    begun = browser.begin(made)
    await made.spend(begun)
    with pytest.raises(LogInFailed):
        await made.spend(begun)
    await made.release(begun)
    await made.spend(begun)


async def test_store_down_is_no_failed_log_in() -> None:
    made = Transactions(KEYS, "k1", Cookies(secure=True), OnceInMemory(is_down=True), Clock())
    with pytest.raises(Maintenance):
        await made.spend(Browser().begin(made))


def test_keys_rotate_under_a_log_in() -> None:
    browser = Browser()
    begun = browser.begin(transactions(active="k0"))
    assert transactions(active="k1").find(begun.state, browser.cookies) == begun
    with pytest.raises(LogInFailed):
        transactions(active="k1", k1=KEYS["k1"]).find(begun.state, browser.cookies)
