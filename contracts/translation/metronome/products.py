"""Products: their types, conversion and rounding of quantities."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from contracts.catalogue import Quantity
from contracts.money import exact
from contracts.translation.fields import Fields, invalid

TYPES: Final[dict[str, Literal["usage", "fixed", "subscription", "composite"]]] = {
    "USAGE": "usage", "FIXED": "fixed", "SUBSCRIPTION": "subscription", "COMPOSITE": "composite",
}  # fmt: skip
ROUNDING: Final[dict[str, Literal["up", "down", "half_up"]]] = {"ROUND_UP": "up", "ROUND_DOWN": "down", "ROUND_HALF_UP": "half_up"}


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
