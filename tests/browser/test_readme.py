"""What the README shows works when pasted: its page, its app, its service, its configuration."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.support.demo import chromium, demo, sign_in
from tests.support.nodes import ROOT, clean_environment
from tests.support.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

README = (ROOT / "README.md").read_text()
MADE_OF = r"<!-- {kind}: {name} -->\n```[a-z]+\n(.*?)```"


def block(kind: str, name: str) -> str:
    """The code block marked with this comment."""
    found = re.search(MADE_OF.format(kind=kind, name=re.escape(name)), README, re.DOTALL)
    assert found is not None, f"the README has no block {kind}: {name}"
    return found[1]


def settings_in(shell: str) -> dict[str, str]:
    """``NAME=value`` words of a shell block."""
    return dict(re.findall(r"\b(HUB_[A-Z_]+)=(\S+)", shell))


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """The README's app, started as the README says."""
    command = [sys.executable, "-m", "uvicorn", "hello:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            deadline = time.monotonic() + 20
            while not _answers(port):
                assert time.monotonic() < deadline
            yield
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
    except httpx.TransportError:
        return False
    return True


async def test_the_page_the_app_and_the_service_work_when_pasted(tmp_path: Path) -> None:
    """One after the other, in one session, in a real browser."""
    hub_port, app_port = free_port(), free_port()
    shell = block("sh", "app")
    assert "http://localhost:8000" in README
    assert "9100" in shell
    settings = {name: value.replace("9100", str(app_port)) for name, value in settings_in(shell).items()}
    assert set(settings) >= {"HUB_APPS__HELLO__PREFIX", "HUB_APPS__HELLO__UPSTREAM"}
    (tmp_path / "hello.html").write_text(block("file", "hello.html"))
    server = block("file", "hello.py").replace("http://localhost:8000", f"http://localhost:{hub_port}")
    (tmp_path / "hello.py").write_text(server)

    with demo(hub_port, **settings) as running, serving(tmp_path, app_port):
        async with chromium() as browser:
            context = await browser.new_context()
            desk = await sign_in(context, running.url)
            hello = await context.new_page()
            await hello.goto(f"{running.url}/apps/hello/")
            await expect(hello.locator("#name")).to_have_text("whoever you are")
            await hello.locator("#edit").fill("Countess")
            await expect(hello.locator("#name")).to_have_text("Countess")
            await expect(desk.locator("[data-document]")).to_contain_text('"Countess"')

            other = await context.new_page()
            await other.goto(f"{running.url}/apps/hello/shout")
            assert json.loads(await other.inner_text("body"))["changed"] is True
            await expect(hello.locator("#name")).to_have_text("ADA")

            curl = block("sh", "service").replace("http://localhost:8000", running.url)
            said = await run_shell(curl, KEY=running.billing_key, SID=await sid_of(running.url, running.billing_key))
            assert json.loads(said)["changed"] is True
            await expect(desk.locator("[data-document]")).to_contain_text("Welcome")

            await desk.locator("[data-end]").click(no_wait_after=True)
            await hello.wait_for_url("**/auth/signed-out*", wait_until="commit")


async def sid_of(url: str, key: str) -> str:
    """The sid of the one session there is."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        sessions = (await client.get("/v1/sessions")).json()["sessions"]
    assert len(sessions) == 1
    return str(sessions[0]["sid"])


async def run_shell(command: str, **environment: str) -> str:
    """What a shell makes of a block."""
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return said.decode()


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """``hub config check`` has nothing against the README's hub.toml, and checks it for real."""
    file = tmp_path / "hub.toml"
    file.write_text(block("toml", "hub.toml"))
    command = [sys.executable, "-m", "hub", "config", "check", "--config", str(file)]
    environment = clean_environment() | {"HUB_IDP_SECRET": "s"}
    good = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert good.returncode == 0, good.stderr
    file.write_text(block("toml", "hub.toml").replace("browser =", "browsr ="))
    bad = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert bad.returncode == 2
    assert "browser" in bad.stderr
