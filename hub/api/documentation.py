"""``/openapi.json``, ``/docs`` and ``/``: what the hub says about itself, from the table of routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.api import openapi
from hub.api.pages import Html, page, text
from hub.api.routes import Answer, Handler, Route

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class About:
    """What the description needs besides the routes. ``routes`` is asked late: the table describes itself too."""

    routes: Callable[[], Sequence[Route]]
    version: str
    server: str
    home_at: Callable[[str], str]  # by the value of Host

    def described(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi.describe(self.routes(), self.version, self.server)


def documentation_routes(about: About) -> list[Route]:
    """The routes."""

    async def document(request: Request) -> Response:
        return Response(orjson.dumps(about.described()), 200, {"Cache-Control": "no-cache"}, JSON)

    async def docs(request: Request) -> Response:
        return page("HTTP interface", _rendered(about.described()))

    async def root(request: Request) -> Response:
        return RedirectResponse(about.home_at(request.headers.get("host", "")), HTTPStatus.FOUND)

    redirect = Answer(HTTPStatus.FOUND, "On to it.", headers=("Location",))
    openapi_json = Answer(HTTPStatus.OK, "OpenAPI 3.1.", JSON, {"type": "object"})
    docs_page = Answer(HTTPStatus.OK, "A page.", "text/html", {"type": "string"})
    return [
        _public("/", "Leads to the configured home.", redirect, root, "pages"),
        _public("/openapi.json", "This description.", openapi_json, document, "operation"),
        _public("/docs", "This description, for people.", docs_page, docs, "pages"),
    ]


def _public(path: str, says: str, answer: Answer, handler: Handler, tag: str) -> Route:
    return Route("GET", path, says, [answer], handler, tag=tag, problems=(421, 431), is_public=True)


def _rendered(described: dict[str, Any]) -> Html:
    groups: dict[str, list[str]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    sections = "".join(
        f"<section><h2>{text(name)}</h2>{''.join(operations)}</section>" for name, operations in groups.items()
    )
    info = described["info"]
    head = (
        f"<h1>{text(info['title'])} <small>{text(info['version'])}</small></h1>"
        f"<p>{text(info['description'])} "
        'The machine-readable form is <a href="/openapi.json">openapi.json</a>.</p>'
    )
    return Html(f'<main class="docs">{head}{sections}</main>')


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{text(each['name'])}</code></td><td>{text(each['in'])}"
        f"{', required' if each['required'] else ''}</td><td>{_marked(each['description'])}</td></tr>"
        for each in operation["parameters"]
    )
    bodies = "".join(f"<li><code>{text(name)}</code></li>" for name in _bodies(operation))
    answers = "".join(
        f"<tr><td><code>{text(status)}</code></td><td>{_marked(said['description'])}</td></tr>"
        for status, said in operation["responses"].items()
    )
    return (
        f'<details class="operation"><summary><b class="method {text(method)}">{text(method.upper())}</b> '
        f"<code>{text(path)}</code> <span>{_marked(operation['summary'])}</span></summary>"
        + (f"<h3>Parameters</h3><table>{parameters}</table>" if parameters else "")
        + (f"<h3>Body</h3><ul>{bodies}</ul>" if bodies else "")
        + f"<h3>Answers</h3><table>{answers}</table></details>"
    )


def _bodies(operation: dict[str, Any]) -> list[str]:
    return list(operation.get("requestBody", {}).get("content", {}))


def _marked(said: str) -> str:
    """Text with `code` in back ticks."""
    parts = said.split("`")
    return "".join(f"<code>{text(part)}</code>" if at % 2 else text(part) for at, part in enumerate(parts))
