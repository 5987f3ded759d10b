"""Charges, subscriptions and purchases: what is invoiced on a date, and subscriptions in arrears on a period's usage invoice."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from contracts.catalogue import Catalogue
from contracts.contract import Charge, Contract, RecurringCommit, Subscription
from tests.reference.grants import recurring
from tests.reference.lines import Item, Period
from tests.reference.money import places, round_money
from tests.reference.times import FOREVER, anchor_of, days, opt, parse, periods, stepped


class Scheduled(NamedTuple):
    """What falls due at `at`. One with the same key is the same, and is invoiced once."""

    key: tuple[str, ...]
    at: int
    item: Item


def scheduled(contract: Contract, catalogue: Catalogue, until: int) -> Iterator[Scheduled]:
    """All purchases, charges and advance subscriptions due at or before `until`."""
    for each in (*_purchases(contract, catalogue, until), *_charges(contract, catalogue, until), *_advance(contract, catalogue, until)):
        if each.at <= until:
            yield each


def _purchases(contract: Contract, catalogue: Catalogue, until: int) -> Iterator[Scheduled]:
    zone, decimals = contract.billing.timezone, places(catalogue.currency)
    for commit in contract.commits:
        if commit.type == "postpaid":
            continue
        for number, item in enumerate(commit.invoice):
            at = parse(item.at, zone)
            amount = round_money(Fraction(item.amount), decimals)
            yield Scheduled(("commit", commit.id, str(at), str(number)), at, Item("charge", None, (), at, at, Fraction(1), amount, amount, commit=commit.id))
    for each in contract.recurring_commits:
        assert isinstance(each, RecurringCommit)
        if each.invoice_amount is None:
            continue
        for start, _, _, share in recurring(contract, each, catalogue.currency, until):
            amount = round_money(Fraction(each.invoice_amount) * share, decimals)
            yield Scheduled(("recurring", each.id, str(start)), start, Item("charge", None, (), start, start, Fraction(1), amount, amount, commit=each.id))


def _charges(contract: Contract, catalogue: Catalogue, until: int) -> Iterator[Scheduled]:
    zone, decimals = contract.billing.timezone, places(catalogue.currency)
    for charge in contract.charges:
        whole = Fraction(charge.amount) * Fraction(charge.quantity)
        if charge.at is not None:
            yield _charge(charge, parse(charge.at, zone), 0, round_money(whole, decimals))
            continue
        start = opt(charge.from_, zone, parse(contract.starting_at, zone))
        end = opt(charge.until, zone, opt(contract.ending_before, zone, FOREVER))
        assert charge.every is not None
        number_of = len(list(stepped(start, charge.every, zone, end, FOREVER))) if charge.split != "each" else 1
        for number, at in enumerate(stepped(start, charge.every, zone, end, until)):
            amount = round_money(whole, decimals)
            if charge.split == "divided":
                amount = round_money(whole / number_of, decimals)
            elif charge.split == "divided_rounded":
                unit = Fraction(1, 10**decimals)
                part = whole / number_of // unit * unit
                amount = part if number < number_of - 1 else round_money(whole - part * (number_of - 1), decimals)
            yield _charge(charge, at, number, amount)


def _charge(charge: Charge, at: int, number: int, amount: Fraction) -> Scheduled:
    quantity = Fraction(charge.quantity)
    return Scheduled(("charge", charge.id, str(at)), at, Item("charge", charge.product, (), at, at, quantity, amount / quantity if quantity else None, amount))


class State(NamedTuple):
    at: int
    quantity: Fraction
    price: Fraction


def history(contract: Contract, subscription: Subscription) -> list[State]:
    """Quantity and price from each change on."""
    zone = contract.billing.timezone
    found = [State(opt(subscription.starting_at, zone, parse(contract.starting_at, zone)), Fraction(subscription.quantity), Fraction(subscription.price))]
    for change in sorted(subscription.changes, key=lambda each: parse(each.at, zone)):
        last = found[-1]
        quantity = last.quantity if change.quantity is None else Fraction(change.quantity)
        price = last.price if change.price is None else Fraction(change.price)
        found.append(State(parse(change.at, zone), quantity, price))
    return found


def lines_of(contract: Contract, catalogue: Catalogue, subscription: Subscription, until: int) -> Iterator[tuple[int, Item]]:
    """(day it is due, line) of each period that begins at or before `until`: what holds at its first day, then an increase from its own day."""
    zone, decimals = contract.billing.timezone, places(catalogue.currency)
    begun = parse(contract.starting_at, zone)
    start = max(opt(subscription.starting_at, zone, begun), begun)
    end = min(opt(subscription.ending_before, zone, FOREVER), opt(contract.ending_before, zone, FOREVER))
    states = history(contract, subscription)
    for first, last, whole_first, whole_last in periods(anchor_of(contract.billing.anchor, begun, zone), subscription.every, zone, start, end, until):
        now = [state for state in states if state.at <= first][-1]
        paid = now.quantity
        steps = [(first, now.quantity, now.price)]
        for state in states:
            if first < state.at < last and state.quantity > paid:
                steps.append((state.at, state.quantity - paid, state.price))
                paid = state.quantity
        for at, quantity, price in steps:
            share = Fraction(1)
            if subscription.prorate:
                share = Fraction(days(at, last, zone), days(whole_first, whole_last, zone))
            amount = round_money(quantity * price * share, decimals)
            yield at, Item("subscription", subscription.product, (), at, last, quantity, price, amount)


def _advance(contract: Contract, catalogue: Catalogue, until: int) -> Iterator[Scheduled]:
    for subscription in contract.subscriptions:
        if subscription.collect == "advance":
            for at, item in lines_of(contract, catalogue, subscription, until):
                yield Scheduled(("subscription", subscription.id, str(at)), at, item)


def arrears(contract: Contract, catalogue: Catalogue, period: Period) -> list[Item]:
    """Subscription lines of a usage invoice: those whose own period ends in it."""
    found = []
    for subscription in contract.subscriptions:
        if subscription.collect == "arrears":
            found += [item for _, item in lines_of(contract, catalogue, subscription, period.end - 1) if period.start < item.end <= period.end]
    return found
