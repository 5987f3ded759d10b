"""Section 3.2: minimum and maximum, then discounts; and what of each line is left for draws."""

from collections.abc import Sequence
from fractions import Fraction

from contracts.catalogue import Catalogue
from contracts.contract import Bound, Contract
from tests.reference.grants import reached
from tests.reference.lines import Item, Period
from tests.reference.money import places, round_money, shares
from tests.reference.times import FOREVER, days, opt


def bounds(given: Bound | list[Bound] | None) -> list[Bound]:
    return [] if given is None else given if isinstance(given, list) else [given]


def in_bound(bound: Bound, item: Item, catalogue: Catalogue) -> bool:
    if not bound.products and not bound.tags:
        return True
    return item.product in reached(bound.products, bound.tags, catalogue)


def prorated(bound: Bound, contract: Contract, period: Period, decimals: int) -> Fraction:
    """Days of a partial period over the days of the whole one."""
    zone = contract.billing.timezone
    share = Fraction(days(period.start, period.end, zone), days(period.whole_start, period.whole_end, zone))
    return round_money(Fraction(bound.amount) * share, decimals)


def adjusted(contract: Contract, catalogue: Catalogue, period: Period, items: list[Item], *, last: bool) -> list[Item]:
    """The items, with minimum, maximum and discount lines; `net` of each says what draws may take. A minimum is for the last reading of a period."""
    decimals = places(catalogue.currency)
    items = list(items)
    own = [item for item in items if item.kind != "correction"]
    for item in items:
        item.net = item.amount
    if last:
        for bound in bounds(contract.minimum):
            spend = sum((item.amount for item in own if in_bound(bound, item, catalogue)), Fraction(0))
            missing = prorated(bound, contract, period, decimals) - spend
            if missing > 0:
                top = Item("minimum", None, (), period.start, period.end, None, None, missing, net=missing)
                items.append(top)
                own.append(top)
    for bound in bounds(contract.maximum):
        inside = [item for item in own if in_bound(bound, item, catalogue)]
        over = sum((item.amount for item in inside), Fraction(0)) - prorated(bound, contract, period, decimals)
        if over > 0:
            cut = Item("maximum", None, (), period.start, period.end, None, None, -over)
            items.append(cut)
            _take(over, [item for item in inside if item.net > 0], decimals)
            own.append(cut)
    items += discounts(contract, catalogue, period, own, decimals)
    for number, item in enumerate(items):
        item.owner, item.number = item.owner or contract, number
    return items


def _take(amount: Fraction, targets: Sequence[Item], decimals: int) -> list[Fraction]:
    """Take an amount off the nets in proportion."""
    parts = shares(amount, [item.net for item in targets], decimals)
    for item, part in zip(targets, parts, strict=True):
        item.net -= part
    return parts


def discounts(contract: Contract, catalogue: Catalogue, period: Period, own: Sequence[Item], decimals: int) -> list[Item]:
    """Percents in the listed order, then amounts; never below zero; a line for each line that is reduced."""
    zone = contract.billing.timezone
    found: list[Item] = []
    for each in sorted(contract.discounts, key=lambda discount: discount.percent is None):
        if not opt(each.starting_at, zone, -FOREVER) <= period.start < opt(each.ending_before, zone, FOREVER):
            continue
        scope = Bound(amount=0, products=each.products, tags=each.tags)  # type: ignore[arg-type]
        inside = [item for item in own if item.kind != "maximum" and in_bound(scope, item, catalogue)]
        targets = sorted((item for item in inside if item.net > 0), key=lambda item: (item.product or "~", item.start, item.group))
        base = max(Fraction(0), sum((item.net for item in inside), Fraction(0)))
        amount = round_money(base * Fraction(each.percent) / 100, decimals) if each.percent is not None else min(Fraction(each.amount or 0), base)
        for item, part in zip(targets, _take(amount, targets, decimals), strict=True):
            if part:
                found.append(Item("discount", item.product, item.group, item.start, item.end, None, None, -part, discount=each.id))
    return found
