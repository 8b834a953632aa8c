"""From a cart to an order. Pure; a cart is data from elsewhere, so its every part is looked at before it is used."""

from collections.abc import Mapping
from typing import Any

from app_b.catalogue import CATALOGUE

HIGHEST_QUANTITY = 99


class EmptyCart(Exception):
    """There is nothing to order."""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def lines_of(cart: Mapping[str, Any]) -> list[tuple[str, int]]:
    """``(sku, quantity)`` of every line that can be ordered."""
    items = cart.get("items")
    lines = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    pairs = [(str(line.get("sku")), _whole(line.get("quantity"))) for line in lines]
    return [(sku, quantity) for sku, quantity in pairs if sku in CATALOGUE and 1 <= quantity <= HIGHEST_QUANTITY]


def credits_of(cart: Mapping[str, Any]) -> int:
    """All credits together, in cents."""
    credit = cart.get("credits")
    entries = credit.values() if isinstance(credit, dict) else []
    return sum(max(0, _whole(entry.get("amount_cents"))) for entry in entries if isinstance(entry, dict))


def place_order(cart: Mapping[str, Any], number: str) -> dict[str, Any]:
    """The merge patch that turns the cart into an order at today's prices. Raises `EmptyCart`."""
    lines = lines_of(cart)
    if not lines:
        raise EmptyCart
    total_cents = sum(CATALOGUE[sku].price_cents * quantity for sku, quantity in lines)
    order = {
        "number": number,
        "total_cents": max(0, total_cents - credits_of(cart)),
        "count": sum(quantity for _, quantity in lines),
    }
    return {"cart": {"items": [], "credits": None, "last_order": order}}
