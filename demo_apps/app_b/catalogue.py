"""What the shop sells. Prices are decided here; a cart line's price is only what was shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """``sku`` also names the picture in ``static/``."""

    sku: str
    name: str
    price_cents: int


CATALOGUE: dict[str, Product] = {
    product.sku: product
    for product in (
        Product("mug", "Stoneware mug", 1800),
        Product("notebook", "Grid notebook", 1250),
        Product("lamp", "Reading lamp", 6400),
        Product("plant", "Fern in a pot", 2350),
        Product("teapot", "Utah teapot", 4200),
        Product("clock", "Quiet clock", 3900),
    )
}
