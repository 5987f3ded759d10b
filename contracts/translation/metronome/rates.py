"""Prices and rates: Metronome's shapes to ours and back. Pure.

FLAT is `per_unit`, TIERED is `graduated`, PERCENTAGE is `percentage`. What a document can say beyond that (packages, volume tiers, free units,
flats) comes back as CUSTOM with the document's own price in `custom_rate`, and is accepted like that, so nothing is lost.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from contracts.catalogue import Catalogue, Percentage, Price, Rate, Tier
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.shapes import build
from contracts.sources import Problem, show
from contracts.timeline import iso
from contracts.translation.fields import Fields, invalid, plain
from contracts.translation.metronome.coins import Coins, tidy
from contracts.translation.metronome.times import EPOCH, instant_text
from contracts.writing import data_of

TYPES: Final = ("FLAT", "PERCENTAGE", "SUBSCRIPTION", "TIERED", "TIERED_PERCENTAGE", "CUSTOM")
OPEN_MS: Final = 1 << 62


def price_in(fields: Fields, coins: Coins | None) -> Price:
    """The price of `rate_type`, `price`, `tiers`, `custom_rate`. Without `coins` the price is in a custom unit, as it is. Raises RefusedError."""
    kind = fields.word("rate_type", TYPES)

    def amount(of: Fields, name: str = "price") -> Decimal:
        number = of.number(name)
        if number < 0:
            raise invalid(of.at(name), "must not be negative")
        return coins.into(number) if coins else number

    fields.any("price")
    tiers, custom = fields.objects("tiers"), fields.any("custom_rate")
    if kind == "FLAT":
        return Price(per_unit=amount(fields))
    if kind == "PERCENTAGE":
        share = fields.number("price")
        if not 0 <= share <= 1:
            raise invalid(fields.at("price"), f"must be a fraction of 0 to 1, not {share}")
        return Price(percentage=Percentage(rate=share))
    if kind == "TIERED":
        if not tiers:
            raise invalid(fields.at("tiers"), "must have a tier at least")
        return Price(graduated=list(_tiers(tiers, amount)))
    if kind == "CUSTOM" and isinstance(custom, dict):
        problems: list[Problem] = []
        found = build(Price, plain(custom), (), problems)
        if found is None:
            raise invalid(f"{fields.at('custom_rate')}.{show(problems[0].path)}".rstrip("."), problems[0].message)
        return found
    raise invalid(fields.at("rate_type"), f"{kind} is not served here; FLAT, TIERED, PERCENTAGE are, and CUSTOM with a price of our documents in custom_rate")


def _tiers(tiers: Sequence[Fields], amount: Any) -> Iterator[Tier]:
    reached = Decimal(0)
    for number, tier in enumerate(tiers):
        size = tier.number_or_none("size")
        if size is None and number < len(tiers) - 1:
            raise invalid(tier.at("size"), "is missing; only the last tier has none")
        if size is not None:
            if size <= 0:
                raise invalid(tier.at("size"), "must be above zero")
            with exact():
                reached += size
        yield Tier(up_to=None if size is None else reached, per_unit=amount(tier))
        tier.done()


def price_out(price: Price, coins: Coins | None) -> dict[str, Any]:
    """`rate_type` with its price, as the API writes it."""

    def amount(value: Decimal) -> Decimal:
        return coins.out(value) if coins else tidy(value)

    if price.free == 0 and price.per_unit is not None:
        return {"rate_type": "FLAT", "price": amount(price.per_unit)}
    if price.free == 0 and price.percentage is not None and price.percentage.minimum == 0:
        return {"rate_type": "PERCENTAGE", "price": tidy(price.percentage.rate)}
    if price.free == 0 and price.graduated is not None and not any(tier.flat for tier in price.graduated):
        shown, before = [], Decimal(0)
        for tier in price.graduated:
            row: dict[str, Any] = {"price": amount(tier.per_unit)}
            if tier.up_to is not None:
                with exact():
                    row["size"] = tidy(tier.up_to - before)
                before = tier.up_to
            shown.append(row)
        return {"rate_type": "TIERED", "tiers": shown}
    return {"rate_type": "CUSTOM", "custom_rate": data_of(price)}


def rate_in(fields: Fields, product: str, coins: Coins, unit: str | None) -> Rate:
    """A rate of a rate card. Raises RefusedError."""
    price = price_in(fields, None if unit else coins)
    commit_price = None
    if fields.has("commit_rate"):
        inner = fields.object("commit_rate")
        commit_price = price_in(inner, None if unit else coins)
        inner.done()
    return Rate(
        product=product,
        price=price,
        commit_price=commit_price,
        where=dict(fields.mapping("pricing_group_values")),
        starting_at=fields.instant("starting_at"),
        ending_before=fields.instant_or_none("ending_before"),
        entitled=fields.flag("entitled"),
        unit=unit,
    )


def with_rate(rates: Sequence[Rate], new: Rate, zone: str) -> list[Rate]:
    """The rates with a new one that holds in its interval: what was said for the same usage there ends, and goes on behind it."""
    start, end = _span(new, zone)
    kept = []
    for rate in rates:
        if rate.product != new.product or rate.where != new.where:
            kept.append(rate)
            continue
        begun, ended = _span(rate, zone)
        if ended <= start or end <= begun:
            kept.append(rate)
            continue
        if begun < start:
            kept.append(msgspec.structs.replace(rate, ending_before=iso(start)))
        if end < ended:
            kept.append(msgspec.structs.replace(rate, starting_at=iso(end)))
    return [*kept, new]


def _span(rate: Rate, zone: str) -> tuple[int, int]:
    start = instant_ms(rate.starting_at, zone) if rate.starting_at else -OPEN_MS
    return start, instant_ms(rate.ending_before, zone) if rate.ending_before else OPEN_MS


def holds(rate: Rate, at_ms: int, zone: str) -> bool:
    start, end = _span(rate, zone)
    return start <= at_ms < end


def touches(rate: Rate, from_ms: int, until_ms: int, zone: str) -> bool:
    start, end = _span(rate, zone)
    return start < until_ms and from_ms < end


def rate_out(rate: Rate, catalogue: Catalogue, credit_type: dict[str, Any]) -> dict[str, Any]:
    """The inner `rate` of a rate card's row."""
    coins = None if rate.unit else Coins.of(catalogue)
    row = price_out(rate.price, coins) | {"credit_type": credit_type}
    return row | ({"pricing_group_values": {key: str(value) for key, value in rate.where.items()}} if rate.where else {})


def dates_out(rate: Rate, zone: str) -> dict[str, Any]:
    row: dict[str, Any] = {"starting_at": instant_text(rate.starting_at, zone, EPOCH)}
    if rate.ending_before is not None:
        row["ending_before"] = instant_text(rate.ending_before, zone, EPOCH)
    return row
