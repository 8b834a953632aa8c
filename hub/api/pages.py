"""What every page of the hub has around it: the sheet, the security headers, the style sheet it loads.

Pages are complete without scripts, so the policy allows none. Text from outside becomes HTML in ``text`` only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Literal, NewType, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hub.api.routes import Answer, Parameter, Route
from hub.errors import HubError, NotFound

Html = NewType("Html", str)
Mood: TypeAlias = Literal["calm", "good", "warn"]

_STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {"hub.css": "text/css; charset=utf-8", "hub.svg": "image/svg+xml"}
_SIGNS: dict[Mood, str] = {
    "calm": '<circle cx="12" cy="8.2" r="3.7"/><path d="M5 20c.7-3.8 3.4-5.7 7-5.7s6.3 1.9 7 5.7"/>',
    "good": '<path d="M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M10 8l-4 4 4 4M6.5 12H15"/>',
    "warn": '<path d="M12 8.5v4.6M12 16.6v.1M12 3.6 2.9 19.4h18.2z"/>',
}


def text(said: object) -> Html:
    """Text as HTML."""
    return Html(escape(str(said)))


@dataclass(frozen=True, slots=True)
class Link:
    """A button that leads on. ``href`` is a path of this hub; inside a frame it leads the whole tab there."""

    label: str
    href: str

    def html(self, css: str) -> str:
        return f'<a class="{css}" href="{escape(self.href)}" target="_top">{escape(self.label)}</a>'


@dataclass(frozen=True, slots=True)
class Form:
    """A button that does something: a form of hidden fields, posted to ``action``."""

    label: str
    action: str
    fields: Mapping[str, str]

    def html(self, css: str) -> str:
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in self.fields.items()
        )
        button = f'<button class="{css}">{escape(self.label)}</button>'
        return f'<form method="post" action="{escape(self.action)}" target="_top">{hidden}{button}</form>'


def message(title: str, paragraphs: Sequence[Html], actions: Sequence[Link | Form] = (), mood: Mood = "calm") -> Html:
    """The inside of a sheet: a sign, a heading, some text and buttons, the first of them the one to press."""
    said = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    items = "".join(
        f"<li>{action.html('button first' if place == 0 else 'button')}</li>" for place, action in enumerate(actions)
    )
    buttons = f'<ul class="actions">{items}</ul>' if items else ""
    return _sheet(title, said + buttons, mood)


def _sheet(title: str, inside: str, mood: Mood) -> Html:
    sign = f'<div class="sign" aria-hidden="true"><svg viewBox="0 0 24 24">{_SIGNS[mood]}</svg></div>'
    return Html(f'<main class="sheet {mood}">{sign}<h1>{escape(title)}</h1>{inside}</main>')


def page(
    title: str,
    body: Html,
    status: int = HTTPStatus.OK,
    *,
    headers: Mapping[str, str] | None = None,
    may_be_framed: bool = False,
    form_targets: Sequence[str] = (),
    retry_seconds: int | None = None,
) -> HTMLResponse:
    """A whole page. ``form_targets``: origins that a form's answer may redirect to. Never stored by caches.

    With ``retry_seconds`` the browser asks for it again after that time.
    """
    again = "" if retry_seconds is None else f'<meta http-equiv="refresh" content="{retry_seconds}">\n'
    whole = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'{again}<title>{escape(title)}</title>\n<link rel="icon" href="/auth/assets/hub.svg" type="image/svg+xml">\n'
        '<link rel="stylesheet" href="/auth/assets/hub.css">\n</head>\n'
        f"<body>\n{body}\n<footer>Live session hub</footer>\n</body>\n</html>\n"
    )
    policy = content_policy(may_be_framed=may_be_framed, form_targets=form_targets)
    return HTMLResponse(whole, status, {**(headers or {}), **policy})


def content_policy(*, may_be_framed: bool, form_targets: Sequence[str] = ()) -> dict[str, str]:
    """The headers of a page of the hub."""
    directives = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        " ".join(["form-action 'self'", *form_targets]),
        "frame-ancestors 'self'" if may_be_framed else "frame-ancestors 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(directives),
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def error_page(
    error: HubError, actions: Sequence[Link | Form] = (), *, title: str = "", may_be_framed: bool = False
) -> HTMLResponse:
    """A refusal for a person, with the status and headers the problem would have."""
    heading = title or error.title
    said = [] if error.detail == heading else [text(error.detail)]
    return page(
        heading,
        message(heading, said, actions, "warn"),
        int(error.status),
        headers=error.headers(),
        may_be_framed=may_be_framed,
    )


@cache
def _asset(name: str) -> tuple[bytes, str]:
    content = (_STATIC / name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'


async def asset(request: Request) -> Response:
    """``GET /auth/assets/{name}``: the pages' own files."""
    name = request.path_params["name"]
    if name not in _MEDIA_TYPES:
        raise NotFound
    content, tag = _asset(name)
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers={**headers, "Content-Type": _MEDIA_TYPES[name]})


def asset_routes() -> list[Route]:
    """The style sheet and the icon."""
    return [
        Route(
            "GET",
            "/auth/assets/{name}",
            "A file of the hub's own pages.",
            [
                Answer(HTTPStatus.OK, "The file.", headers=("ETag",)),
                Answer(HTTPStatus.NOT_MODIFIED, "It is the one you have."),
            ],
            asset,
            tag="pages",
            parameters=(Parameter("name", "path", "`hub.css` or `hub.svg`.", required=True),),
            problems=(404, 421),
            is_public=True,
        )
    ]


def gateway_page(
    status: int, title: str, body: str, retry_seconds: int | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """A page in an app's place, for the proxy: ``body`` is HTML to follow the heading. Apps may be in frames."""
    mood: Mood = "calm" if status == HTTPStatus.UNAUTHORIZED else "warn"
    made = page(title, _sheet(title, body, mood), status, may_be_framed=True, retry_seconds=retry_seconds)
    return bytes(made.body), dict(made.headers)
