"""What an app behind the hub needs on its server: the caller of a request, their document, refusals as answers.

A hub forwards the path as it came, so an app's routes lie under its prefix.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from shared.context import BadContext, Caller, ContextReader
from shared.hub_api import HubApi, HubRefused, Snapshot
from shared.pages import fill
from shared.web import content_policy, listen, make_app, serve

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class HubApp:
    """One app's standing with the hub: its name there, its prefix, and the two ways to ask."""

    name: str
    prefix: str
    api: HubApi
    context: ContextReader

    async def caller(self, request: Request) -> Caller:
        """The verified caller. Raises `BadContext` (answered with 401) or `HubRefused`."""
        return await self.context.read(request.headers.get("x-hub-session"))

    async def document(self, caller: Caller) -> Mapping[str, Any]:
        """The caller's document: from the token, or from the hub when it did not fit."""
        return caller.document if caller.document is not None else (await self.api.document(caller.token)).document

    async def commit_on_newest(
        self, caller: Caller, decide: Callable[[Snapshot], Mapping[str, Any]], *, attempts: int = 4
    ) -> str:
        """Read, decide, commit on exactly what was read; decide again if somebody was faster. Returns the position."""
        for _ in range(attempts - 1):
            newest = await self.api.document(caller.token)
            try:
                return await self.api.commit(caller.token, decide(newest), if_position=newest.position)
            except HubRefused as refusal:
                if refusal.code != "position_mismatch":
                    raise
        newest = await self.api.document(caller.token)
        return await self.api.commit(caller.token, decide(newest), if_position=newest.position)


def make_hub_app(hub: HubApp, static: Path) -> FastAPI:
    """A FastAPI app under the hub's prefix, with refusals turned into pages or problems."""
    policy = content_policy(frame_ancestors="'self'")
    app = make_app(policy=policy, prefix=hub.prefix, static=static, on_stop=hub.api.close)

    @app.get(hub.prefix)
    async def without_slash() -> Response:
        return RedirectResponse(f"{hub.prefix}/", status_code=308)

    @app.get(f"{hub.prefix}/healthz")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.exception_handler(BadContext)
    async def not_through_the_hub(request: Request, problem: Exception) -> Response:
        return _answer(hub, request, 401, "unauthenticated", str(problem))

    @app.exception_handler(HubRefused)
    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HubRefused)
        return _answer(hub, request, problem.status, problem.code, problem.detail)

    return app


def _answer(hub: HubApp, request: Request, status: int, code: str, detail: str) -> Response:
    """A page for a person, a problem (RFC 9457) for a program."""
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        page = fill(HERE / "refused.html", title="This page cannot be shown", detail=detail, prefix=hub.prefix)
        return HTMLResponse(page, status_code=status)
    problem = {"type": "about:blank", "title": detail, "status": status, "detail": detail, "code": code}
    return JSONResponse(problem, status_code=status, media_type="application/problem+json")


def parser_for(name: str, *, port: int, description: str) -> argparse.ArgumentParser:
    """The command line every app has."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument("--prefix", default=f"/apps/{name}", help="path the hub serves it at (default: %(default)s)")
    parser.add_argument("--hub-url", help="where this server reaches the hub (default: $HUB_URL or the public URL)")
    parser.add_argument("--public-url", default="http://localhost:8000", help="the hub's URL in browsers")
    return parser


def run(
    arguments: argparse.Namespace,
    name: str,
    create: Callable[[HubApp], FastAPI],
    environ: Mapping[str, str],
) -> None:
    """Build the app for these arguments and serve it."""
    public_url = arguments.public_url.rstrip("/")
    hub_url = arguments.hub_url or environ.get("HUB_URL") or public_url
    api = HubApi(hub_url=hub_url, public_url=public_url)
    context = ContextReader(issuer=public_url, app=name, fetch_keys=api.keys)
    hub = HubApp(name=name, prefix=arguments.prefix.rstrip("/"), api=api, context=context)
    serve(create(hub), listen(arguments.host, arguments.port), name=name)
