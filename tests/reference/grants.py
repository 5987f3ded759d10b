"""Section 4: what may be drawn: every commit, credit and recurring grant as segments, in draw order."""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from contracts.catalogue import Catalogue, Where
from contracts.contract import Commit, Contract, Credit, RecurringCommit, RecurringGrant
from tests.reference.events import meets
from tests.reference.money import places, round_money
from tests.reference.times import FOREVER, anchor_of, days, opt, parse, period_at


class Grant(NamedTuple):
    contract: str
    id: str
    type: str
    """prepaid | postpaid | credit"""
    products: tuple[str, ...]
    tags: tuple[str, ...]
    where: Where
    priority: int
    rate: str
    shared: str | tuple[str, ...] | None
    free_of_charge: bool
    """Cost basis 0."""
    rollover: Fraction
    rolled: bool = False

    @property
    def limited(self) -> bool:
        return bool(self.products or self.tags or self.where)


class Segment(NamedTuple):
    grant: Grant
    start: int
    end: int
    amount: Fraction

    @property
    def key(self) -> tuple[str, str, int, bool]:
        return self.grant.contract, self.grant.id, self.start, self.grant.rolled


def reached(products: tuple[str, ...] | list[str], tags: tuple[str, ...] | list[str], catalogue: Catalogue) -> set[str]:
    """Products that a term holds for; one without products and tags holds for all."""
    if not products and not tags:
        return set(catalogue.products)
    return {name for name, product in catalogue.products.items() if name in products or set(tags) & set(product.tags)}


def may_pay(grant: Grant, product: str | None, group: Mapping[str, str], catalogue: Catalogue) -> bool:
    """By its limits; what has no product is paid by a grant without limits only."""
    if product is None:
        return not grant.limited
    return product in reached(grant.products, grant.tags, catalogue) and meets(grant.where, values(product, group, catalogue))


def values(product: str, group: Mapping[str, str], catalogue: Catalogue) -> dict[str, str]:
    """Group values of a line, and those that the product's own filter fixes."""
    found = {key: str(wanted) for key, wanted in catalogue.products[product].where.items() if isinstance(wanted, str | int)}
    found |= {key: str(wanted[0]) for key, wanted in catalogue.products[product].where.items() if isinstance(wanted, list) and len(wanted) == 1}
    return found | dict(group)


def pays_for(grant: Grant, contract: Contract) -> bool:
    """Its own contract, and children of it as far as it is shared."""
    if grant.contract == contract.id:
        return True
    if grant.shared is None or contract.parent != grant.contract:
        return False
    return grant.shared == "all" or contract.id in grant.shared


def segments_of(contract: Contract, catalogue: Catalogue, until: int) -> list[Segment]:
    """All segments of a contract's own grants that start at or before `until`."""
    zone = contract.billing.timezone
    found: list[Segment] = []
    lasting: list[Commit | Credit] = [*contract.commits, *contract.credits]
    for each in lasting:
        grant = _grant(contract, each)
        for access in each.access:
            found.append(Segment(grant, parse(access.starting_at, zone), opt(access.ending_before, zone, FOREVER), Fraction(access.amount)))
    for again in (*contract.recurring_credits, *contract.recurring_commits):
        found += [Segment(_grant(contract, again), start, end, amount) for start, end, amount, _ in recurring(contract, again, catalogue.currency, until)]
    return [segment for segment in found if segment.start <= until]


def recurring(contract: Contract, each: RecurringGrant, currency: str, until: int) -> list[tuple[int, int, Fraction, Fraction]]:
    """(start, end, amount, share of a whole period) of each grant: one a period, the first from `starting_at`, none at or after `ending_before`."""
    zone = contract.billing.timezone
    begun = parse(contract.starting_at, zone)
    anchor = anchor_of(contract.billing.anchor, begun, zone)
    moment = max(opt(each.starting_at, zone, begun), begun)
    last = opt(each.ending_before, zone, FOREVER)
    last = min(last, opt(contract.ending_before, zone, FOREVER))
    found = []
    first = True
    while moment < last and moment <= until:
        whole = period_at(anchor, each.every, zone, moment)
        end = whole[1]
        for _ in range(each.valid_periods - 1):
            end = period_at(anchor, each.every, zone, end)[1]
        share = Fraction(1)
        from_, to = moment, whole[1]
        if not (first and each.proration in {"first", "first_and_last"}):
            from_ = whole[0]
        if each.proration in {"last", "first_and_last"} and last < whole[1]:
            to = last
        share = Fraction(days(from_, to, zone), days(*whole, zone))
        found.append((moment, end, round_money(Fraction(each.amount) * share, places(currency)), share))
        moment, first = whole[1], False
    return found


def _grant(contract: Contract, each: Commit | Credit | RecurringGrant) -> Grant:
    kind, free = "credit", True
    if isinstance(each, Commit):
        kind, free = each.type, sum((item.amount for item in each.invoice), 0) == 0
    elif isinstance(each, RecurringCommit):
        kind, free = "prepaid", not each.invoice_amount
    shared = tuple(each.shared) if isinstance(each.shared, list) else each.shared
    rollover = Fraction(each.rollover or 0)
    return Grant(contract.id, each.id, kind, tuple(each.products), tuple(each.tags), each.where, each.priority, each.rate, shared, free, rollover)


def draw_order(segment: Segment, catalogue: Catalogue, children: frozenset[str]) -> tuple[object, ...]:
    """Sort key of section 4.1."""
    grant = segment.grant
    kind = 0 if grant.rolled else 2 if grant.type == "postpaid" else 1
    limited_products = len(reached(grant.products, grant.tags, catalogue)) if grant.products or grant.tags else 10**9
    named = sum(len(wanted) if isinstance(wanted, list) else 1 for wanted in grant.where.values()) if grant.where else 10**9
    contracts = 1 if grant.shared is None else 1 + len(children if grant.shared == "all" else children & set(grant.shared))
    return kind, grant.priority, not grant.free_of_charge, limited_products, named, segment.end, segment.start, contracts, grant.id, grant.contract
