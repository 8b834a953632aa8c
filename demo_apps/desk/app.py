"""Desk's server: the page, and the billing service that lives beside it.

The service is not the user and not an app: it has a key of its own, reaches any session over HTTP, and may write only
the cart. Its key stays on this server; the page can ask for a credit but cannot choose what the service writes.
"""

import secrets
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from shared.hub_app import HubApp, make_hub_app
from shared.looks import looks_of, shown_name
from shared.pages import fill

HERE = Path(__file__).parent
CREDITS = (("Loyalty credit", 500), ("Late delivery, sorry", 750), ("Birthday voucher", 1000))


def create_app(hub: HubApp, billing_key: str) -> FastAPI:
    """The ASGI app of Desk. ``billing_key`` is the service's key at the hub."""
    app = make_hub_app(hub, HERE / "static")

    @app.get(f"{hub.prefix}/")
    async def page(request: Request) -> Response:
        caller = await hub.caller(request)
        document = await hub.document(caller)
        looks = looks_of(document)
        return HTMLResponse(
            fill(HERE / "pages" / "desk.html", name=shown_name(document), sid=caller.sid, user=caller.user, **looks)
        )

    @app.post(f"{hub.prefix}/actions/billing-credit")
    async def billing_credit(request: Request) -> Response:
        caller = await hub.caller(request)
        label, amount_cents = secrets.choice(CREDITS)
        credit = {"label": label, "amount_cents": amount_cents}
        patch = {"cart": {"credits": {f"credit-{secrets.token_hex(4)}": credit}}}
        await hub.api.commit(billing_key, patch, sid=caller.sid)
        return Response(status_code=204)

    return app
