"""What one invoice of a period charges for, before grants pay: usage, composite products, subscriptions in arrears, bounds, discounts."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.contract import Subscription
from contracts.family import Family
from contracts.lines import Counted, FixedLine, Printed, UsageLine
from contracts.money import largest_remainder, minor, quotient
from contracts.offers import Window, covering
from contracts.prices.percentage import PercentagePrice
from contracts.series import Series
from contracts.subscriptions import Due, dues
from contracts.terms import BoundTerms, ContractTerms, DiscountTerms, ProductTerms
from contracts.timeline import Span
from contracts.usage_book import SeriesBook, UsageBook
from contracts.usage_lines import Run, priced, runs
from contracts.windows import Aggregate, GroupKey

__all__ = ["Line", "Section", "Statement"]

Line = UsageLine | FixedLine
GroupOf = tuple[str, str, GroupKey]
"""Contract, product, group."""


class Section(NamedTuple):
    """A contract whose lines stand on the statement, with its part of the period and the whole period."""

    terms: ContractTerms
    span: Span
    whole: Span
    mark: str
    """Empty for the contract that is billed itself."""


class Statement:
    """The open invoice of one billing period. Rebuilt in parts: only groups with new usage are priced again."""

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
        self.lines: list[Line] = []
        """In line order (rating rules, 4.2)."""
        self.cuts: list[Printed] = []
        """Maximums and discounts."""
        self._gauges = [(s.terms.id, p.id) for s in self.sections for p in s.terms.card.metered if p.kind == "time_weighted"]
        self.closing = False
        """No usage comes any more."""
        self._book = book
        self._series: dict[tuple[str, str], SeriesBook] = {}
        self._groups: dict[GroupOf, list[Line]] = {}
        self._dirty: set[GroupOf] | None = None
        """Groups to price again; none: all."""
        self._tiered = any(section.terms.tiered for section in self.sections)

    def add(self, terms: ContractTerms, product: ProductTerms, key: GroupKey, window: int, aggregate: Aggregate) -> None:
        """Usage that arrived in the period; the windows have it already."""
        if self._dirty is not None:
            self._dirty.add((terms.id, product.id, key))
        book = self._series.get((terms.id, product.id))
        if book is None:
            return
        series = book.get(key)
        if series is None:
            self._series.pop((terms.id, product.id))
        else:
            series.add(window, aggregate)

    @property
    def gauges(self) -> bool:
        """Whether there could be such a gauge."""
        return bool(self._gauges)

    def forget(self) -> None:
        """Price everything again, late usage too."""
        self._dirty = None

    def carried(self, customer: str, product: str) -> None:
        """Earlier usage of a product came: what it carries into this period may be other now."""
        for section in self.sections:
            terms = section.terms
            if terms.customer == customer and product in terms.card.products and terms.card.products[product].carry:
                self._series.pop((terms.id, product), None)
                self.forget()

    @property
    def held(self) -> bool:
        """Whether there is a gauge whose value counts by the hours it is held (known when the statement is built)."""
        return any(series.kind == "time_weighted" for contract, product in self._gauges for series in self._series.get((contract, product), {}).values())

    def tick(self) -> bool:
        """The clock moved: values that are held have been held longer. Whether anything may have changed."""
        if not self.held:
            return False
        if self._dirty is not None:
            for name in self._gauges:
                self._dirty.update((*name, key) for key in self._series.get(name, {}))
        return True

    def build(self, now: int) -> None:
        """Lines and reductions as of the clock; nothing is drawn yet."""
        if self._dirty is None or self._tiered:
            self._groups = {}
            for section in self.sections:
                for product in section.terms.card.metered:
                    for key in self._keys(section, product):
                        self._groups[section.terms.id, product.id, key] = []
            self._price(self._groups, now)
            self._price_late()
        elif self._dirty:
            for group in self._dirty:
                self._groups.setdefault(group, [])
            self._price(self._dirty, now)
        self._dirty = set()
        self.lines = [line for lines in self._groups.values() for line in lines]
        for line in self.lines:
            line.reset()
        self._net_negatives()
        self._adjust(now)
        self.lines.sort(key=lambda line: line.order)

    def chunks(self, line: Line) -> list[tuple[int, int]]:
        """(time of the earliest event, running quantity behind the window) of each window of a usage line: what draws in event order."""
        if isinstance(line, FixedLine) or line.kind == "correction":
            return []
        series = self._series[line.terms.id, line.product.id][line.key]
        scale = line.product.scale
        return [(series.parts[w].first_ms, scale.billed(series.at(w + 1, w + 1))) for w in series.inside(*line.span)]

    def printed(self) -> list[Printed]:
        """The lines of the invoice after the draws."""
        return [part for line in self.lines for part in line.printed()] + self.cuts

    def total(self) -> int:
        """What is due, in minor units."""
        return sum(part.amount for part in self.printed())

    def spend(self, terms: ContractTerms) -> int:
        """Usage of a contract at its list prices and overrides, before commits and credits, in minor units."""
        return sum(line.amount for line in self.lines if line.terms is terms and line.kind in ("usage", "composite"))

    def metered(self, terms: ContractTerms, metric: str, now: int) -> int:
        """A metric's raw value in the period (atoms)."""
        section = next((section for section in self.sections if section.terms is terms), None)
        return 0 if section is None else self._book.metric(terms, metric, section.span, now)

    def _keys(self, section: Section, product: ProductTerms) -> list[GroupKey]:
        book = self._series.get((section.terms.id, product.id))
        if book is None:
            book = self._series[section.terms.id, product.id] = self._book.period(section.terms, product, section.span)
        keys = sorted(book)
        return keys if keys or product.keys else [()]

    def _price(self, groups: Iterable[GroupOf], now: int) -> None:
        work: list[tuple[GroupOf, Section, ProductTerms, Run, int]] = []
        for section in self.sections:
            terms = section.terms
            for group in sorted(g for g in groups if g[0] == terms.id):
                product = terms.card.products[group[1]]
                self._groups[group] = []
                for run, total in self._runs(section, product, group[2], now):
                    work.append((group, section, product, run, total))
        if self._tiered:
            work.sort(key=lambda item: (item[1].mark, item[3].window.start, -_list_price(item[3]), item[2].name, item[2].id, item[0][2]))
        counted: dict[str, Counted] = {}
        for group, section, product, run, total in work:
            count = counted.setdefault(section.terms.id, {})
            self._groups[group] += priced(section.terms, product, group[2], run, total, count, kind="usage", mark=section.mark)

    def _runs(self, section: Section, product: ProductTerms, key: GroupKey, now: int) -> list[tuple[Run, int]]:
        terms, span = section.terms, section.span
        book = self._series.get((terms.id, product.id))
        if book is None:
            book = self._series[terms.id, product.id] = self._book.period(terms, product, span)
        series = book.get(key) or Series(product.kind, span.start)
        windows = self.family.offers(terms, product, key, span)
        scale = product.scale
        edges = [scale.billed(series.at(window.end, now)) for window in windows]
        used = [series.used(window.start, window.end) for window in windows]
        return [(run, edges[-1]) for run in runs(windows, edges, used, always=not product.keys) if run.shown or _has_flats(run)]

    def _price_late(self) -> None:
        """Correction lines: priced at their event time, behind what the period has been billed so far."""
        for start, span in sorted(self.late.items()):
            for terms in self.family.paid_by[self.payer.id]:
                part = Span(max(span.start, terms.start), min(span.end, terms.end))
                if part.start >= part.end:
                    continue
                mark = f"{'' if terms is self.payer else terms.id}@{start}"
                for product in terms.card.metered:
                    for key, late in self._book.late(terms, product, part, self.span.start).items():
                        windows = self.family.offers(terms, product, key, part)
                        scale = product.scale
                        billed = scale.billed(late.before.at(part.end, part.end))
                        edges = [
                            billed + scale.billed(late.after.at(w.end, w.end)) - scale.billed(late.before.at(w.end, w.end)) for w in windows
                        ]
                        used = [edge != before for edge, before in zip(edges, [billed, *edges], strict=False)]
                        lines: list[Line] = []
                        counted: Counted = {}
                        for run in runs(windows, edges, used, start=billed, flats=not late.before.starts):
                            if run.shown:
                                lines += priced(terms, product, key, run, edges[-1], counted, kind="correction", mark=mark)
                        self._groups[f"{terms.id}@{start}", product.id, key] = lines

    def _net_negatives(self) -> None:
        """A grant pays at most the net charge of a product and group: what a falling quantity takes back is taken off the lines before it."""
        for lines in self._groups.values():
            back = -sum(line.amount for line in lines if line.amount < 0)
            if back:
                for line in sorted((line for line in lines if line.amount > 0), key=lambda line: line.span, reverse=True):
                    line.reduced = min(back, line.amount)
                    back -= line.reduced

    def _adjust(self, now: int) -> None:
        self.cuts = []
        for section in self.sections:
            self._composites(section)
            self._arrears(section)
        for section in reversed(self.sections):
            lines = [line for line in self.lines if line.kind != "correction" and (section.terms is self.payer or line.terms is section.terms)]
            self._bounds(section, lines, closing=self.closing or now >= self.span.end)
            self._discounts(section, [line for line in self.lines if line.kind != "correction" and (section.terms is self.payer or line.terms is section.terms)])

    def _composites(self, section: Section) -> None:
        terms = section.terms
        for product in terms.card.composites:
            if product.of is None:
                continue
            targets = (terms.card.targets(product.of.products, product.of.tags) or frozenset()) - {product.id}
            windows = _joined(self.family.offers(terms, product, (), section.span))
            for number, (start, end, offer) in enumerate(windows):
                assert offer is not None  # noqa: S101  # others are left out above
                model, override, _ = offer.tariff.next({})
                base = sum(
                    line.amount for line in self.lines if line.terms is terms and line.product is not None and line.product.id in targets
                    and line.kind != "correction" and start <= line.span[0] < end
                )  # fmt: skip
                if not isinstance(model, PercentagePrice):
                    continue
                share = _Share(base, number == len(windows) - 1)
                amount = share.amount(model)
                at_minimum = amount != model.share(base)
                self.lines.append(
                    FixedLine(
                        terms, product, (), (start, end), offer.pays, kind="composite", rank=2, amount=amount,
                        quantity=None if at_minimum else quotient(base, 10**terms.places), price=None if at_minimum else model.rate,
                        override=override.id if override else None, mark=section.mark, under=share.amount,
                    )
                )  # fmt: skip

    def _arrears(self, section: Section) -> None:
        terms = section.terms
        for document in terms.document.subscriptions:
            if document.collect != "arrears":
                continue
            product = terms.card.products.get(document.product)
            for due, end in _ending(terms, document, section.span):
                pays = covering(product, {}, due.start, self.family.grants[terms.id])
                self.lines.append(
                    FixedLine(
                        terms, product, (), (due.start, end), pays, kind="subscription", rank=1, amount=due.amount,
                        quantity=quotient(*due.quantity.as_integer_ratio()), price=due.price, mark=f"{section.mark}{due.name}",
                    )
                )  # fmt: skip

    def _bounds(self, section: Section, lines: list[Line], *, closing: bool) -> None:
        terms = section.terms
        share = terms.grid.share(section.span, section.whole)
        for bound in terms.maximums:
            chosen = _of(lines, bound)
            most = minor(Fraction(bound.amount) * share, terms.places)
            over = sum(line.net for line in chosen if line.net > 0) - most
            if over > 0:
                self._reduce(chosen, over)
                self.cuts.append(_cut("maximum", None, (), section.span, -over, section.mark))
        if closing:
            for bound in sorted(terms.minimums, key=lambda b: b.products is None):
                least = minor(Fraction(bound.amount) * share, terms.places)
                missing = least - sum(line.net for line in _of(lines, bound) if line.net > 0)
                if missing > 0:
                    pays = covering(None, {}, section.span.start, self.family.grants[terms.id])
                    line = FixedLine(terms, None, (), section.span, pays, kind="minimum", rank=3, amount=missing, mark=section.mark)
                    self.lines.append(line)
                    lines.append(line)

    def _discounts(self, section: Section, lines: list[Line]) -> None:
        terms = section.terms
        found = [x for x in terms.discounts if x.start <= self.span.start < x.end]
        for discount in sorted(found, key=lambda x: x.percent is None):
            chosen = [line for line in _of(lines, discount) if line.net > 0]
            chosen.sort(key=lambda line: (line.product is None, line.product.id if line.product else "", line.key, line.span, line.order[-1], line.mark))
            whole = sum(line.net for line in chosen)
            if discount.percent is not None:
                off = minor(Fraction(whole) * Fraction(discount.percent) / 100, 0)
            else:
                off = min(whole, minor(Fraction(discount.amount or Decimal(0)), terms.places))
            for line, part in zip(chosen, self._reduce(chosen, off), strict=True):
                if part:
                    product = line.product.id if line.product else None
                    self.cuts.append(_cut("discount", product, line.key, line.span, -part, f"{section.mark}{discount.id}/{line.mark}/{line.kind}"))

    def _reduce(self, lines: list[Line], amount: int) -> list[int]:
        parts = largest_remainder(amount, [max(0, line.net) for line in lines])
        for line, part in zip(lines, parts, strict=True):
            line.reduced += part
        return parts


