"""A price of Stripe: how it counts, what it costs in each of its currencies, how often it is due."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from contracts.catalogue import Aggregation, Metric, Package, Price, Product, Quantity, Tier
from contracts.contract import Every, Period
from contracts.translation.fields import invalid
from contracts.translation.stripe.amounts import currency_in, either, number_in

RHYTHMS: Final[Mapping[tuple[str, int], tuple[Period, Every]]] = {
    ("week", 1): ("weekly", "week"),
    ("month", 1): ("monthly", "month"),
    ("month", 3): ("quarterly", "quarter"),
    ("month", 12): ("annual", "year"),
    ("year", 1): ("annual", "year"),
}
FORMULAS: Final[Mapping[str, Aggregation]] = {"sum": "sum", "count": "count", "last": "latest"}
LEGACY: Final[Mapping[str, tuple[Aggregation, bool]]] = {
    "sum": ("sum", False), "max": ("max", False), "last_during_period": ("latest", False), "last_ever": ("latest", True),
}  # fmt: skip
READ: Final = frozenset(
    "id object active billing_scheme created currency currency_options custom_unit_amount livemode lookup_key metadata nickname product recurring tax_behavior"
    " tiers tiers_mode transform_quantity type unit_amount unit_amount_decimal deleted".split()
)

Kind = Literal["metered", "licensed", "one_time"]


class Priced(NamedTuple):
    """A price that was read."""

    id: str
    kind: Kind
    product: Product
    metric: str | None
    rhythm: tuple[Period, Every] | None
    prices: Mapping[str, Price]
    """By currency."""
    every: Quantity | None
    """Packs in which licensed units are counted."""
    active: bool


def price_in(row: Mapping[str, Any], products: Mapping[str, Mapping[str, Any]]) -> Priced:
    """Raises RefusedError for what no document can say."""
    recurring = row.get("recurring") or {}
    kind: Kind = "one_time" if row["type"] == "one_time" else "metered" if recurring.get("usage_type") == "metered" else "licensed"
    quantity, package = _transform(row)
    prices = {currency: _price(row, option, currency, path, package if kind == "metered" else None) for currency, option, path in _options(row)}
    if kind != "metered" and row.get("billing_scheme") == "tiered":
        raise invalid("billing_scheme", "is tiered for seats; a subscription here has one price a seat. Give the price that its quantity comes to as per_unit")
    found = row["product"]
    product = found if isinstance(found, dict) else products.get(str(found), {})
    name = " – ".join(dict.fromkeys(str(each) for each in (product.get("name") or product.get("id") or found, row.get("nickname")) if each))
    rhythm = None if kind == "one_time" else _rhythm(recurring)
    packs = quantity or (Quantity(divide_by=package, round="up") if package is not None else None)
    return Priced(
        str(row["id"]),
        kind,
        Product(
            name=name,
            type={"metered": "usage", "licensed": "subscription", "one_time": "fixed"}[kind],  # type: ignore[arg-type]  # a literal of each
            metric=_metric_of(row, recurring) if kind == "metered" else None,
            quantity=quantity if kind == "metered" else None,
            tags=[str(product.get("id") or found)],
        ),
        _metric_of(row, recurring) if kind == "metered" else None,
        rhythm,
        prices,
        packs if kind == "licensed" else None,
        bool(row.get("active", True)),
    )


def _metric_of(row: Mapping[str, Any], recurring: Mapping[str, Any]) -> str:
    """The meter; a price of the time before meters counts by itself."""
    return str(recurring.get("meter") or f"usage-{row['id']}")


def legacy_metric(row: Mapping[str, Any]) -> Metric | None:
    """How a metered price without a meter counts its usage records."""
    recurring = row.get("recurring") or {}
    if recurring.get("usage_type") != "metered" or recurring.get("meter"):
        return None
    how = recurring.get("aggregate_usage") or "sum"
    if how not in LEGACY:
        raise invalid("recurring.aggregate_usage", f"{how!r} is not known; {', '.join(LEGACY)} are")
    aggregation, carry = LEGACY[how]
    return Metric(event_types=[str(row["id"])], aggregation=aggregation, value="quantity", carry=carry)


def meter_in(row: Mapping[str, Any]) -> Metric:
    """A billing meter. Raises RefusedError."""
    formula = str((row.get("default_aggregation") or {}).get("formula"))
    if formula not in FORMULAS:
        raise invalid("default_aggregation.formula", f"{formula!r} is not known; {', '.join(FORMULAS)} are")
    value = (row.get("value_settings") or {}).get("event_payload_key") or "value"
    return Metric(event_types=[str(row["event_name"])], aggregation=FORMULAS[formula], value=None if formula == "count" else str(value))


def _options(row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every currency of the price, with where its amounts stand."""
    main = currency_in(row["currency"], "currency")
    yield main, row, ""
    for code, option in (row.get("currency_options") or {}).items():
        currency = currency_in(code, f"currency_options.{code}")
        if currency != main:
            yield currency, option, f"currency_options.{code}"


