"""What a subscription costs and when: whole periods, partial ones by days, increases from their day, decreases from the next period."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.contract import Subscription
from contracts.money import minor
from contracts.terms import ContractTerms
from contracts.timeline import Span, grid

__all__ = ["Due", "dues"]


class Due(NamedTuple):
    """An amount of a subscription for [start, end); it falls due at `start` in advance, at the period's end in arrears."""

    name: str
    start: int
    end: int
    quantity: Fraction
    price: Fraction
    amount: int
    """Minor units."""


class _Change(NamedTuple):
    at: int
    quantity: Fraction | None
    price: Fraction | None


def dues(terms: ContractTerms, document: Subscription) -> Iterator[Due]:
    """All amounts in order of time; endless when contract and subscription are."""
    rhythm = grid(document.every, terms.document.billing.anchor, terms.zone, terms.start)
    start = max(terms.start, terms.ms(document.starting_at)) if document.starting_at else terms.start
    end = min(terms.end, terms.ms(document.ending_before)) if document.ending_before else terms.end
    changes = sorted(_Change(terms.ms(c.at), _fraction(c.quantity), _fraction(c.price)) for c in document.changes)
    quantity, price = Fraction(document.quantity), Fraction(document.price)
    for part, whole in rhythm.spans(start, end):
        while changes and changes[0].at <= part.start:
            quantity, price = _changed(quantity, price, changes.pop(0))
        yield _due(terms, document, f"{document.id}/{part.start}", part, whole, quantity, price)
        paid_quantity, paid_price = quantity, price
        while changes and changes[0].at < part.end:
            change = changes.pop(0)
            quantity, price = _changed(quantity, price, change)
            rest = Span(change.at, part.end)
            if price > paid_price:
                yield _due(terms, document, f"{document.id}/{change.at}/price", rest, whole, paid_quantity, price - paid_price)
                paid_price = price
            if quantity > paid_quantity:
                yield _due(terms, document, f"{document.id}/{change.at}", rest, whole, quantity - paid_quantity, paid_price)
                paid_quantity = quantity


def _due(terms: ContractTerms, document: Subscription, name: str, part: Span, whole: Span, quantity: Fraction, price: Fraction) -> Due:
    share = terms.grid.share(part, whole) if document.prorate else Fraction(1)
    return Due(name, part.start, part.end, quantity, price, minor(quantity * price * share, terms.places))


def _changed(quantity: Fraction, price: Fraction, change: _Change) -> tuple[Fraction, Fraction]:
    return quantity if change.quantity is None else change.quantity, price if change.price is None else change.price


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)
