"""The usage of a family by contract and period, read from the windows: series of running values, what carries over, what came late."""

from collections.abc import Iterator
from typing import NamedTuple

from contracts.family import Family
from contracts.series import Carry, Series
from contracts.terms import ContractTerms, ProductTerms
from contracts.timeline import Span
from contracts.usage import Point
from contracts.windows import DROPPED, IN_TIME, Aggregate, GroupKey, Windows

__all__ = ["Late", "SeriesBook", "UsageBook"]

SeriesBook = dict[GroupKey, Series]


class Late(NamedTuple):
    """Usage of a final period that a later one bills: what was billed before, and that with the late usage."""

    before: Series
    after: Series


class UsageBook:
    """Reads the windows for one version of the family's documents."""

    def __init__(self, family: Family, windows: Windows) -> None:
        self._family = family
        self._windows = windows

    def period(self, terms: ContractTerms, product: ProductTerms, span: Span) -> SeriesBook:
        """The usage that a period bills itself, by group."""
        found: SeriesBook = {}
        for key, window, tag, aggregate in self._entries(terms, product, span):
            if tag == IN_TIME:
                self._series(found, terms, product, key, span).add(window, aggregate)
        if product.carry:
            for key in self._carried_groups(terms, product, span.start):
                self._series(found, terms, product, key, span)
        return found

    def late(self, terms: ContractTerms, product: ProductTerms, span: Span, tag: int) -> dict[GroupKey, Late]:
        """The late usage of a period that the period starting at `tag` bills, by group."""
        before: SeriesBook = {}
        after: SeriesBook = {}
        touched: set[GroupKey] = set()
        for key, window, billed, aggregate in self._entries(terms, product, span):
            if billed != DROPPED and billed <= tag:
                self._series(after, terms, product, key, span).add(window, aggregate)
                if billed < tag:
                    self._series(before, terms, product, key, span).add(window, aggregate)
                else:
                    touched.add(key)
        return {key: Late(self._series(before, terms, product, key, span), after[key]) for key in sorted(touched)}

    def metric(self, terms: ContractTerms, metric: str, span: Span, now: int) -> int:
        """A metric's raw value in a period (atoms), over all groups: of the product that sees all of it, else of all its views together."""
        views = [p for p in terms.card.metered if p.metric == metric]
        whole = [p for p in views if not p.filtered]
        found = [series for product in whole[:1] or views for series in self.period(terms, product, span).values()]
        if not found or found[0].kind in ("time_weighted", "sum", "count"):
            return sum(series.at(span.end, now) for series in found)
        points = [series.carry.point for series in found if series.carry.point is not None]
        total = Series(found[0].kind, span.start, Carry(max(points, default=None), frozenset().union(*(series.carry.members for series in found))))
        for series in found:
            for window, part in series.parts.items():
                total.add(window, part)
        return total.at(span.end, now)

    def _entries(self, terms: ContractTerms, product: ProductTerms, span: Span) -> Iterator[tuple[GroupKey, int, int, Aggregate]]:
        """(product's group, window, tag, aggregate) of the usage that is the contract's."""
        family = self._family
        alone = len(family.by_customer[terms.customer]) == 1
        catalogue = terms.document.catalogue
        for customer in family.ids_of(terms.customer):
            for raw, window, tag, aggregate in self._windows.each((customer, catalogue, product.id), span.start, span.end):
                if alone and terms.document.usage_filter is None:
                    if not terms.start <= window < terms.end:
                        continue
                elif family.owner(customer, dict(raw), catalogue, window) is not terms:
                    continue
                yield product.group(raw), window, tag, aggregate

    def _series(self, book: SeriesBook, terms: ContractTerms, product: ProductTerms, key: GroupKey, span: Span) -> Series:
        series = book.get(key)
        if series is None:
            carry = self._carry(terms, product, key, span.start) if product.carry else Carry()
            series = book[key] = Series(product.kind, span.start, carry)
        return series

    def _before(self, terms: ContractTerms, product: ProductTerms, start: int) -> Iterator[tuple[GroupKey, Aggregate]]:
        """Usage before an instant, the latest day first. A value holds on from one contract of a customer to the next: it is routed as usage now."""
        catalogue = terms.document.catalogue
        for customer in self._family.ids_of(terms.customer):
            for day in self._windows.back((customer, catalogue, product.id), start):
                for raw, _, tag, aggregate in day:
                    if tag != DROPPED and self._family.owner(customer, dict(raw), catalogue, start) is terms:
                        yield product.group(raw), aggregate

    def _carried_groups(self, terms: ContractTerms, product: ProductTerms, start: int) -> set[GroupKey]:
        return {key for key, _ in self._before(terms, product, start)}

    def _carry(self, terms: ContractTerms, product: ProductTerms, key: GroupKey, start: int) -> Carry:
        point: Point | None = None
        members: set[str] = set()
        for group, aggregate in self._before(terms, product, start):
            if group == key:
                members |= aggregate.members
                for each in aggregate.points:
                    if point is None or each > point:
                        point = each
        return Carry(point, frozenset(members))
