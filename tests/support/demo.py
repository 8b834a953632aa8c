"""``hub demo`` as a user starts it, on ports of its own, and browsers that visit it."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests import binaries
from tests.support.nodes import ROOT, clean_environment

START_SECONDS = 60
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Demo:
    """A running demo."""

    url: str
    billing_key: str


@contextmanager
def demo(port: int = 0, **environment: str) -> Iterator[Demo]:
    """Start it, wait until it says where it is, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "hub", "demo", "--port", str(port), "--json"]
    settings = clean_environment() | environment
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings, cwd=ROOT)
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        assert ready, "the demo does not start"
        said = json.loads(process.stdout.readline())
        yield Demo(said["url"], said["billing_key"])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A real, headless Chromium."""
    async with async_playwright() as playwright:
        path = await asyncio.to_thread(binaries.browser)
        browser = await playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(context: BrowserContext, url: str, person: str = "ada") -> Page:
    """Open the demo's front page and be somebody; the desk is shown and live afterwards."""
    page = await context.new_page()
    await page.goto(url)
    await page.locator(f"button[value={person}]").click()
    await page.wait_for_url(f"{url}/apps/desk/")
    await page.locator("[data-document] >> text=identity").wait_for(state="attached")
    return page
