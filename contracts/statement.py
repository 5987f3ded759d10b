"""The open invoice of a billing period: its lines before grants pay, rebuilt in parts as usage arrives."""

from bisect import bisect_left, insort_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.adjustments import adjust, adjusted
from contracts.family import Family
from contracts.lines import Context, Counted, LineOrder, Printed, UsageLine
from contracts.offers import Window
from contracts.series import Carry, Series
from contracts.terms import ContractTerms, ProductTerms
from contracts.timeline import Span
from contracts.usage_book import SeriesBook, UsageBook
from contracts.usage_lines import Line, Run, priced, runs
from contracts.windows import Aggregate, GroupKey, Products

__all__ = ["Section", "Statement"]

GROUP_BYTES = 1_500
WINDOW_BYTES = 250
LINE_BYTES = 1_500
"""Of a group, a window of its series and a line, as measured."""
GroupOf = tuple[str, str, GroupKey]
"""Contract (of late usage with the start of its period), product, group."""
Order = tuple[object, ...]


class Section(NamedTuple):
    """A contract whose lines stand on the statement, with its part of the period and the whole period."""

    terms: ContractTerms
    span: Span
    whole: Span
    mark: str
    """Empty for the contract that is billed itself."""


class Group:
    """A product and group of a section: its windows, and the lines of each as they were last priced."""

    __slots__ = ("context", "lines", "seen", "series", "windows")

    def __init__(self, context: Context, series: Series, windows: list[Window]) -> None:
        self.context = context
        self.series = series
        self.windows = windows
        self.seen: list[object] = [None] * len(windows)
        self.lines: list[list[Line]] = [[] for _ in windows]

    def runs(self, now: int) -> tuple[list[Run | None], int]:
        """(what each window holds, quantity of the period)."""
        series, scale = self.series, self.context.product.scale
        edges = [scale.billed(series.at(window.end, now)) for window in self.windows]
        used = [series.used(window.start, window.end) for window in self.windows]
        return runs(self.windows, edges, used, always=not self.context.product.keys), edges[-1]

    def refresh(self, now: int, counted: Counted, gone: list[Line], come: list[Line]) -> None:
        """Price the windows in which something is other than before; their lines go, others come."""
        found, total = self.runs(now)
        for number, (window, run) in enumerate(zip(self.windows, found, strict=True)):
            offer = window.offer
            state: object = run if offer is None or not offer.by_total else (run, total)
            if state == self.seen[number]:
                continue
            self.seen[number] = state
            before = self.lines[number]
            after = self.lines[number] = [] if run is None else list(priced(self.context, window, run, total, counted))
            for old, new in zip(before, after, strict=False):
                new.parts = old.parts
            gone += before
            come += after


