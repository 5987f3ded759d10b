"""Commits, credits and recurring grants in resolved form: segments of money that pay for usage of their own time."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from contracts import contract as d
from contracts.catalogue import Where
from contracts.instants import instant_ms
from contracts.matching import reaches, values_named
from contracts.money import minor
from contracts.timeline import FOREVER, Grid, Span, grid

__all__ = ["Frame", "Grant", "Purchase", "Purse", "Segment", "compile_grants", "recurring_purchases", "rolled_over"]

EVERYTHING = 10**9


class Segment(NamedTuple):
    """An amount in minor units that covers usage of [start, end) and expires alone."""

    start: int
    end: int
    amount: int


class Purse:
    """What is left of a segment while open periods are drawn, in minor units."""

    __slots__ = ("key", "left")

    def __init__(self, key: tuple[str, str, int]) -> None:
        self.key = key
        """Contract, grant, start of the segment."""
        self.left = 0


class Purchase(NamedTuple):
    """An invoice of a prepaid commit: (what it is for, when, minor units)."""

    name: str
    at: int
    amount: int


class Frame(NamedTuple):
    """What a contract says about all its grants."""

    contract: str
    customer: str
    start: int
    end: int
    billing: d.Billing
    places: int


Targets = frozenset[str] | None
"""Product ids; none: everything."""


class Grant:
    """What may be drawn, and for what."""

    def __init__(self, frame: Frame, document: d.Commit | d.Credit | d.RecurringGrant, kind: str, products: Targets) -> None:
        self.contract = frame.contract
        self.customer = frame.customer
        self.id = document.id
        self.name = document.id
        """What lines show; a rest that rolled over keeps the name of its commit."""
        self.type = kind
        self.rollover = None if document.rollover is None else Fraction(document.rollover)
        self.rolled_from: Grant | None = None
        self.rate = document.rate
        self.priority = document.priority
        self.products = products
        self.where: Where = document.where
        self.shared = document.shared
        self.purchases: list[Purchase] = []
        self.recurring_purchase: tuple[d.RecurringCommit, Frame] | None = None
        self.cost_free = True
        self.fixed_segments: list[Segment] = []
        self.more: Iterator[Segment] | None = None
        """Where further segments come from."""
        self.purses: dict[int, Purse] = {}
        """By start of the segment."""
        self.contracts = 1
        """How many contracts it may pay for; the family counts them."""

    def purse(self, start: int) -> Purse:
        found = self.purses.get(start)
        if found is None:
            found = self.purses[start] = Purse((self.contract, self.id, start))
        return found

    def pays(self, product: str | None, group: Mapping[str, str], fixed: Mapping[str, frozenset[str]]) -> bool:
        """Whether its limits allow the product and group; no product: a line without one."""
        if self.products is not None and product not in self.products:
            return False
        return not self.where or reaches(self.where, group, fixed)

    def pays_for(self, contract: str) -> bool:
        """Whether a contract's usage may be paid, its own or one below it."""
        return contract == self.contract or self.shared == "all" or (self.shared is not None and (contract == self.shared or contract in self.shared))

    def segments(self, until: int) -> list[Segment]:
        """All segments that start by `until`, and maybe later ones."""
        while self.more is not None and (not self.fixed_segments or self.fixed_segments[-1].start <= until):
            segment = next(self.more, None)
            if segment is None:
                self.more = None
            else:
                self.fixed_segments.append(segment)
        return self.fixed_segments

    def order(self, segment: Segment) -> tuple[object, ...]:
        """Place in the draw order (rating rules, 4.1)."""
        return (
            0 if self.rolled_from is not None else 2 if self.type == "postpaid" else 1,
            self.priority,
            0 if self.cost_free else 1,
            EVERYTHING if self.products is None else len(self.products),
            values_named(self.where) if self.where else EVERYTHING,
            segment.end,
            segment.start,
            self.contracts,
            self.id,
            self.contract,
        )


