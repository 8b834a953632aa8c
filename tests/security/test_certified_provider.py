"""What holds between the hub and a provider it trusts: a real, certified one that rotates keys, signs out, and dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from playwright.async_api import expect

from tests.support.answers import good, problem
from tests.support.certified import Person, type_password, world
from tests.support.demo import chromium
from tests.support.live_page import LivePage
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Tab, as_service, bearer, merge, open_with
from tests.support.waiting import eventually

pytestmark = [pytest.mark.edge, pytest.mark.timeout(120)]

AT_ONCE_SECONDS = 1.0
AWARE_SECONDS = 4.0  # who answered two seconds ago is taken to be there


def cookie(person: Person, node: Node) -> dict[str, str]:
    """What a page of this browser shows the hub."""
    return {"Cookie": f"hub={person.http.cookies['hub']}", "Origin": node.url}


async def signed_in(person: Person, node: Node) -> str:
    """Sign in, and the sid."""
    return str(good(await person.sign_in(node))["sid"])


async def status(node: Node, person: Person) -> int:
    """What a page of this browser gets."""
    return (await person.http.get(f"{node.url}/v1/sessions/me")).status_code


async def live_tab(node: Node, person: Person) -> Tab:
    """A live page of this browser."""
    return await (await open_with(node, cookie(person, node))).until_live()


async def shown(is_so: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """It comes to be so in this time."""
    try:
        await eventually(is_so, seconds)
    except TimeoutError:
        raise AssertionError(f"never {is_so.__name__.replace('_', ' ')}") from None


def since_epoch(moment: float | None) -> float:
    """A moment of the loop's clock, in seconds since the epoch."""
    assert moment is not None
    return time.time() - asyncio.get_running_loop().time() + moment


async def bearer_log_in(node: Node, token: str) -> httpx.Response:
    """Show an access token."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        return await client.post("/v1/sessions", headers=bearer(token))


async def test_23_keys_can_be_rotated_at_any_time(hub_cluster: Cluster) -> None:
    """The first log-in with a new key works; tokens of the old one count while it is listed and not after that."""
    with world(hub_cluster, 2) as place:
        provider, nodes = place.provider, [place.node(), place.node()]
        async with Person() as ada, Person() as two, Person("grace") as grace, Person("linus") as linus:
            await asyncio.gather(signed_in(ada, nodes[0]), signed_in(two, nodes[1]))  # both nodes know the first key
            old = [await ada.token(provider) for _ in range(3)]

            assert len(provider.rotate()) == 2
            await signed_in(grace, nodes[0])
            good(await bearer_log_in(nodes[0], await ada.token(provider)), 201)
            good(await bearer_log_in(nodes[0], old[0]), 201)

            assert len(provider.drop_old_keys()) == 1
            good(await bearer_log_in(nodes[1], old[1]), 201)  # it has not seen the new list yet
            await signed_in(linus, nodes[1])
            problem(await bearer_log_in(nodes[1], old[2]), 401, "unauthenticated")
            assert await status(nodes[0], ada) == 200, "sessions do not hang on the provider's keys"


async def test_23_a_key_that_is_gone_is_forgotten_without_any_log_in(hub_cluster: Cluster) -> None:
    """Nobody shows a new key: the list is fetched again when it has become old (here after a second)."""
    with world(hub_cluster, 1) as place:
        provider, node = place.provider, place.node("tests.faults.crippled", CRIPPLES="curious")
        async with Person() as ada:
            token = await ada.token(provider)
            good(await bearer_log_in(node, token), 201)
            provider.rotate()
            provider.drop_old_keys()

            async def is_forgotten() -> bool:
                said = problem(await bearer_log_in(node, token), 401, "unauthenticated")  # it was used, in any case
                return "key that is not known" in said["detail"]

            await shown(is_forgotten, 5)


async def test_27_a_logout_token_with_sid_ends_that_session_only(hub_cluster: Cluster) -> None:
    """Of one user's two browsers, at two nodes, the one that signed out at the provider is out, tabs and all."""
    await _sign_out_one_of_two(hub_cluster, names_session=True)


async def test_27_a_logout_token_without_sid_ends_all_of_the_user(hub_cluster: Cluster) -> None:
    """Both browsers are out; another user is not."""
    await _sign_out_one_of_two(hub_cluster, names_session=False)