class _Share(NamedTuple):
    """A composite product's price of a base; the minimum counts in the last window of its price."""

    base: int
    last: bool

    def amount(self, model: object) -> int:
        if not isinstance(model, PercentagePrice):
            return 0
        share = model.share(self.base)
        return max(share, model.minimum) if self.last else share


def _has_flats(run: Run) -> bool:
    return run.first or run.used


def _list_price(run: Run) -> Fraction:
    """Before tiered overrides are counted: what orders the lines that they count."""
    offer = run.window.offer
    unit = offer.tariff.next({})[0].first_unit() if offer is not None else None
    return Fraction(0) if unit is None else unit.price


def _joined(windows: Iterable[Window]) -> list[Window]:
    """Windows of a composite product: cut where its own price changes, not where grants come and go; a line belongs to the grants of its start."""
    found: list[Window] = []
    for window in windows:
        last = found[-1] if found else None
        if window.offer is None:
            continue
        if last is not None and last.offer is not None and last.end == window.start and last.offer.tariff.same(window.offer.tariff):
            found[-1] = Window(last.start, window.end, last.offer)
        else:
            found.append(window)
    return found


def _of(lines: Iterable[Line], target: BoundTerms | DiscountTerms) -> list[Line]:
    return [line for line in lines if target.products is None or (line.product is not None and line.product.id in target.products)]


def _cut(kind: str, product: str | None, key: GroupKey, span: tuple[int, int], amount: int, mark: str) -> Printed:
    return Printed(kind, product, key, span[0], span[1], None, None, None, amount, None, None, mark)


def _ending(terms: ContractTerms, document: Subscription, span: Span) -> Iterable[tuple[Due, int]]:
    """What ends in a period: its arrears."""
    for due in dues(terms, document):
        if due.start >= span.end:
            return
        if span.start < due.end <= span.end:
            yield due, due.end
