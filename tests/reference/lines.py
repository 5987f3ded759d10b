"""Section 1 and 2: the priced lines of one billing period, before minimum, discounts and draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from contracts.catalogue import Catalogue, Metric, Product
from contracts.contract import Contract
from tests.reference.events import Event, counts_to
from tests.reference.grants import Segment, may_pay, pays_for, reached
from tests.reference.money import places, round_money
from tests.reference.overrides import Terms, multiplied, rate_at, reaches, terms_at
from tests.reference.prices import Piece, Place, flats, units
from tests.reference.quantity import aggregate, convert
from tests.reference.times import HOUR, opt

Group = tuple[tuple[str, str], ...]


class Period(NamedTuple):
    contract: str
    start: int
    end: int
    whole_start: int
    """The whole anchored period that this is a part of."""
    whole_end: int


@dataclass
class Part:
    """A stretch of a period in which nothing changes, of one product and group."""

    product: str
    group: Group
    start: int
    end: int
    before: Fraction
    after: Fraction
    terms: Terms | None
    place: Place
    usage: bool
    correction: bool = False
    heard: int = 0
    """Number of its events."""
    hours: dict[int, Fraction] = field(default_factory=dict)
    """Running quantity at the end of each hour in which it may change."""


@dataclass
class Item:
    """A line, as far as it is not drawn on."""

    kind: str
    product: str | None
    group: Group
    start: int
    end: int
    quantity: Fraction | None
    unit_price: Fraction | None
    amount: Fraction
    tier: int | None = None
    override: str | None = None
    commit: str | None = None
    piece: Piece | None = None
    part: Part | None = None
    net: Fraction = Fraction(0)
    """What is left of the amount for draws, after discounts and maximum."""
    owner: Contract | None = None
    """Whose line it is; on a parent's invoice there may be a child's."""
    segment: Segment | None = None
    """What pays it."""
    discount: str | None = None
    number: int = 0
    """Of the line it was cut from."""


def groups_of(product: Product, metric: Metric, events: Sequence[Event], start: int, end: int) -> dict[Group, list[Event]]:
    """Events of the product by group. A product without group keys has its one group also without usage."""
    keys = sorted({*product.pricing_group_keys, *product.presentation_group_keys})
    found: dict[Group, list[Event]] = {} if keys else {(): []}
    for event in events:
        if counts_to(event, metric, product.where) and event.at < end:
            group = tuple((key, event.properties[key]) for key in keys if key in event.properties)
            found.setdefault(group, []).append(event)
    return {group: each for group, each in found.items() if not keys or metric.carry or any(event.at >= start for event in each)}


def cuts(
    contract: Contract, catalogue: Catalogue, segments: Sequence[Segment], product: str, group: Mapping[str, str], start: int, end: int
) -> list[tuple[int, int]]:
    """Parts of [start, end) in which neither rate, winner, entitlement nor what could be drawn changes."""
    zone = contract.billing.timezone
    edges = {start, end}
    assert contract.rate_card is not None
    for rate in catalogue.rate_cards[contract.rate_card].rates:
        if rate.product == product:
            edges |= {opt(rate.starting_at, catalogue.timezone, start), opt(rate.ending_before, catalogue.timezone, end)}
    for override in contract.overrides:
        if reaches(contract, catalogue, override, product, group, None):
            edges |= {opt(override.starting_at, zone, start), opt(override.ending_before, zone, end)}
    payers = [segment for segment in segments if pays_for(segment.grant, contract) and may_pay(segment.grant, product, group, catalogue)]
    for segment in payers:
        edges |= {segment.start, segment.end}
    inside = sorted(edge for edge in edges if start <= edge <= end)
    found: list[tuple[int, int]] = []
    last: object = None
    for a, b in pairwise(inside):
        signature = _signature(contract, catalogue, payers, product, group, a)
        if found and signature == last:
            found[-1] = (found[-1][0], b)
        else:
            found.append((a, b))
        last = signature
    return found


def _signature(contract: Contract, catalogue: Catalogue, payers: Sequence[Segment], product: str, group: Mapping[str, str], at: int) -> object:
    alone = terms_at(contract, catalogue, product, group, at, None)
    rate = rate_at(contract, catalogue, product, group, at)
    said: list[object] = [None if rate is None else (rate.starting_at, rate.ending_before, tuple(rate.where)), alone is None, alone and alone.names]
    for segment in payers:
        if segment.start <= at < segment.end and alone is not None:
            drawn = terms_at(contract, catalogue, product, group, at, segment.grant)
            said.append((segment.key, drawn and drawn.names))
    return said


def parts_of(contract: Contract, catalogue: Catalogue, segments: Sequence[Segment], period: Period, events: Sequence[Event], clock: int) -> list[Part]:
    """Every part of every product and group, in line order: start, product, group."""
    found: list[Part] = []
    if contract.rate_card is None:
        return found
    for name, product in catalogue.products.items():
        if product.type != "usage" or product.metric is None:
            continue
        metric = catalogue.metrics[product.metric]
        for group, own in groups_of(product, metric, events, period.start, period.end).items():

            def running(t: int, own: list[Event] = own, metric: Metric = metric, product: Product = product) -> Fraction:
                held = min(t, clock) if metric.aggregation == "time_weighted" else t
                return convert(aggregate(metric, own, period.start, held), product.quantity)

            reached_, highest = running(period.end), Fraction(0)
            first, flat_due = True, True
            for a, b in cuts(contract, catalogue, segments, name, dict(group), period.start, period.end):
                before, after = running(a), running(b)
                usage = before != after or any(a <= event.at < b for event in own)
                terms = terms_at(contract, catalogue, name, dict(group), a, None)
                if terms is not None and (usage or not (product.pricing_group_keys or product.presentation_group_keys)):
                    pays_flat = terms.price.flat is not None and usage and flat_due
                    found.append(Part(name, group, a, b, before, after, terms, Place(reached_, highest, first, pays_flat), usage))
                    if metric.aggregation == "time_weighted":
                        moments = set(range(a, min(b, clock), HOUR))
                    else:
                        moments = {event.at // HOUR * HOUR for event in own if a <= event.at < b}
                    found[-1].heard = sum(a <= event.at < b for event in own)
                    found[-1].hours = {moment: running(min(moment + HOUR, b)) for moment in sorted(moments)}
                    first, flat_due = False, flat_due and not pays_flat
                highest = max(highest, after)
    return sorted(found, key=lambda part: (part.start, part.product, part.group))


def priced(part: Part, terms: Terms, counted: dict[str, Fraction]) -> list[Piece]:
    """The pieces of a part, flats first."""
    due = [Piece("flat", Fraction(1), amount, tier, None, part.before, part.before) for amount, tier in flats(terms.price, part.before, part.after, part.place)]
    stretch = [
        Piece(kind, q, unit, tier, None, low, high) for kind, q, unit, tier, low, high in units(terms.price, part.before, part.after, part.place.reached)
    ]
    return multiplied(due + stretch, terms, counted)


def items_of(part: Part, pieces: Sequence[Piece], decimals: int) -> list[Item]:
    kind = "correction" if part.correction else "usage"
    return [
        Item(
            kind,
            part.product,
            part.group,
            part.start,
            part.end,
            piece.quantity,
            piece.unit_price,
            round_money(piece.exact, decimals),
            piece.tier,
            piece.override,
            piece=piece,
            part=part,
        )
        for piece in pieces
    ]


def usage_items(contract: Contract, catalogue: Catalogue, segments: Sequence[Segment], period: Period, events: Sequence[Event], clock: int) -> list[Item]:
    counted: dict[str, Fraction] = {}
    found: list[Item] = []
    for part in sorted(parts_of(contract, catalogue, segments, period, events, clock), key=_line_order):
        assert part.terms is not None
        found += items_of(part, priced(part, part.terms, counted), places(catalogue.currency))
    return found


def _line_order(part: Part) -> tuple[object, ...]:
    """Earlier start, higher unit price, name, as in section 4.2."""
    assert part.terms is not None
    listed = priced(part, part.terms._replace(override=None, rivals=()), {})
    return part.start, -max((piece.unit_price for piece in listed), default=Fraction(0)), part.product, part.group


def composite_items(contract: Contract, catalogue: Catalogue, period: Period, items: Sequence[Item]) -> list[Item]:
    """Section 2.4: max(rate × spend of the others, minimum); a composite may be a share of another composite."""
    found: list[Item] = []
    if contract.rate_card is None:
        return found
    decimals = places(catalogue.currency)
    waiting = {name: product for name, product in catalogue.products.items() if product.type == "composite"}
    while waiting:
        name = next(n for n, p in waiting.items() if p.of and not (reached(p.of.products, p.of.tags, catalogue) & set(waiting) - {n}))
        of = waiting.pop(name).of
        assert of is not None
        terms = terms_at(contract, catalogue, name, {}, period.start, None)
        if terms is None or terms.price.percentage is None:
            continue
        base = sum((item.amount for item in (*items, *found) if item.product in reached(of.products, of.tags, catalogue)), Fraction(0))
        factor = Fraction(1) if terms.override is None or terms.override.multiplier is None else Fraction(terms.override.multiplier)
        share = Fraction(terms.price.percentage.rate) * factor
        amount = round_money(max(share * base, Fraction(terms.price.percentage.minimum) * factor), decimals)
        override = terms.override.id if terms.override else None
        found.append(Item("composite", name, (), period.start, period.end, Fraction(1), amount, amount, override=override))
    return found


def correction_items(
    contract: Contract,
    catalogue: Catalogue,
    segments: Sequence[Segment],
    period: Period,
    billed: Sequence[Event],
    late: Sequence[Event],
    clock: int,
) -> list[Item]:
    """Section 5: late events of a final period, priced at the terms of their own time, going on from the quantity that was billed."""
    before = {(part.product, part.group, part.start): part for part in parts_of(contract, catalogue, segments, period, billed, clock)}
    position = {(part.product, part.group): part.place.reached for part in before.values()}
    flat_paid = {(part.product, part.group) for part in before.values() if part.usage}
    first = set(position)
    stretches: list[Part] = []
    for part in parts_of(contract, catalogue, segments, period, [*billed, *late], clock):
        key = (part.product, part.group)
        old = before.get((*key, part.start))
        was = position.get(key, Fraction(0))
        now = was + (part.after - part.before) - (old.after - old.before if old is not None else 0)
        more = part.heard > (old.heard if old is not None else 0)
        if now == was and not (more and key not in flat_paid):
            continue
        flat_due = key not in flat_paid and part.terms is not None and part.terms.price.flat is not None
        hours = {min((event.at for event in late if part.start <= event.at < part.end), default=part.start) // HOUR * HOUR: now}
        stretches.append(replace(part, before=was, after=now, place=Place(part.place.reached, was, key not in first, flat_due), correction=True, hours=hours))
        position[key] = now
        first.add(key)
        if more:
            flat_paid.add(key)
    counted: dict[str, Fraction] = {}
    found: list[Item] = []
    for part in stretches:
        assert part.terms is not None
        found += items_of(part, priced(part, part.terms, counted), places(catalogue.currency))
    return found