def compile_grants(frame: Frame, document: d.Contract, targets: Mapping[str, Targets]) -> list[Grant]:
    """All grants of a contract. `targets` has the products that each may pay for, by kind and id (`commits/annual`)."""
    found = []
    for commit in document.commits:
        grant = Grant(frame, commit, commit.type, targets[f"commits/{commit.id}"])
        grant.fixed_segments = _access(frame, commit.access)
        grant.purchases = [Purchase(f"{commit.id}/{i}", instant(frame, p.at), minor(p.amount, frame.places)) for i, p in enumerate(commit.invoice)]
        grant.cost_free = commit.type == "prepaid" and not any(p.amount for p in grant.purchases)
        found.append(grant)
    for credit in document.credits:
        grant = Grant(frame, credit, "credit", targets[f"credits/{credit.id}"])
        grant.fixed_segments = _access(frame, credit.access)
        found.append(grant)
    for recurring in document.recurring_credits:
        grant = Grant(frame, recurring, "credit", targets[f"recurring_credits/{recurring.id}"])
        grant.more = (segment for segment, _ in _recurring(frame, recurring))
        found.append(grant)
    for again in document.recurring_commits:
        grant = Grant(frame, again, "prepaid", targets[f"recurring_commits/{again.id}"])
        grant.more = (segment for segment, _ in _recurring(frame, again))
        grant.cost_free = not again.invoice_amount
        grant.recurring_purchase = None if grant.cost_free else (again, frame)
        found.append(grant)
    return found


def recurring_purchases(grant: Grant) -> Iterator[Purchase]:
    """Invoices of a recurring commit: each when its grant starts, in proportion to it."""
    if grant.recurring_purchase is not None:
        document, frame = grant.recurring_purchase
        amount = Fraction(document.invoice_amount or 0)
        for segment, share in _recurring(frame, document):
            yield Purchase(f"{grant.id}/{segment.start}", segment.start, minor(amount * share, frame.places))


def rolled_over(source: Grant, contract: str, start: int, end: int) -> Grant:
    """The grant by which a renewal takes over what `source` leaves; its only segment has no amount of its own."""
    grant = object.__new__(Grant)
    grant.__dict__.update(source.__dict__)
    grant.contract, grant.id = contract, f"{source.id}:rollover"
    grant.rolled_from, grant.rollover = source, None
    grant.purchases, grant.recurring_purchase, grant.more, grant.purses = [], None, None, {}
    grant.fixed_segments = [Segment(start, end, 0)]
    return grant


def instant(frame: Frame, text: str) -> int:
    return instant_ms(text, frame.billing.timezone)


def _access(frame: Frame, segments: list[d.Access]) -> list[Segment]:
    return [
        Segment(instant(frame, s.starting_at), instant(frame, s.ending_before) if s.ending_before else FOREVER, minor(s.amount, frame.places)) for s in segments
    ]


def _recurring(frame: Frame, document: d.RecurringGrant) -> Iterator[tuple[Segment, Fraction]]:
    """Each grant with the share of the whole amount that it gets."""
    rhythm = grid(document.every, frame.billing.anchor, frame.billing.timezone, frame.start)
    start = max(frame.start, instant(frame, document.starting_at)) if document.starting_at else frame.start
    end = min(frame.end, instant(frame, document.ending_before)) if document.ending_before else frame.end
    for number, (part, whole) in enumerate(rhythm.spans(start, end)):
        until = rhythm.edge(rhythm.index(whole.start) + document.valid_periods)
        share = _share(document, number, part, whole, rhythm)
        yield Segment(part.start, until, minor(Fraction(document.amount) * share, frame.places)), share


def _share(document: d.RecurringGrant, number: int, part: Span, whole: Span, rhythm: Grid) -> Fraction:
    """What a partial first or last period gets."""
    first = number == 0 and part.start > whole.start and document.proration in ("first", "first_and_last")
    last = part.end < whole.end and document.proration in ("last", "first_and_last")
    return rhythm.share(Span(part.start if first else whole.start, part.end if last else whole.end), whole)