async def _sign_out_one_of_two(cluster: Cluster, *, names_session: bool) -> None:
    with world(cluster, 2) as place:
        provider, first, second = place.provider, place.node(), place.node()
        async with Person() as one, Person() as two, Person("grace") as other:
            for person, node in ((one, first), (two, second), (other, second)):
                await signed_in(person, node)
            provider.name_sessions(names_session)
            async with (
                await live_tab(first, one) as here,
                await live_tab(second, one) as there,
                await live_tab(second, two) as elsewhere,
                await live_tab(second, other) as stranger,
            ):
                await one.sign_out_at(provider)
                ended, alive = [here, there], [stranger]
                (alive if names_session else ended).append(elsewhere)
                [call] = provider.calls()
                assert call["ok"], call
                for tab in ended:
                    await tab.until_closed()
                    assert (tab.code, tab.types[-1]) == (4500, "ended")
                    assert since_epoch(tab.closed_at) - call["at"] < AT_ONCE_SECONDS
                assert await status(first, one) == 401
                assert await status(second, two) == (200 if names_session else 401)
                assert await status(second, other) == 200
                assert [tab.code for tab in alive] == [None] * len(alive)


async def test_51_a_provider_that_is_down_costs_nobody_their_session(hub_cluster: Cluster) -> None:
    """Sessions and tabs go on; a log-in gets a page with 503 and ``Retry-After``, and works once the provider is back.

    Nobody is led to an address where nobody answers, at a node that knows the provider (warm) or at one that does not.
    """
    with world(hub_cluster, 2) as place:
        provider, warm, cold = place.provider, place.node(), place.node()
        async with Person() as ada, Person("grace") as grace, Person("linus") as linus, as_service(warm) as billing:
            sid, _ = await signed_in(ada, warm), await signed_in(linus, warm)
            async with await live_tab(cold, ada) as tab:
                provider.kill()
                good(await merge(billing, sid, {"profile": {"name": "while it was down"}}))
                await tab.until(lambda heard: heard.document.get("profile", {}).get("name") == "while it was down")

                async def is_noticed() -> bool:
                    try:
                        return (await grace.sign_in(warm)).status_code == 503
                    except httpx.ConnectError:  # led there still
                        return False

                await shown(is_noticed, AWARE_SECONDS)
                for node in (warm, cold):
                    assert await status(node, ada) == 200
                    refused = await grace.sign_in(node)
                    assert (refused.status_code, refused.url.port) == (503, node.port)
                    assert int(refused.headers["Retry-After"]) >= 1
                    assert "does not answer" in refused.text
                    assert "hub" not in grace.http.cookies
                out = await linus.sign_out_at_hub(warm)
                assert (out.status_code, out.url.path, out.url.port) == (200, "/auth/signed-out", warm.port)

                provider.start()

                async def is_back() -> bool:
                    return (await grace.sign_in(warm)).status_code == 200

                await shown(is_back, 10)
                assert (tab.code, await status(warm, ada)) == (None, 200)


@pytest.mark.browser
async def test_59_back_after_a_log_out_shows_the_log_in(hub_cluster: Cluster) -> None:
    """Pages that their app lets a real Chromium keep, and that Back shows without asking, are gone with the log-out."""
    with LivePage() as app, world(hub_cluster, 1) as place:
        node = place.node(HUB_APPS__A__UPSTREAM=app.url)
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(f"{node.url}/apps/a/plain/one")
            await type_password(page, "ada")
            await expect(page.locator("h1")).to_have_text("The private page of ada")
            await page.goto(f"{node.url}/apps/a/plain/two")
            await page.go_back()
            await expect(page.locator("h1")).to_have_text("The private page of ada")
            await page.go_forward()
            assert app.visits == 2, "the browser kept the pages"

            await page.goto(f"{node.url}/auth/signed-out")
            await page.get_by_role("button", name="Sign out").click()
            await page.get_by_role("button", name="Yes, sign me out").click()
            await page.wait_for_url(f"{node.url}/auth/signed-out")
            await page.go_back()  # to the page with the button
            await page.go_back()
            for _ in ("two", "one"):
                await page.go_back()
                assert "private page" not in await page.content()
                await expect(page.get_by_label("Password")).to_be_visible()
            assert app.visits == 2
