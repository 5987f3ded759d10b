"""The pure part of a backfill: which stretches of a partition of usage-events are metered for which product.

A product that appears is metered from the offset at hand on; what is before is a gap that a backfill closes. One that goes away is covered up
to where it went, so when it comes back only what lies between is a gap. Each step is written in the transaction that does it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from contracts.twins import number_of


class Span(NamedTuple):
    """Offsets [start, end)."""

    start: int
    end: int


class Covered(NamedTuple):
    """One product."""

    gaps: tuple[Span, ...] = ()
    """Not metered yet; ascending, apart from each other."""
    left_at: int | None = None
    """It is metered up to here only; none: to the end, by every batch."""


class Coverage(NamedTuple):
    """All products that one catalogue has, or had, in one partition."""

    version: int
    products: Mapping[str, Covered]


class Work(NamedTuple):
    """The next stretch to fill, and for whom."""

    span: Span
    wanted: frozenset[tuple[str, str]]
    """(catalogue, product)."""


def follow(known: Coverage | None, version: int, metered: AbstractSet[str], position: int) -> Coverage:
    """The coverage when batches are metered for the products `metered` from offset `position` on."""
    products = dict(known.products) if known else {}
    for product in metered - products.keys():
        products[product] = Covered(_joined((), position))
    for product, covered in list(products.items()):
        if product in metered and covered.left_at is not None:
            products[product] = Covered(_joined(covered.gaps, position, covered.left_at))
        elif product not in metered and covered.left_at is None:
            products[product] = covered._replace(left_at=position)
    return Coverage(version, products)


def _joined(gaps: tuple[Span, ...], end: int, start: int = 0) -> tuple[Span, ...]:
    """Gaps with [start, end), which is behind all of them."""
    if start >= end:
        return gaps
    if gaps and gaps[-1].end == start:
        return (*gaps[:-1], Span(gaps[-1].start, end))
    return (*gaps, Span(start, end))


def work(known: Mapping[str, Coverage]) -> Work | None:
    """What to fill next in a partition, given the coverage of its catalogues: the earliest stretch that the same products lack. None: nothing."""
    open_ = {
        (name, product): covered.gaps for name, each in known.items() for product, covered in each.products.items() if covered.gaps and covered.left_at is None
    }
    if not open_:
        return None
    start = min(gaps[0].start for gaps in open_.values())
    wanted = frozenset(key for key, gaps in open_.items() if gaps[0].start == start)
    # Up to where the first of them is complete, or another product begins to lack the same.
    ends = [open_[key][0].end for key in wanted] + [gaps[0].start for gaps in open_.values() if gaps[0].start > start]
    return Work(Span(start, min(ends)), wanted)


def filled(known: Mapping[str, Coverage], done: Work) -> dict[str, Coverage]:
    """The coverages that change, by catalogue, when `done` (a beginning of what `work` gave) is metered."""
    changed = {}
    for name in {catalogue for catalogue, _ in done.wanted}:
        products = dict(known[name].products)
        for catalogue, product in done.wanted:
            if catalogue == name:
                first, *rest = products[product].gaps
                left = (Span(done.span.end, first.end),) if done.span.end < first.end else ()
                products[product] = products[product]._replace(gaps=(*left, *rest))
        changed[name] = known[name]._replace(products=products)
    return changed


def missing(known: Mapping[str, Coverage], *, twins: bool = True) -> int:
    """Offsets that are still to be read for products that are metered; `twins`: also for those of a generation, for which no bill waits."""
    products = [pair for each in known.values() for pair in each.products.items() if twins or number_of(pair[0]) is None]
    spans = {gap for _, covered in products if covered.left_at is None for gap in covered.gaps}
    total = reached = 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def to_wire(catalogue: str, coverage: Coverage) -> dict[str, Any]:
    """The value of a record of backfills."""
    products = [
        {"product": product, "left_at": -1 if covered.left_at is None else covered.left_at, "gaps": [gap._asdict() for gap in covered.gaps]}
        for product, covered in sorted(coverage.products.items())
    ]
    return {"catalogue": catalogue, "version": coverage.version, "products": products}


def from_wire(value: Mapping[str, Any]) -> Coverage:
    """What `to_wire` made."""
    products = {
        each["product"]: Covered(tuple(Span(gap["start"], gap["end"]) for gap in each["gaps"]), None if each["left_at"] < 0 else each["left_at"])
        for each in value["products"]
    }
    return Coverage(value["version"], products)
