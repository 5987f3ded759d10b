"""Commits, credits and recurring grants in resolved form: segments of money that pay for usage of their own time."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from contracts import contract as d
from contracts.catalogue import Where
from contracts.matching import matches, values_named
from contracts.money import minor, prorate
from contracts.timeline import FOREVER, Grid, Span, grid

if TYPE_CHECKING:
    from contracts.terms import ContractTerms

__all__ = ["GrantTerms", "Purchase", "Segment", "compile_grants"]

EVERYTHING = 10**9


class Segment(NamedTuple):
    """An amount in minor units that covers usage of [start, end) and expires alone."""

    index: int
    start: int
    end: int
    amount: int


class Purchase(NamedTuple):
    """An invoice of a prepaid commit."""

    key: str
    at: int
    amount: int


class GrantTerms:
    """What may be drawn, and for what."""

    def __init__(self, terms: "ContractTerms", document: d.Commit | d.Credit | d.RecurringGrant, kind: str) -> None:
        self.contract = terms.id
        self.customer = terms.customer
        self.id = document.id
        self.type = kind
        self.rollover = document.rollover
        self.rolled = False
        self.rate = document.rate
        self.priority = document.priority
        self.products = terms.targets(document.products, document.tags)
        self.where: Where = document.where
        self.shared = document.shared
        self.purchases: list[Purchase] = []
        self.limited = self.products is not None or bool(self.where)
        self.cost_free = True
        self._segments: list[Segment] = []
        self._more: Iterator[Segment] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.contract, self.id

    def pays(self, product: str | None, group: Mapping[str, str]) -> bool:
        """Whether its limits allow the product and group; `None` is a line without product."""
        if self.products is not None and product not in self.products:
            return False
        return not self.where or matches(self.where, group)

    def pays_for(self, contract: str) -> bool:
        if contract == self.contract:
            return True
        return self.shared == "all" or (isinstance(self.shared, list) and contract in self.shared) or (self.shared is not None and self.shared == contract)

    def segments(self, until: int) -> list[Segment]:
        """All segments that start by `until`, and maybe later ones."""
        while self._more is not None and (not self._segments or self._segments[-1].start <= until):
            segment = next(self._more, None)
            if segment is None:
                self._more = None
            else:
                self._segments.append(segment)
        return self._segments

    def total(self) -> int:
        """Amount of all segments of a commit."""
        return sum(s.amount for s in self._segments)

    def order(self, segment: Segment) -> tuple[object, ...]:
        """Place in the draw order (rating rules, 4.1)."""
        contracts = EVERYTHING if self.shared == "all" else 1 + len(self.shared) if isinstance(self.shared, list) else 2 if self.shared else 1
        return (
            0 if self.rolled else 2 if self.type == "postpaid" else 1,
            self.priority,
            0 if self.cost_free else 1,
            EVERYTHING if self.products is None else len(self.products),
            values_named(self.where) if self.where else EVERYTHING,
            segment.end,
            segment.start,
            contracts,
            self.id,
            self.contract,
            segment.index,
        )


def compile_grants(terms: "ContractTerms") -> list[GrantTerms]:
    document, places = terms.document, terms.places
    found = []
    for commit in document.commits:
        grant = GrantTerms(terms, commit, commit.type)
        grant._segments = access(terms, commit.access)
        if commit.type == "prepaid":
            grant.purchases = [Purchase(f"{commit.id}/{i}", terms.ms(p.at), minor(p.amount, places)) for i, p in enumerate(commit.invoice)]
            grant.cost_free = not any(p.amount for p in grant.purchases)
        else:
            grant.cost_free = False
            grant.purchases = [Purchase(commit.id, terms.ms(p.at), minor(p.amount, places)) for p in commit.invoice]
        found.append(grant)
    for credit in document.credits:
        grant = GrantTerms(terms, credit, "credit")
        grant._segments = access(terms, credit.access)
        found.append(grant)
    for recurring in document.recurring_credits:
        grant = GrantTerms(terms, recurring, "credit")
        grant._more = recurring_segments(terms, recurring)
        found.append(grant)
    for commit_again in document.recurring_commits:
        grant = GrantTerms(terms, commit_again, "prepaid")
        grant._more = recurring_segments(terms, commit_again)
        grant.cost_free = not commit_again.invoice_amount
        found.append(grant)
    return found


def access(terms: "ContractTerms", segments: list[d.Access]) -> list[Segment]:
    return [
        Segment(i, terms.ms(s.starting_at), terms.ms(s.ending_before) if s.ending_before else FOREVER, minor(s.amount, terms.places))
        for i, s in enumerate(segments)
    ]


def recurring_periods(terms: "ContractTerms", document: d.RecurringGrant) -> Iterator[tuple[int, Span, Span, Grid, int]]:
    """(number, part, whole period, grid, end of validity) of each grant."""
    billing = terms.document.billing
    rhythm = grid(document.every, billing.anchor, billing.timezone, terms.start)
    start = max(terms.start, terms.ms(document.starting_at)) if document.starting_at else terms.start
    end = min(terms.end, terms.ms(document.ending_before)) if document.ending_before else terms.end
    for number, (part, whole) in enumerate(rhythm.spans(start, end)):
        yield number, part, whole, rhythm, rhythm.edge(rhythm.index(whole.start) + document.valid_periods)


def share_of(document: d.RecurringGrant, number: int, part: Span, whole: Span, rhythm: Grid) -> Decimal | object:
    """The share of the amount that a partial first or last period gets."""
    first = number == 0 and part.start > whole.start and document.proration in ("first", "first_and_last")
    last = part.end < whole.end and document.proration in ("last", "first_and_last")
    granted = Span(part.start if first else whole.start, part.end if last else whole.end)
    return rhythm.share(granted, whole)


def recurring_segments(terms: "ContractTerms", document: d.RecurringGrant) -> Iterator[Segment]:
    for number, part, whole, rhythm, until in recurring_periods(terms, document):
        share = share_of(document, number, part, whole, rhythm)
        yield Segment(number, part.start, until, prorate(document.amount, share.numerator, share.denominator, terms.places))  # type: ignore[attr-defined]
