"""An order is made of what the shop sells, at the shop's prices, whatever the cart says."""

from typing import Any

import jsonschema_rs
import pytest
from app_b.catalogue import CATALOGUE
from app_b.order import EmptyCart, place_order

from tests.demo.fake_hub import DEMO

Cart = dict[str, Any]


def line(sku: str, quantity: object, price_cents: object = 1) -> Cart:
    return {"sku": sku, "name": sku, "price_cents": price_cents, "quantity": quantity}


def test_prices_are_the_shops_own() -> None:
    """A price in the cart is what was shown, not what is charged."""
    cart = {"items": [line("mug", 2, price_cents=1), line("lamp", 1, price_cents=0)]}
    order = place_order(cart, "N1")["cart"]["last_order"]
    assert order == {"number": "N1", "total_cents": 2 * 1800 + 6400, "count": 3}


def test_credits_count_but_never_below_zero() -> None:
    credit = {"label": "x", "amount_cents": 500}
    cart: Cart = {"items": [line("mug", 1)], "credits": {"a": credit, "b": {**credit, "amount_cents": -9}}}
    assert place_order(cart, "N1")["cart"]["last_order"]["total_cents"] == 1300
    cart["credits"]["c"] = {**credit, "amount_cents": 99_999}
    assert place_order(cart, "N1")["cart"]["last_order"]["total_cents"] == 0


def test_an_order_empties_the_cart_and_fits_its_schema() -> None:
    """What the server commits is what the hub accepts."""
    patch = place_order({"items": [line("plant", 1)]}, "N1")["cart"]
    assert patch["items"] == []
    assert patch["credits"] is None
    schema = jsonschema_rs.validator_for((DEMO / "schemas" / "cart.json").read_text(encoding="utf-8"))
    assert schema.is_valid({name: value for name, value in patch.items() if value is not None})
    assert schema.is_valid({"items": [line(sku, 1, product.price_cents) for sku, product in CATALOGUE.items()]})


@pytest.mark.parametrize(
    "cart",
    [
        {},
        {"items": []},
        {"items": "mug"},
        {"items": ["mug", None, 3]},
        {"items": [line("unknown", 1)]},
        {"items": [line("mug", 0), line("mug", -2), line("mug", True), line("mug", "1"), line("mug", 100)]},
        {"items": [{"quantity": 1}], "credits": ["x"]},
    ],
)
def test_nothing_orderable_is_no_order(cart: Cart) -> None:
    """Odd carts are empty carts, never failures."""
    with pytest.raises(EmptyCart):
        place_order(cart, "N1")
