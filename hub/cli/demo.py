"""``hub demo``: everything on this machine, each part a process of its own, until Ctrl-C.

The plan (ports, keys, environment) is made first and is plain data; then the processes start, are waited for, and the
result is shown. Everything lies in a fresh temporary folder. Where the usual ports are taken, others are used, so two
demos run side by side.
"""

import asyncio
import contextlib
import importlib.util
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from hub import resources
from hub.cli import CommandError
from hub.cli.demo_words import show
from hub.cli.keys import make_service_key
from hub.cli.listen import free_port, is_free
from hub.cli.output import note
from hub.cli.processes import Child, start, stop
from hub.errors import ConfigurationError

USUAL_PORT = 8000
USUAL_PORTS = {"idp": 9000, "a": 9001, "b": 9002, "desk": 9003}
FOLDERS = {"idp": "idp", "a": "app_a", "b": "app_b", "desk": "desk"}
METRICS_PORT = 9464
START_SECONDS = 45.0
STOP_SECONDS = 15.0
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demo is made of."""

    port: int
    ports: Mapping[str, int]
    billing_key: str = field(repr=False)
    billing_hash: str
    idp_secret: str = field(repr=False)
    data: Path

    @property
    def url(self) -> str:
        """The hub as the browser sees it."""
        return f"http://localhost:{self.port}"

    @property
    def issuer(self) -> str:
        """The provider; another host than the hub's, because cookies ignore ports."""
        return f"http://127.0.0.1:{self.ports['idp']}"


def make_plan(port: int | None, data: Path) -> Plan:
    """Choose ports: the usual ones if all are free, else free ones. A port that was asked for must be free."""
    if port and not is_free(port):
        raise CommandError(f"port {port} is taken; `hub demo --port 0` takes a free one")
    usual = port in (None, USUAL_PORT) and is_free(USUAL_PORT) and all(map(is_free, USUAL_PORTS.values()))
    if usual:
        chosen, ports = USUAL_PORT, USUAL_PORTS
    else:
        chosen, ports = port or free_port(), {name: free_port() for name in USUAL_PORTS}
    key, digest = make_service_key("billing")
    return Plan(chosen, ports, key, digest, secrets.token_urlsafe(32), data)


def environment(plan: Plan, base: Mapping[str, str]) -> dict[str, str]:
    """Environment of all parts. What the user set for the hub stays, except where the demo decides."""
    metrics = f"127.0.0.1:{METRICS_PORT}" if is_free(METRICS_PORT) else ""
    settings = {
        "HUB_PUBLIC_URL": plan.url,
        "HUB_BIND": f"127.0.0.1:{plan.port}",
        "HUB_METRICS_BIND": base.get("HUB_METRICS_BIND", metrics),
        "HUB_STORE_URL": "embedded",
        "HUB_DATA_DIR": str(plan.data),
        "HUB_IDENTITY_PROVIDERS__DEMO__ISSUER": plan.issuer,
        "HUB_SERVICES__BILLING__KEY_SHA256": plan.billing_hash,
        **{f"HUB_APPS__{app.upper()}__UPSTREAM": f"http://127.0.0.1:{plan.ports[app]}" for app in ("a", "b", "desk")},
    }
    own = {"DEMO_IDP_SECRET": plan.idp_secret, "DEMO_BILLING_KEY": plan.billing_key, "PYTHONUNBUFFERED": "1"}
    kept = {name: value for name, value in base.items() if name not in ("HUB_CONFIG", "HUB_URL")}
    return {**kept, **settings, **own}


def commands(plan: Plan, apps: Path) -> dict[str, list[str]]:
    """What to run, by name, in the order of starting."""
    python = sys.executable
    of = {name: [python, str(apps / FOLDERS[name] / "server.py"), "--port", str(plan.ports[name])] for name in FOLDERS}
    of["idp"] += ["--issuer", plan.issuer, "--client-id", "hub", "--client-secret-env", "DEMO_IDP_SECRET"]
    of["idp"] += ["--redirect-uri", f"{plan.url}/auth/callback", "--post-logout-uri", f"{plan.url}/auth/signed-out"]
    of["idp"] += ["--backchannel-uri", f"{plan.url}/auth/backchannel"]
    for name in ("a", "b", "desk"):
        of[name] += ["--public-url", plan.url, "--hub-url", plan.url]
    return {**of, "hub": [python, "-m", "hub", "serve", "--config", str(apps / "hub.toml")]}


def addresses(plan: Plan) -> dict[str, str]:
    """Where each part answers once it works."""
    answers = {name: f"http://127.0.0.1:{plan.ports[name]}/apps/{name}/" for name in ("a", "b", "desk")}
    answers["idp"] = f"{plan.issuer}/.well-known/openid-configuration"
    return {**answers, "hub": f"{plan.url}/readyz"}


def demo(port: int | None, as_json: bool) -> None:
    """Run the demo until Ctrl-C or SIGTERM."""
    if importlib.util.find_spec("fastapi") is None:
        raise ConfigurationError('`hub demo` needs the extra: pip install "single-state-hub[demo]"')
    apps = resources.find("demo_apps")
    with tempfile.TemporaryDirectory(prefix="hub-demo-", ignore_cleanup_errors=True) as folder:
        plan = make_plan(port, Path(folder))
        if port is None and plan.port != USUAL_PORT:
            note(f"port {USUAL_PORT} or one of {', '.join(map(str, USUAL_PORTS.values()))} is taken; using others")
        asyncio.run(_run(plan, apps, as_json))


async def _run(plan: Plan, apps: Path, as_json: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    shared = environment(plan, os.environ)
    children: list[Child] = []
    try:
        for name, command in commands(plan, apps).items():
            children.append(await start(name, command, shared, plan.data))
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(stopping.wait()),
            asyncio.create_task(_broken(children)),
            asyncio.create_task(_shown(plan, as_json)),
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if not stopping.is_set():
            for task in done:
                task.result()
    finally:
        await stop([child for child in children if child.name == "hub"], STOP_SECONDS)
        await stop(children, STOP_SECONDS)


async def _broken(children: list[Child]) -> None:
    """Wait until a part stops by itself, which is an error."""
    waits = {asyncio.create_task(child.process.wait()): child for child in children}
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    child = waits[done.pop()]
    raise CommandError(f"the demo's {child.name} stopped ({child.process.returncode}): {child.last_words()}")


async def _shown(plan: Plan, as_json: bool) -> None:
    """Say where everything is as soon as it works; never returns."""
    await _until_working(plan)
    show(plan.url, plan.billing_key, as_json)
    await asyncio.Event().wait()


async def _until_working(plan: Plan) -> None:
    """Wait until every part answers."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        for name, address in addresses(plan).items():
            while not await _answers(client, address, exactly_ok=name in ("hub", "idp")):
                if asyncio.get_running_loop().time() > deadline:
                    raise CommandError(f"the demo's {name} does not answer at {address}")
                await asyncio.sleep(PAUSE_SECONDS)


async def _answers(client: httpx.AsyncClient, address: str, *, exactly_ok: bool) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        status = (await client.get(address)).status_code
        return status == 200 if exactly_ok else status < 500
    return False
