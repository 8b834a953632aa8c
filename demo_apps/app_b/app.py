"""Shop's server: the page with its products, and the checkout.

Adding to the cart happens in the page. The checkout is decided here, on exactly the cart that was read: if the cart
changes meanwhile the commit is refused and decided again.
"""

import json
import secrets
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from shared.hub_app import HubApp, make_hub_app
from shared.looks import looks_of, section, shown_name
from shared.pages import Html, fill, join

from app_b.catalogue import CATALOGUE
from app_b.order import EmptyCart, place_order

HERE = Path(__file__).parent
TEXTS: dict[str, dict[str, str]] = json.loads((HERE / "static" / "texts.json").read_text(encoding="utf-8"))


def euros(cents: int) -> str:
    """A price as the page writes it before its script knows the language better."""
    return f"€{cents // 100}.{cents % 100:02}"


def products() -> Html:
    """The shelf."""
    return join(
        [
            fill(
                HERE / "pages" / "product.html",
                sku=product.sku,
                name=product.name,
                cents=str(product.price_cents),
                price=euros(product.price_cents),
            )
            for product in CATALOGUE.values()
        ]
    )


def create_app(hub: HubApp) -> FastAPI:
    """The ASGI app of Shop."""
    app = make_hub_app(hub, HERE / "static")

    @app.get(f"{hub.prefix}/")
    async def page(request: Request) -> Response:
        document = await hub.document(await hub.caller(request))
        looks = looks_of(document)
        greeting = TEXTS[looks["language"]]["greeting"].replace("{name}", shown_name(document))
        return HTMLResponse(fill(HERE / "pages" / "shop.html", greeting=greeting, products=products(), **looks))

    @app.post(f"{hub.prefix}/actions/checkout")
    async def checkout(request: Request) -> Response:
        caller = await hub.caller(request)
        number = secrets.token_hex(3).upper()
        try:
            await hub.commit_on_newest(caller, lambda newest: place_order(section(newest.document, "cart"), number))
        except EmptyCart:
            detail = "The cart is empty."
            problem = {"type": "about:blank", "title": detail, "status": 409, "detail": detail, "code": "empty_cart"}
            return JSONResponse(problem, status_code=409, media_type="application/problem+json")
        return Response(status_code=204)

    return app
