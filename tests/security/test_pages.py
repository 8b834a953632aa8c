"""Where the hub's pages can lead, what caches may keep of its answers, and what is said to whom by itself."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.security.places import Place
from tests.support.answers import good
from tests.support.log_ins import begin, finish
from tests.support.nodes import Cluster
from tests.support.ports import free_port

pytestmark = pytest.mark.edge

AWAY = (
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "//evil.test/%2f..",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\\/evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https://evil.test",
    "HTTPS://evil.test/",
    "http:\\\\evil.test",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "/%2f%2fevil.test",
    "/%2fevil.test",
    "/%5cevil.test",
    "/%5C%5Cevil.test",
    "/%252fevil.test",
    "/%25252fevil.test",
    "\t//evil.test",
    "/\t/evil.test",
    "/\r\n/evil.test",
    " //evil.test",
    "/%09/evil.test",
    "/%0a/evil.test",
    "/%00/evil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/a/../..//evil.test",
    "/a/%2e%2e//evil.test",
    "/.%2e//evil.test",
    "@evil.test",
    "evil.test",
    "?//evil.test",
    "#//evil.test",
    "\u3000//evil.test",
    "/x\r\nLocation: https://evil.test",
    "/auth/logout?everywhere=1",
    "/%61uth/logout",
    "{own}@evil.test/",
    "{own}.evil.test/",
)
AGENTS = ("kube-probe/1.29", "kube-probe/1", "Prometheus/2.50.0", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "curl/8", "")
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@pytest.fixture(scope="module")
def hub(hub_cluster: Cluster) -> Place:
    """A hub that lets one log in as often as these tests do."""
    node = hub_cluster.node(port=free_port(), HUB_LIMITS__LOGINS_PER_MINUTE="0")
    return Place(hub_cluster, node, "hub")


def leads_to(answer: httpx.Response) -> str:
    """Where a redirect takes a browser, which takes tabs and line ends away and backslashes for slashes."""
    said = answer.headers["location"]
    assert said.isprintable()
    return urljoin(str(answer.url), re.sub(r"[\t\r\n]", "", said).replace("\\", "/"))


def is_own(place: Place, url: str) -> bool:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" == place.node.url


async def test_40_no_log_in_leads_away(hub: Place) -> None:
    """Whatever ``return_to`` says: signed in already, after the callback, or on a page about a failure."""
    async with hub.browser() as browser, hub.browser() as stranger:
        await hub.log_in(browser)
        for wanted in AWAY:
            value = wanted.format(own=hub.node.url)
            answer = await browser.get("/auth/login", params={"return_to": value})
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), wanted
            finished = await finish(stranger, hub.cluster, await begin(stranger, value), user="grace")
            assert (finished.status_code, finished.headers["location"]) == (303, "/"), wanted
            stranger.cookies.clear()
            for page in (
                await stranger.get("/auth/signed-out", params={"return_to": value, "reason": "idle"}),
                await browser.get("/auth/signed-out", params={"return_to": value}),
                await stranger.get("/auth/login", params={"return_to": value, "provider": "none"}),
            ):
                links = re.findall(r'(?:href|action)="([^"]*)"', page.text)
                assert links, page.text
                assert all(is_own(hub, urljoin(hub.node.url, link)) for link in links), (wanted, links)
                assert "evil" not in page.text, wanted
        for path in ("/apps/a/", "/apps/a/?q=//evil.test", "/docs#x"):
            answer = await browser.get("/auth/login", params={"return_to": path})
            assert answer.headers["location"] == path
            assert is_own(hub, leads_to(answer))


async def test_40_no_log_out_leads_away(hub: Place) -> None:
    """Nothing in the form or the query decides where a log-out ends; only configuration does."""
    for wanted in AWAY:
        async with hub.browser() as browser:
            await hub.log_in(browser)
            proof = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/auth/signed-out")).text)
            assert proof
            value = wanted.format(own=hub.node.url)
            steering = dict.fromkeys(("post_logout_redirect_uri", "return_to", "redirect_uri", "state", "next"), value)
            answer = await browser.post(
                "/auth/logout",
                params=steering,
                data={"csrf": proof[1], **steering},
                headers={"Origin": hub.node.url},
            )
            assert (answer.status_code, answer.headers["location"]) == (303, "/auth/signed-out?reason=logged_out")


async def test_59_nothing_of_a_session_stays_in_a_cache(hub: Place) -> None:
    """``no-store`` on all that is about a session, good or bad, and ``Clear-Site-Data`` with every log-out."""
    paths = [
        "/v1/sessions/me",
        "/v1/sessions/me/document",
        "/v1/sessions/me/changes?since=0.0",
        "/v1/users/me/sessions",
    ]
    paths += ["/auth/login", "/auth/login?return_to=/x", "/auth/callback", "/auth/signed-out", "/apps/a/", "/apps/none"]
    async with hub.browser() as browser:
        for is_signed_in in (False, True):
            if is_signed_in:
                await hub.log_in(browser)
            for path in paths:
                for headers in ({}, NAVIGATION):
                    answer = await browser.get(path, headers=headers)
                    assert answer.headers.get("cache-control") == "no-store", (path, answer.status_code)
        proof = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/auth/signed-out")).text)
        assert proof
        form = await browser.post("/auth/logout", data={"csrf": proof[1]}, headers={"Origin": hub.node.url})
        await hub.log_in(browser)
        call = await browser.post("/auth/logout", headers=hub.from_a_page())
        for answer, status in ((form, 303), (call, 204)):
            assert answer.status_code == status
            assert answer.headers.get("cache-control") == "no-store"
            assert answer.headers.get("clear-site-data") == '"cache"'


async def test_63_there_are_no_metrics_here(hub: Place) -> None:
    """``/metrics`` is not on the port that people reach: 404 for everybody, however they look."""
    async with hub.browser() as browser:
        await hub.log_in(browser)
        for agent in AGENTS:
            for path in ("/metrics", "/metrics/", "/v1/metrics", "/%6detrics", "/METRICS"):
                for method in ("GET", "HEAD", "POST"):
                    answer = await browser.request(method, path, headers={"User-Agent": agent})
                    assert answer.status_code == 404, (agent, path, method)


async def test_63_no_user_agent_opens_anything(hub: Place) -> None:
    """Every route answers a probe as it answers a browser, and health says nothing about anybody."""
    async with hub.browser() as stranger, hub.browser() as browser:
        await hub.log_in(browser, "canary-user")
        described = (await stranger.get("/openapi.json")).json()
        paths = [path.replace("{sid}", "me").replace("{user}", "me") for path in described["paths"]]
        paths += ["/apps/a/", "/nothing"]
        for path in paths:
            target = re.sub(r"\{\w+\}", "x", path)
            usual = await stranger.get(target, headers={"User-Agent": "Mozilla/5.0"})
            for agent in AGENTS:
                answer = await stranger.get(target, headers={"User-Agent": agent})
                assert answer.status_code == usual.status_code, (path, agent)
                elsewhere = await stranger.get(target, headers={"User-Agent": agent, "Host": "10.0.0.7"})
                assert elsewhere.status_code == 421, (path, agent)
        for path, members in (("/healthz", {"status"}), ("/readyz", {"mode", "store", "feed", "draining"})):
            said = good(await stranger.get(path))
            assert said.keys() == members
            assert "canary-user" not in str(said)
