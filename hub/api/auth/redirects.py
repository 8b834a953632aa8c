"""How the log-in routes send a browser on: never stored, no address given away, cookies set on the way."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response


def redirect(location: str, status: int, *set_cookies: str) -> Response:
    """A redirect to ``location`` with these ``Set-Cookie`` values."""
    response = RedirectResponse(location, status, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    for value in set_cookies:
        response.headers.append("Set-Cookie", value)
    return response