def _transform(row: Mapping[str, Any]) -> tuple[Quantity | None, Decimal | None]:
    """A quantity that is rounded down, or the size of a package that counts once it is started."""
    transform = row.get("transform_quantity")
    if not transform:
        return None, None
    if row.get("billing_scheme") == "tiered":
        raise invalid("transform_quantity", "stands beside tiers; they exclude each other")
    size, how = number_in(transform["divide_by"], "transform_quantity.divide_by"), transform["round"]
    if how == "up":
        return None, size
    if how != "down":
        raise invalid("transform_quantity.round", f"{how!r} is not known; up and down are")
    return Quantity(divide_by=size, round="down"), None


def _price(row: Mapping[str, Any], option: Mapping[str, Any], currency: str, path: str, package: Decimal | None) -> Price:
    if option.get("custom_unit_amount"):
        raise invalid(f"{path}.custom_unit_amount".lstrip("."), "lets the payer choose the amount, which no document says")
    if row.get("billing_scheme") == "tiered":
        return _tiered(row, option, currency, path)
    unit = either(option, "unit_amount", currency, path)
    if unit is None:
        raise invalid(f"{path}.unit_amount".lstrip("."), "is missing")
    return Price(per_unit=unit) if package is None else Price(package=Package(size=package, price=unit))


def _tiered(row: Mapping[str, Any], option: Mapping[str, Any], currency: str, path: str) -> Price:
    rows = option.get("tiers")
    at = f"{path}.tiers".lstrip(".")
    if not rows:
        raise invalid(at, "are not in the export; list prices with expand[]=data.tiers (and data.currency_options.CURRENCY.tiers)")
    tiers = []
    for number, each in enumerate(rows):
        place = f"{at}[{number}]"
        unit, flat = either(each, "unit_amount", currency, place), either(each, "flat_amount", currency, place)
        up_to = each.get("up_to")
        tiers.append(Tier(up_to=None if up_to in (None, "inf") else number_in(up_to, f"{place}.up_to"), per_unit=unit or Decimal(0), flat=flat or Decimal(0)))
    mode = row.get("tiers_mode")
    if mode not in ("graduated", "volume"):
        raise invalid("tiers_mode", f"{mode!r} is not known; graduated and volume are")
    return Price(graduated=tiers) if mode == "graduated" else Price(volume=tiers)


def _rhythm(recurring: Mapping[str, Any]) -> tuple[Period, Every]:
    interval, number = str(recurring.get("interval")), int(recurring.get("interval_count") or 1)
    if (interval, number) not in RHYTHMS:
        known = ", ".join(f"{count} {name}" for name, count in RHYTHMS)
        raise invalid("recurring.interval", f"every {number} {interval} is no billing period here; {known} are")
    return RHYTHMS[interval, number]
