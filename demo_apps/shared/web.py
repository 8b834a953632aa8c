"""How a demo server meets the network: security headers, static files, small bodies, one listening socket.

Every page is served with a policy that allows no inline script or style, so a page that needs one is broken at once.
"""

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHARED_STATIC = Path(__file__).parent / "static"
BODY_LIMIT_BYTES = 16 * 1024


class BadForm(Exception):
    """The body is not a form this server can read; the text says why and may be shown."""


class SecurityHeaders:
    """Adds the same protective headers to every answer. Pages are never stored, files are revalidated."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                static = "/static/" in scope["path"] or "/shared/" in scope["path"]
                headers["Cache-Control"] = "no-cache" if static else "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def content_policy(*, frame_ancestors: str, form_targets: Sequence[str] = ()) -> str:
    """A Content-Security-Policy for pages made of own files only.

    ``form_targets`` are origins a form's answer may redirect to (browsers check ``form-action`` on redirects too).
    """
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "frame-src 'self'",
            "base-uri 'none'",
            " ".join(["form-action 'self'", *form_targets]),
            f"frame-ancestors {frame_ancestors}",
        ]
    )


def make_app(
    *, policy: str, prefix: str, static: Path, on_stop: Callable[[], Awaitable[None]] | None = None
) -> FastAPI:
    """An app without FastAPI's own pages; ``prefix`` holds its files under ``static/`` and ``shared/``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if on_stop:
            await on_stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.add_middleware(SecurityHeaders, policy=policy)
    app.mount(f"{prefix}/static", StaticFiles(directory=static), name="static")
    app.mount(f"{prefix}/shared", StaticFiles(directory=SHARED_STATIC), name="shared")
    return app


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The pairs of an ``application/x-www-form-urlencoded`` body of at most 16 KiB. Raises `BadForm`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise BadForm("The body must be application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise BadForm(f"The body is over {BODY_LIMIT_BYTES} bytes.")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64, errors="strict")
    except ValueError as error:
        raise BadForm("The body is not a well-formed form in UTF-8.") from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Exits 2 with one line when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        fail(f"cannot listen on {host}:{port}: {error}")
    return listener


def serve(app: FastAPI, listener: socket.socket, *, name: str) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when connections are taken."""
    host, port = listener.getsockname()[:2]
    print(f"{name} is listening on http://{host}:{port}", flush=True)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        sys.exit(0)


def fail(line: str) -> NoReturn:
    """End the program for a mistake in how it was started: one line on stderr, exit code 2."""
    print(line, file=sys.stderr)
    sys.exit(2)
