"""Invoices of another system, in one shape: what is compared with ours, and the usage that their lines tell."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from contracts.case import UsageLine
from contracts.catalogue import Catalogue, Metric
from contracts.contract import Contract, UsageFilter
from contracts.money import exact
from contracts.timeline import iso

Place = tuple[str, str, str]
"""Where an invoice, or a part of one, stands in time: contract, what kind of invoice or product, and when. Theirs and ours meet there."""
Key = tuple[str, str, str]
"""What lines are added up by: kind, product or grant, group."""

CONTRACT: Final = "import:contract"
"""Property of usage that is made of invoices: whose invoice it was."""


class Line(NamedTuple):
    key: Key
    label: str
    quantity: Decimal | None
    amount: Decimal
    """In the currency, as they have it: it may have fractions of a minor unit."""


class Metered(NamedTuple):
    """What an invoice says of usage: a quantity of a product in an interval."""

    contract: str
    customer: str
    product: str
    starting_ms: int
    quantity: Decimal
    properties: Mapping[str, str]


class Bill(NamedTuple):
    id: str
    customer: str
    contract: str
    kind: str
    status: str
    currency: str
    starting_ms: int
    ending_ms: int
    places: frozenset[Place]
    lines: Sequence[Line]
    total: Decimal
    metered: Sequence[Metered]
    file: str


def together(bills: Iterable[Bill]) -> list[Bill]:
    """Invoices that stand in the same place as one: ours are one for each contract and date."""
    found: dict[frozenset[Place], Bill] = {}
    for bill in bills:
        other = found.get(bill.places)
        if other is None:
            found[bill.places] = bill
            continue
        with exact():
            total = other.total + bill.total
        found[bill.places] = other._replace(
            id=f"{other.id} + {bill.id}", lines=[*other.lines, *bill.lines], metered=[*other.metered, *bill.metered], total=total,
            ending_ms=max(other.ending_ms, bill.ending_ms),
        )  # fmt: skip
    return list(found.values())


def usage_of(bills: Iterable[Bill]) -> list[UsageLine]:
    """An event for each quantity on the invoices, at the start of its line."""
    return [
        UsageLine(
            event_type=f"import:{each.product}",
            timestamp=iso(each.starting_ms),
            customer=each.customer,
            transaction_id=f"{bill.id}/{number}",
            properties=dict(each.properties) | {"quantity": format(each.quantity, "f"), CONTRACT: each.contract},
        )
        for bill in bills
        for number, each in enumerate(bill.metered)
        if each.quantity
    ]


def metered_by_bills(catalogue: Catalogue, *, converted: bool) -> Catalogue:
    """The catalogue with each product metered by what invoices say of it. `converted`: they have the quantity behind conversion and rounding."""
    products, metrics = {}, dict(catalogue.metrics)
    for name, product in catalogue.products.items():
        if product.type != "usage":
            products[name] = product
            continue
        keys = [*product.pricing_group_keys, *product.presentation_group_keys, CONTRACT]
        metrics[f"import:{name}"] = Metric(event_types=[f"import:{name}"], aggregation="sum", value="quantity", group_keys=list(dict.fromkeys(keys)))
        said = msgspec.structs.replace(product, metric=f"import:{name}", where={})
        products[name] = msgspec.structs.replace(said, quantity=None) if converted else said
    return msgspec.structs.replace(catalogue, metrics=metrics, products=products)


def billed_contract(contract: Contract) -> Contract:
    """The contract, which takes the usage of its own invoices only."""
    return msgspec.structs.replace(contract, usage_filter=UsageFilter(where={CONTRACT: [contract.id]}), thresholds=[])
