"""``POST /v1/sessions/me/tickets``: a one-time proof for a live connection."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers, reading
from hub.api.callers import Callers
from hub.api.routes import Answer, Route
from hub.api.schemas import ref
from hub.core.json import loads
from hub.errors import Forbidden, Malformed
from hub.identity.tickets import TICKET_SECONDS, Ticket, Tickets

JSON = "application/json"


def ticket_routes(tickets: Tickets, callers: Callers, apps: frozenset[str]) -> list[Route]:
    """The route."""

    async def make(request: Request) -> Response:
        principal = await callers.identify(request.scope)
        if principal.sid is None:
            raise Forbidden("Tickets are for callers with a session of their own")
        app = await _app(request, apps)
        if principal.kind == "user" and principal.app is not None:
            if app not in (None, principal.app):
                raise Forbidden("At the host of an app, tickets are for that app")
            app = principal.app
        ticket = Ticket(
            sid=principal.sid,
            origin=request.headers.get("origin"),
            app=app,
            as_app=principal.name if principal.kind == "app" else None,
        )
        value = await tickets.make(ticket)
        return answers.json({"ticket": value, "expires_in": TICKET_SECONDS}, 201)

    return [
        Route(
            "POST",
            "/v1/sessions/me/tickets",
            "A one-time ticket for a live connection, as subprotocol `hub.ticket.<ticket>`.",
            [Answer(HTTPStatus.CREATED, "The ticket, good for 30 s and one use.", JSON, ref("Ticket"))],
            make,
            tag="live",
            bodies={JSON: ref("TicketWish")},
            body_required=False,
            problems=(400, 401, 403, 413, 415, 421, 429, 431, 503),
        )
    ]


async def _app(request: Request, apps: frozenset[str]) -> str | None:
    raw = await reading.body_of(request)
    if not raw:
        return None
    reading.media_type(request, [JSON])
    value = loads(raw)
    app = value.get("app") if isinstance(value, dict) else 0
    if app is None:
        return None
    if not isinstance(app, str) or app not in apps:
        raise Malformed("app is the name of a configured app")
    return app
