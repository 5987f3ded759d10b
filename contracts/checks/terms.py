"""Charges, subscriptions, minimums and maximums, discounts, thresholds."""

from contracts.catalogue import Catalogue
from contracts.checks.findings import Findings, quiet_ms
from contracts.contract import Bound, Charge, Contract, Subscription
from contracts.sources import Path


def check_terms(findings: Findings, contract: Contract, catalogue: Catalogue, grants: set[str]) -> None:
    """`grants` are ids of the commits and credits that the contract may name."""
    findings.unique(("charges",), contract.charges)
    for number, charge in enumerate(contract.charges):
        _charge(findings, ("charges", number), charge, contract, catalogue)
    findings.unique(("subscriptions",), contract.subscriptions)
    for number, subscription in enumerate(contract.subscriptions):
        _subscription(findings, ("subscriptions", number), subscription, contract, catalogue)
    _bounds(findings, contract, catalogue)
    _discounts(findings, contract, catalogue)
    _thresholds(findings, contract, catalogue, grants)


def bounds(given: Bound | list[Bound] | None) -> list[Bound]:
    """A minimum or maximum may be one, or a list."""
    return [] if given is None else given if isinstance(given, list) else [given]


def _not_usage(findings: Findings, path: Path, name: str, what: str, catalogue: Catalogue) -> None:
    if findings.known(path, "product", name, catalogue.products):
        kind = catalogue.products[name].type
        if kind in {"usage", "composite"}:
            right = "subscription" if what == "a subscription" else "fixed"
            findings.add(path, f"{name!r} is a {kind} product, priced by the rate card; {what} needs a product of type: {right}")


def _charge(findings: Findings, path: Path, charge: Charge, contract: Contract, catalogue: Catalogue) -> None:
    _not_usage(findings, (*path, "product"), charge.product, "a charge", catalogue)
    findings.not_negative((*path, "amount"), charge.amount, "; to give money back, write a credit")
    findings.not_negative((*path, "quantity"), charge.quantity)
    findings.instant((*path, "at"), charge.at)
    start = findings.instant((*path, "from"), charge.from_)
    end = findings.instant((*path, "until"), charge.until)
    if start is not None and end is not None and end <= start:
        findings.add((*path, "until"), f"the end {charge.until} must be after the start {charge.from_}")
    series = {"from": charge.from_, "until": charge.until, "split": None if charge.split == "each" else charge.split}
    if charge.at is not None and charge.every is not None:
        findings.add(path, "a charge is made once (at) or in a series (every, from, until), not both")
    elif charge.at is None and charge.every is None:
        findings.add(path, "when is it charged? Give at: a time, or every: week, month, quarter or year (with from and until)")
    elif charge.at is not None:
        for key, value in series.items():
            if value is not None:
                findings.add((*path, key), f"{key} belongs to a series; it goes with every, not with at")
    elif charge.split != "each" and charge.until is None and contract.ending_before is None:
        findings.add((*path, "split"), f"{charge.split} shares one amount over all parts, so the series needs an end; give until")


def _subscription(findings: Findings, path: Path, subscription: Subscription, contract: Contract, catalogue: Catalogue) -> None:
    _not_usage(findings, (*path, "product"), subscription.product, "a subscription", catalogue)
    findings.not_negative((*path, "quantity"), subscription.quantity)
    findings.not_negative((*path, "price"), subscription.price)
    findings.interval(path, subscription.starting_at, subscription.ending_before)
    start = quiet_ms(subscription.starting_at or contract.starting_at, findings.timezone)
    end = quiet_ms(subscription.ending_before, findings.timezone)
    seen: set[int] = set()
    for number, change in enumerate(subscription.changes):
        here = (*path, "changes", number)
        if change.quantity is None and change.price is None:
            findings.add(here, "a change names a quantity, a price or both")
        findings.not_negative((*here, "quantity"), change.quantity)
        findings.not_negative((*here, "price"), change.price)
        moment = findings.instant((*here, "at"), change.at)
        if moment is None:
            continue
        if moment in seen:
            findings.add((*here, "at"), f"there is another change at {change.at}; write both as one")
        seen.add(moment)
        if start is not None and moment < start:
            findings.add((*here, "at"), f"the change at {change.at} comes before the subscription starts; write its quantity and price instead")
        if end is not None and moment >= end:
            findings.add((*here, "at"), f"the change at {change.at} comes after the subscription has ended, at {subscription.ending_before}")


def _bounds(findings: Findings, contract: Contract, catalogue: Catalogue) -> None:
    for key, given in (("minimum", contract.minimum), ("maximum", contract.maximum)):
        for number, bound in enumerate(bounds(given)):
            path: Path = (key, number) if isinstance(given, list) else (key,)
            findings.not_negative((*path, "amount"), bound.amount)
            findings.targets(path, bound, catalogue)
    for low in bounds(contract.minimum):
        for high in bounds(contract.maximum):
            if (set(low.products), set(low.tags)) == (set(high.products), set(high.tags)) and low.amount > high.amount:
                findings.add(("minimum",), f"the minimum of {low.amount} is above the maximum of {high.amount}")


def _discounts(findings: Findings, contract: Contract, catalogue: Catalogue) -> None:
    findings.unique(("discounts",), contract.discounts)
    for number, discount in enumerate(contract.discounts):
        path = ("discounts", number)
        findings.targets(path, discount, catalogue)
        findings.interval(path, discount.starting_at, discount.ending_before)
        if (discount.percent is None) == (discount.amount is None):
            said = "neither is given" if discount.percent is None else "both are given"
            findings.add(path, f"a discount has exactly one of percent and amount; {said}")
        if discount.percent is not None and not 0 <= discount.percent <= 100:
            findings.add((*path, "percent"), f'{discount.percent} is outside 0 to 100; percent counts hundredths, so "10" is a tenth')
        findings.not_negative((*path, "amount"), discount.amount)


def _thresholds(findings: Findings, contract: Contract, catalogue: Catalogue, grants: set[str]) -> None:
    findings.unique(("thresholds",), contract.thresholds)
    for number, threshold in enumerate(contract.thresholds):
        path = ("thresholds", number)
        balance = threshold.measure in {"balance", "balance_percent"}
        if threshold.measure == "usage":
            if threshold.metric is None:
                findings.add(path, f"measure usage needs a metric: which one? known: {', '.join(sorted(catalogue.metrics)) or 'none'}")
        elif threshold.metric is not None:
            findings.add((*path, "metric"), f"only measure usage takes a metric, not {threshold.measure}")
        if threshold.metric is not None:
            findings.known((*path, "metric"), "metric", threshold.metric, catalogue.metrics)
        findings.not_negative((*path, "at"), threshold.at)
        if threshold.measure == "balance_percent" and threshold.at > 100:
            findings.add((*path, "at"), f"{threshold.at} is above 100 percent")
        findings.positive((*path, "repeat"), threshold.repeat)
        for place, commit in enumerate(threshold.commits):
            findings.known((*path, "commits", place), "commit or credit", commit, grants)
        if threshold.commits and not balance:
            findings.add((*path, "commits"), f"commits narrow down a balance; they do not go with measure {threshold.measure}")
