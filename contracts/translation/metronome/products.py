"""Products: their types, conversion and rounding of quantities."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from contracts.catalogue import Product, Quantity, Spend
from contracts.money import exact
from contracts.translation.fields import Fields, invalid

TYPES: Final[dict[str, Literal["usage", "fixed", "subscription", "composite"]]] = {
    "USAGE": "usage", "FIXED": "fixed", "SUBSCRIPTION": "subscription", "COMPOSITE": "composite",
}  # fmt: skip
ROUNDING: Final[dict[str, Literal["up", "down", "half_up"]]] = {"ROUND_UP": "up", "ROUND_DOWN": "down", "ROUND_HALF_UP": "half_up"}


def product_in(fields: Fields, product: Product, metric_of: Callable[[str, str], str], product_of: Callable[[str, str], str]) -> Product:
    """The product with what is said of it; `metric_of` and `product_of` turn an id and the field that names it into ours. Raises RefusedError."""
    said: dict[str, Any] = {}
    metric = fields.text_or_none("billable_metric_id")
    if metric is not None:
        said["metric"] = metric_of(metric, "billable_metric_id")
    for key, ours in (("pricing_group_key", "pricing_group_keys"), ("presentation_group_key", "presentation_group_keys"), ("tags", "tags")):
        found = fields.texts(key)
        if fields.has(key):
            said[ours] = found
    products, tags = fields.texts("composite_product_ids"), fields.texts("composite_tags")
    if products or tags:
        said["of"] = Spend(products=[product_of(each, "composite_product_ids") for each in products], tags=tags)
    for flag in ("exclude_free_usage", "include_composite_spend"):
        if fields.any(flag):
            raise invalid(flag, "is not served")
    granularity = fields.any("sql_breakdown_granularity")
    if granularity is not None:
        raise invalid("sql_breakdown_granularity", "belongs to SQL metrics, which are not served")
    quantity = quantity_in(fields, product.quantity or Quantity())
    if quantity != Quantity():
        said["quantity"] = quantity
    return msgspec.structs.replace(product, **said)


def quantity_in(fields: Fields, quantity: Quantity) -> Quantity:
    """Conversion and rounding, as far as the request names them."""
    if fields.has("quantity_conversion"):
        quantity = msgspec.structs.replace(quantity, divide_by=_divisor(fields.object("quantity_conversion")))
    if fields.has("quantity_rounding"):
        rounding = fields.object("quantity_rounding")
        quantity = msgspec.structs.replace(quantity, round=ROUNDING[rounding.word("rounding_method", ROUNDING)], decimals=rounding.whole("decimal_places"))
        rounding.done()
    else:
        fields.any("quantity_rounding")
    fields.any("quantity_conversion")
    return quantity


def _divisor(fields: Fields) -> Decimal:
    factor = fields.number("conversion_factor")
    multiply = fields.word("operation", ("MULTIPLY", "DIVIDE")) == "MULTIPLY"
    fields.any("name")
    fields.done()
    if factor <= 0:
        raise invalid(fields.at("conversion_factor"), "must be above zero")
    if not multiply:
        return factor
    with exact():
        divisor = (Decimal(1) / factor) if _ends(factor) else None
    if divisor is None:
        raise invalid(fields.at("conversion_factor"), f"multiplying by {factor} is dividing by a number that does not end; DIVIDE by a number that does")
    return divisor


def _ends(factor: Decimal) -> bool:
    """Whether 1 / factor is a decimal that ends."""
    rest = factor.as_integer_ratio()[0]
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1