class Statement:
    """Lines in line order (`lines`) and cuts by maximums and discounts (`cuts`). `Settlement` draws the lines."""

    def __init__(self, family: Family, book: UsageBook, payer: ContractTerms, span: Span, whole: Span, *, correction: bool) -> None:
        self.family = family
        self.payer = payer
        self.span = span
        self.whole = whole
        self.correction = correction
        """Behind the contract's end: nothing but late usage."""
        self.sections: list[Section] = []
        if not correction:
            for terms in family.paid_by[payer.id]:
                part = Span(max(span.start, terms.start), min(span.end, terms.end))
                if part.start < part.end:
                    self.sections.append(Section(terms, part, whole, "" if terms is payer else terms.id))
        self.late: dict[int, Span] = {}
        """Periods with late usage that this one bills, by start."""
        self.closing = False
        """No usage comes any more."""
        self.lines: list[Line] = []
        self.cuts: list[Printed] = []
        self.falls = False
        """Some line is negative."""
        self.stale = True
        self._book = book
        self._series: dict[tuple[str, str], SeriesBook] = {}
        self._groups: dict[GroupOf, Group] | None = None
        self._late_lines: list[Line] = []
        self._dirty: set[GroupOf] = set()
        """Groups to price again."""
        self._counted: dict[str, Counted] = {}
        self._counts: list[tuple[Counted, Counted]] = []
        """Counts of tiered overrides, with what pricing counted: draws count on from there."""
        self._tiered = any(terms.tiered for terms in family.paid_by[payer.id])
        self._adjusted = any(adjusted(section.terms) for section in self.sections)
        self.drawing = any(family.grants[terms.id] for terms in family.paid_by[payer.id])
        """There are grants that could pay a line."""
        self._gauges = [(s.terms.id, p.id) for s in self.sections for p in s.terms.card.metered if p.kind == "time_weighted"]

    def add(self, terms: ContractTerms, product: ProductTerms, key: GroupKey, window: int, aggregate: Aggregate) -> None:
        """Usage that arrived in the period; the windows have it already."""
        self.stale = True
        name = (terms.id, product.id, key)
        group = None if self._groups is None else self._groups.get(name)
        if group is None:
            self._series.pop((terms.id, product.id), None)
            self._groups = None
        else:
            group.series.add(window, aggregate)
            self._dirty.add(name)

    def carried(self, customer: str | None, product: str, window: int) -> None:
        """Usage of a product came in a window, in time or late: what it carries into this period, or into one whose late usage this bills, may be other now.

        `customer`: whose; none: some id's in a time without a contract.
        """
        for terms in self.family.paid_by[self.payer.id]:
            if (customer is not None and terms.customer != customer) or product not in terms.card.products or not terms.card.products[product].carry:
                continue
            # A contract may start within the period: what its customer used under the one before carries into it.
            if any(section.terms is terms and section.span.start > window for section in self.sections):
                self._series.pop((terms.id, product), None)
                self.forget()
            if self.late:
                self.forget()

    def reread(self, products: Products) -> None:
        """The windows of these products are other ones; those of the others, and what they come to, are as they were."""
        self.stale = True
        if self.late:
            self._groups = None
        for section in self.sections:
            mine = products.get(section.terms.document.catalogue, ())
            for product in section.terms.card.metered:
                if product.id in mine and self._series.pop((section.terms.id, product.id), None) is not None:
                    self._change(section, product)

    def _change(self, section: Section, product: ProductTerms) -> None:
        """Price a product anew from the windows; where its groups are other ones, everything."""
        name = (section.terms.id, product.id)
        book = {} if self._groups is None else self._book_of(section, product)
        if self._groups is None or {key for *of, key in self._groups if (*of,) == name} != book.keys():
            self._groups = None
            return
        for key, series in book.items():
            self._groups[*name, key].series = series
            self._dirty.add((*name, key))

    @property
    def gauges(self) -> bool:
        """Whether there could be a gauge whose value counts by the hours it is held."""
        return bool(self._gauges)

    @property
    def held(self) -> bool:
        """Whether there is such a gauge (known when the statement is built)."""
        return any(series.starts or series.carry.point for name in self._gauges for series in self._series.get(name, {}).values())

    def tick(self) -> None:
        """The clock moved: values that are held have been held longer; the period may have ended."""
        if self._groups is not None:
            for name in self._gauges:
                self._dirty.update(group for key in self._series.get(name, {}) if (group := (*name, key)) in self._groups)
        self.stale = self.stale or bool(self._dirty) or self._adjusted

    def forget(self) -> None:
        """Price everything again, late usage too."""
        self.stale = True
        self._groups = None

    def refresh(self, now: int) -> int:
        """Bring lines up to the clock. The number of the first line from which on draws must be made again comes back; those are undrawn."""
        self.stale = False
        gone: list[Line] = []
        come: list[Line] = []
        whole = self._groups is None or self._tiered
        if whole:
            self._build(now)
        else:
            groups = self._groups or {}
            for name in self._dirty:
                groups[name].refresh(now, self._counted.setdefault(name[0], {}), gone, come)
            # A fall stays one when others change: what grants may pay beside it depends on all of them.
            whole = (self.falls and bool(gone or come)) or any(line.amount < 0 for line in come)
        self._dirty.clear()
        if whole or self._adjusted:
            for line in self.lines:
                line.undraw()
            self.lines = self._priced()
            for line in self.lines:
                line.undraw()
                line.reduced = 0
            self.cuts = adjust(self, now)
            self.lines.sort(key=_order)
            self.falls = any(line.amount < 0 for line in self.lines)
            return 0
        first = self._exchange(gone, come)
        if self.drawing:
            for line in self.lines[first:]:
                line.undraw()
        return first

    def _exchange(self, gone: Sequence[Line], come: Sequence[Line]) -> int:
        """Some lines go, others come: the place of the first comes back. Lines that are alike in the line order are of one window, and go and come together."""
        lines = self.lines
        for line in gone:
            line.undraw()
            place = bisect_left(lines, line.order, key=_order)
            while lines[place] is not line:
                place += 1
            del lines[place]
        for line in come:
            insort_right(lines, line, key=_order)
        changed = [line.order for line in (*gone, *come)]
        return bisect_left(lines, min(changed), key=_order) if changed else len(lines)

    def undraw(self) -> None:
        """Give back what grants paid, and what tiered overrides counted for it."""
        for line in self.lines if self.drawing else ():
            line.undraw()
        for counted, before in self._counts:
            counted.clear()
            counted.update(before)

    def size(self) -> int:
        """About how many bytes it takes in memory."""
        groups = self._groups or {}
        return sum(GROUP_BYTES + WINDOW_BYTES * len(group.series.starts) + LINE_BYTES * len(group.lines) for group in groups.values())

    def printed(self) -> list[Printed]:
        """The lines of the invoice after the draws."""
        return [part for line in self.lines for part in line.printed()] + self.cuts

    def total(self) -> int:
        """What is due, in minor units."""
        return sum(part.amount for part in self.printed())

    def spend(self, terms: ContractTerms) -> int:
        """Usage at list prices and overrides, before commits and credits, in minor units: of a contract, or of all that the billed one pays for."""
        return sum(line.amount for line in self.lines if line.kind in ("usage", "composite") and (terms is self.payer or line.terms is terms))

    def metered(self, terms: ContractTerms, metric: str, now: int) -> int:
        """A metric's raw value in the period (atoms)."""
        section = next((section for section in self.sections if section.terms is terms), None)
        return 0 if section is None else self._book.metric(terms, metric, section.span, now)

    def series_of(self, line: Line) -> Series | None:
        """The running values behind a usage line."""
        return None if line.product is None else self._series.get((line.terms.id, line.product.id), {}).get(line.key)

    def chunks(self, line: Line) -> list[tuple[int, int]]:
        """(time of the earliest event, running quantity behind the window) of each window of a usage line: what draws in event order."""
        product = line.product
        if product is None or line.kind != "usage":
            return []
        series = self.series_of(line)
        if series is None:
            return []
        return [(series.parts[w].first_ms, product.scale.billed(series.at(w + 1, w + 1))) for w in series.inside(*line.span)]

    def _build(self, now: int) -> None:
        groups: dict[GroupOf, Group] = {}
        self._counted = {}
        work: list[tuple[Order, Group, int, Run, int]] = []
        for section in self.sections:
            terms = section.terms
            for product in terms.card.metered:
                for key, series in self._book_of(section, product).items():
                    windows = self.family.offers(terms, product, key, section.span)
                    group = groups[terms.id, product.id, key] = Group(Context(terms, product, key, "usage", section.mark), series, windows)
                    if not self._tiered:
                        group.refresh(now, self._counted.setdefault(terms.id, {}), [], [])
                        continue
                    found, total = group.runs(now)
                    for number, run in enumerate(found):
                        if run is not None:
                            start = windows[number].start
                            order = (section.mark, start, -_list_price(windows[number], run, total), product.name, product.id, key)
                            work.append((order, group, number, run, total))
        work.sort(key=lambda item: item[0])
        for _, group, number, run, total in work:
            counted = self._counted.setdefault(group.context.terms.id, {})
            group.lines[number] = list(priced(group.context, group.windows[number], run, total, counted))
        self._groups = groups
        self._late_lines = list(self._corrections())
        counts = {id(line.counted): line.counted for line in self._priced() if isinstance(line, UsageLine)} if self._tiered else {}
        self._counts = [(counted, dict(counted)) for counted in counts.values()]

    def _priced(self) -> list[Line]:
        groups = self._groups or {}
        return [line for group in groups.values() for lines in group.lines for line in lines] + self._late_lines

    def _book_of(self, section: Section, product: ProductTerms) -> SeriesBook:
        """The product's usage by group; a product without group keys has its one group also without usage."""
        name = (section.terms.id, product.id)
        book = self._series.get(name)
        if book is None:
            book = self._series[name] = self._book.period(section.terms, product, section.span)
        if not book and not product.keys:
            book[()] = Series(product.kind, section.span.start)
        return dict(sorted(book.items())) if len(book) > 1 else book

    def _corrections(self) -> Iterable[Line]:
        """Late usage: priced at its event time, behind what the period has been billed so far."""
        for start, span in sorted(self.late.items()):
            for terms in self.family.paid_by[self.payer.id]:
                part = Span(max(span.start, terms.start), min(span.end, terms.end))
                if part.start >= part.end:
                    continue
                mark = f"{'' if terms is self.payer else terms.id}@{start}"
                counted: Counted = {}
                for product in terms.card.metered:
                    for key, late in self._book.late(terms, product, part, self.span.start).items():
                        windows = self.family.offers(terms, product, key, part)
                        scale = product.scale
                        billed = scale.billed(late.before.at(part.end, part.end))
                        edges = [billed + scale.billed(late.after.at(w.end, w.end)) - scale.billed(late.before.at(w.end, w.end)) for w in windows]
                        used = [edge != before for edge, before in zip(edges, [billed, *edges], strict=False)]
                        context = Context(terms, product, key, "correction", mark)
                        fresh = not late.before.starts
                        # A final invoice has the first tier's flat of each product without group keys, and of each group that was carried into it.
                        first = fresh and bool(product.keys) and late.before.carry == Carry()
                        for window, run in zip(windows, runs(windows, edges, used, start=billed, first=first, fresh=fresh), strict=True):
                            if run is not None:
                                yield from priced(context, window, run, edges[-1], counted)


def _order(line: Line) -> LineOrder:
    return line.order


def _list_price(window: Window, run: Run, total: int) -> Fraction:
    """The dearest unit at the list price: what orders the lines that tiered overrides count."""
    model = window.offer.tariff.listed if window.offer is not None else None
    if model is None:
        return Fraction(0)
    return max((unit.price for _, unit in model.pieces(model.align(run.start), model.align(run.end), model.align(total))), default=Fraction(0))
