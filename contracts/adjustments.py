"""What is added to the usage of a period before grants pay: composite products, subscriptions in arrears, bounds, discounts."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from contracts.contract import Subscription
from contracts.lines import FixedLine, Printed
from contracts.money import largest_remainder, minor, quotient
from contracts.offers import Window, covering
from contracts.prices.percentage import PercentagePrice
from contracts.subscriptions import Due, dues
from contracts.terms import BoundTerms, ContractTerms, DiscountTerms
from contracts.timeline import Span
from contracts.usage_lines import Line
from contracts.windows import GroupKey

if TYPE_CHECKING:
    from contracts.statement import Section, Statement

__all__ = ["adjust", "adjusted"]


def adjusted(terms: ContractTerms) -> bool:
    """Whether a contract adds anything to its usage."""
    return bool(terms.card.composites or terms.minimums or terms.maximums or terms.discounts or terms.document.subscriptions)


def adjust(statement: "Statement", now: int) -> list[Printed]:
    """Append to the statement's lines what comes on top of usage, and reduce them; maximums and discounts come back as lines of their own."""
    cuts: list[Printed] = []
    for section in statement.sections:
        _composites(statement, section)
        _arrears(statement, section)
    for section in reversed(statement.sections):
        own = section.terms is not statement.payer
        lines = [line for line in statement.lines if line.kind != "correction" and (not own or line.terms is section.terms)]
        cuts += _maximums(section, lines)
        if statement.closing or now >= statement.span.end:
            for line in _minimums(statement, section, lines):
                statement.lines.append(line)
                lines.append(line)
        cuts += _discounts(section, statement.span, lines)
    return cuts


def _composites(statement: "Statement", section: "Section") -> None:
    terms = section.terms
    for product in terms.card.composites:
        if product.of is None:
            continue
        targets = (terms.card.targets(product.of.products, product.of.tags) or frozenset()) - {product.id}
        windows = _joined(statement.family.offers(terms, product, (), section.span))
        for number, (start, end, offer) in enumerate(windows):
            assert offer is not None  # noqa: S101  # `_joined` leaves others out
            model, override, _ = offer.tariff.next({})
            if not isinstance(model, PercentagePrice):
                continue
            base = sum(
                line.amount for line in statement.lines
                if line.terms is terms and line.product is not None and line.product.id in targets and line.kind != "correction" and start <= line.span[0] < end
            )  # fmt: skip
            share = _Share(base, number == len(windows) - 1)
            amount = share.amount(model)
            floor = amount != model.share(base)
            statement.lines.append(
                FixedLine(
                    terms, product, (), (start, end), offer.pays, kind="composite", rank=2, amount=amount,
                    quantity=None if floor else quotient(base, 10**terms.places), price=None if floor else model.rate,
                    override=override.id if override else None, mark=section.mark, exact=share.under(model)[0], under=share.under,
                )
            )  # fmt: skip


def _arrears(statement: "Statement", section: "Section") -> None:
    terms = section.terms
    for document in terms.document.subscriptions:
        if document.collect != "arrears":
            continue
        product = terms.card.products.get(document.product)
        for due in _ending(terms, document, section.span):
            pays = covering(product, {}, due.start, statement.family.grants[terms.id])
            statement.lines.append(
                FixedLine(
                    terms, product, (), (due.start, due.end), pays, kind="subscription", rank=1, amount=due.amount,
                    quantity=quotient(due.quantity.numerator, due.quantity.denominator), price=due.price, mark=f"{section.mark}{due.name}",
                )
            )  # fmt: skip


def _maximums(section: "Section", lines: list[Line]) -> list[Printed]:
    terms = section.terms
    share = terms.grid.share(section.span, section.whole)
    cuts = []
    for bound in terms.maximums:
        chosen = _of(lines, bound)
        over = sum(line.net for line in chosen) - minor(Fraction(bound.amount) * share, terms.places)
        if over > 0:
            _reduce(chosen, over)
            cuts.append(_cut("maximum", None, (), section.span, -over, section.mark))
    return cuts


def _minimums(statement: "Statement", section: "Section", lines: list[Line]) -> Iterable[FixedLine]:
    """Top-ups: limited minimums first, because one of everything counts theirs."""
    terms = section.terms
    share = terms.grid.share(section.span, section.whole)
    for bound in sorted(terms.minimums, key=lambda b: b.products is None):
        missing = minor(Fraction(bound.amount) * share, terms.places) - sum(line.net for line in _of(lines, bound))
        if missing > 0:
            pays = covering(None, {}, section.span.start, statement.family.grants[terms.id])
            yield FixedLine(terms, None, (), section.span, pays, kind="minimum", rank=3, amount=missing, mark=section.mark)


def _discounts(section: "Section", span: Span, lines: list[Line]) -> list[Printed]:
    """Percents one after the other in the listed order, then amounts; never below zero."""
    terms = section.terms
    cuts = []
    found = [x for x in terms.discounts if x.start <= span.start < x.end]
    for discount in sorted(found, key=lambda x: x.percent is None):
        chosen = _of(lines, discount)
        whole = max(0, sum(line.net for line in chosen))
        if discount.percent is not None:
            off = minor(Fraction(whole) * Fraction(discount.percent) / 100, 0)
        else:
            off = min(whole, minor(Fraction(discount.amount or Decimal(0)), terms.places))
        chosen.sort(key=lambda line: (line.product is None, line.product.id if line.product else "", line.key, line.span, line.order[-1], line.order))
        for line, part in zip(chosen, _reduce(chosen, off), strict=True):
            if part:
                product = line.product.id if line.product else None
                cuts.append(_cut("discount", product, line.key, line.span, -part, f"{section.mark}{discount.id}/{line.order[2:]}/{line.kind}"))
    return cuts


def _reduce(lines: list[Line], amount: int) -> list[int]:
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

    def under(self, model: object) -> tuple[Fraction, Fraction | None]:
        """The exact amount and the rate under another price."""
        if not isinstance(model, PercentagePrice) or self.amount(model) != model.share(self.base):
            return Fraction(self.amount(model)), None
        return model.rate * self.base, model.rate


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


def _ending(terms: ContractTerms, document: Subscription, span: Span) -> Iterable[Due]:
    """What ends in a period: its arrears."""
    for due in dues(terms, document):
        if due.start >= span.end:
            return
        if span.start < due.end <= span.end:
            yield due
