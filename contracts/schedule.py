"""What is invoiced on a date of its own: purchases of commits, charges, subscriptions in advance. Each item has a name for ever."""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.contract import Charge
from contracts.grants import recurring_purchases
from contracts.lines import Printed
from contracts.money import minor, quotient
from contracts.subscriptions import dues
from contracts.terms import ContractTerms
from contracts.timeline import FOREVER, grid

__all__ = ["Item", "items"]


class Item(NamedTuple):
    """A line of a scheduled invoice. `name` is unique in its contract, also over versions, so an item is invoiced once."""

    at: int
    name: str
    line: Printed


def items(terms: ContractTerms) -> Iterator[Item]:
    """All items of a contract in order of time; endless when a series is."""
    sources: list[Iterator[Item]] = [_purchases(terms)]
    sources += [_recurring(terms, number) for number in range(len(terms.grants))]
    sources += [_charge(terms, charge) for charge in terms.document.charges]
    sources += [_advance(terms, number) for number, s in enumerate(terms.document.subscriptions) if s.collect == "advance"]
    return heapq.merge(*sources, key=lambda item: (item.at, item.name))


def _purchases(terms: ContractTerms) -> Iterator[Item]:
    found = [
        _bought(grant.id, f"purchase/{purchase.name}", purchase.at, purchase.amount, terms)
        for grant in terms.grants if grant.type == "prepaid" for purchase in grant.purchases
    ]  # fmt: skip
    return iter(sorted(found, key=lambda item: (item.at, item.name)))


def _recurring(terms: ContractTerms, number: int) -> Iterator[Item]:
    grant = terms.grants[number]
    for purchase in recurring_purchases(grant):
        yield _bought(grant.id, f"purchase/{purchase.name}", purchase.at, purchase.amount, terms)


def _bought(grant: str, name: str, at: int, amount: int, terms: ContractTerms) -> Item:
    price = quotient(amount, 10**terms.places)
    return Item(at, name, Printed("charge", None, (), at, at, Decimal(1), price, None, amount, grant, None, name))


def _charge(terms: ContractTerms, charge: Charge) -> Iterator[Item]:
    whole = Fraction(charge.amount) * Fraction(charge.quantity)
    if charge.every is None:
        if charge.at is not None:
            yield _charged(terms, charge, terms.ms(charge.at), minor(whole, terms.places), Fraction(charge.amount))
        return
    start = terms.ms(charge.from_) if charge.from_ else terms.start
    end = terms.ms(charge.until) if charge.until else terms.end
    rhythm = grid(charge.every, "contract_start", terms.zone, start)
    if charge.split == "each":
        number = 0
        while (at := rhythm.edge(number)) < end:
            yield _charged(terms, charge, at, minor(whole, terms.places), Fraction(charge.amount))
            number += 1
        return
    count = 0
    while end < FOREVER and rhythm.edge(count) < end:
        count += 1
    for number in range(count):
        part = whole / count
        amount = minor(part, terms.places)
        if charge.split == "divided_rounded":
            all_of_it = minor(whole, terms.places)
            cut = int(part * 10**terms.places)
            amount = cut if number < count - 1 else all_of_it - cut * (count - 1)
        yield _charged(terms, charge, rhythm.edge(number), amount, None)


def _charged(terms: ContractTerms, charge: Charge, at: int, amount: int, price: Fraction | None) -> Item:
    """A part of a divided charge has its amount as its price."""
    quantity = Decimal(1) if price is None else charge.quantity
    shown = quotient(amount, 10**terms.places) if price is None else quotient(price.numerator, price.denominator)
    name = f"charge/{charge.id}/{at}"
    return Item(at, name, Printed("charge", charge.product, (), at, at, quantity, shown, None, amount, None, None, name))


def _advance(terms: ContractTerms, number: int) -> Iterator[Item]:
    document = terms.document.subscriptions[number]
    for due in dues(terms, document):
        quantity = quotient(due.quantity.numerator, due.quantity.denominator)
        price = quotient(due.price.numerator, due.price.denominator)
        name = f"subscription/{due.name}"
        yield Item(due.start, name, Printed("subscription", document.product, (), due.start, due.end, quantity, price, None, due.amount, None, None, name))
