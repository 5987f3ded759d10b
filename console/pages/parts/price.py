"""A price in words."""

from console.pages.parts.text import number
from contracts.catalogue import Price, Tier


def price_text(price: Price) -> str:
    """`0.002 each`, `1 a started 1,000`, `graduated: 1 up to 100, then 0.5`, …"""
    free = f", the first {number(price.free)} free" if price.free else ""
    return _price(price) + free


def _price(price: Price) -> str:
    if price.per_unit is not None:
        return f"{number(price.per_unit)} each"
    if price.package is not None:
        return f"{number(price.package.price)} for each started {number(price.package.size)}"
    if price.graduated is not None:
        return f"graduated: {_tiers(price.graduated)}"
    if price.volume is not None:
        return f"volume: {_tiers(price.volume)}"
    if price.flat is not None:
        return f"{number(price.flat)} a period with usage"
    if price.percentage is not None:
        least = f", at least {number(price.percentage.minimum)}" if price.percentage.minimum else ""
        return f"{number(price.percentage.rate * 100)} % of the spend{least}"
    return "none"


def _tiers(tiers: list[Tier]) -> str:
    found = []
    for tier in tiers:
        said = number(tier.per_unit) + (f" and {number(tier.flat)} once" if tier.flat else "")
        found.append(f"{said} up to {number(tier.up_to)}" if tier.up_to is not None else f"then {said}")
    return ", ".join(found)
