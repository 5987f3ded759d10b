"""The rules of a contract document, in its catalogue and beside other contracts."""

from collections.abc import Iterable

from contracts.catalogue import Catalogue
from contracts.checks.edits import check_edit
from contracts.checks.family import check_family, grants_in_reach
from contracts.checks.findings import MINUTE, Findings, quiet_ms, reached
from contracts.checks.grants import check_grants
from contracts.checks.prices import check_price
from contracts.checks.terms import check_terms
from contracts.contract import Contract, Override
from contracts.sources import Path, Problem
from contracts.timeline import grid

ANCHORS = ("first_of_month", "contract_start")
EDGES_CHECKED = 26
"""Periods whose edges are looked at: two years of months see every change of the clock."""


def check_contract(
    contract: Contract,
    catalogue: Catalogue,
    others: Iterable[Contract] = (),
    previous: Contract | None = None,
    *,
    window_minutes: int = 60,
    final_until_ms: int | None = None,
    complete: bool = True,
) -> list[Problem]:
    """Everything that is wrong with a contract, with paths inside the contract.

    `others` are the newest versions of the other contracts, `previous` the one that this replaces, `final_until_ms` the end of its last
    final period. With `complete` false there may be contracts that the caller does not know: names of unknown ones pass.
    """
    known = {other.id: other for other in others if other.id != contract.id}
    findings = Findings(contract.billing.timezone, window_minutes)
    if not contract.id:
        findings.add(("id",), "an id must not be empty")
    if not contract.customer:
        findings.add(("customer",), "a customer id must not be empty")
    if not contract.clock:
        findings.add(("clock",), "a clock is `wall` or the name of a test clock")
    if contract.catalogue != catalogue.id:
        findings.add(("catalogue",), f"the catalogue {contract.catalogue!r} is another one than {catalogue.id!r}")
    if contract.rate_card is not None:
        findings.known(("rate_card",), "rate card", contract.rate_card, catalogue.rate_cards)
    _billing(findings, contract)
    findings.interval((), contract.starting_at, contract.ending_before)
    grants = grants_in_reach(contract, known)
    _overrides(findings, contract, catalogue, grants)
    check_grants(findings, contract, catalogue)
    check_terms(findings, contract, catalogue, grants)
    check_family(findings, contract, known, complete=complete)
    if previous is not None:
        check_edit(findings, contract, previous, final_until_ms)
    return findings.problems


def _billing(findings: Findings, contract: Contract) -> None:
    billing = contract.billing
    findings.duration(("billing", "grace"), billing.grace)
    if not findings.zone(("billing", "timezone"), billing.timezone):
        findings.timezone = "UTC"
        return
    if billing.anchor not in ANCHORS:
        count = len(findings.problems)
        findings.boundary(("billing", "anchor"), billing.anchor)
        if len(findings.problems) > count and quiet_ms(billing.anchor, findings.timezone) is None:
            findings.problems[-1] = Problem(("billing", "anchor"), f"{billing.anchor!r} is no anchor; write first_of_month, contract_start or a date")
            return
    start = quiet_ms(contract.starting_at, findings.timezone)
    if start is None or start % (findings.window_minutes * MINUTE):
        return
    periods = grid(billing.period, billing.anchor, billing.timezone, start)
    first = periods.index(start)
    for number in range(first, first + EDGES_CHECKED):
        if periods.edge(number) % (findings.window_minutes * MINUTE):
            message = (
                f"billing periods in {billing.timezone} do not begin on the metering window of {findings.window_minutes} minutes, counted in UTC;"
                " use another time zone, or a deployment with windows of 30 or 15 minutes"
            )
            findings.add(("billing", "timezone"), message)
            return


def _overrides(findings: Findings, contract: Contract, catalogue: Catalogue, grants: set[str]) -> None:
    findings.unique(("overrides",), contract.overrides)
    for number, override in enumerate(contract.overrides):
        path: Path = ("overrides", number)
        findings.interval(path, override.starting_at, override.ending_before)
        findings.targets(path, override, catalogue)
        findings.where((*path, "where"), override.where)
        for place, commit in enumerate(override.commits):
            findings.known((*path, "commits", place), "commit or credit", commit, grants)
        effects = [name for name in ("multiplier", "price", "tiers", "entitled") if getattr(override, name) is not None]
        if len(effects) != 1:
            said = "it has none" if not effects else f"it has {' and '.join(effects)}"
            findings.add(path, f"an override has exactly one effect of multiplier, price, tiers, entitled; {said}. Split it, or take one away")
        findings.not_negative((*path, "multiplier"), override.multiplier)
        _override_price(findings, path, override, catalogue)
        _override_tiers(findings, path, override)
        _override_where(findings, path, override, catalogue)


def _override_price(findings: Findings, path: Path, override: Override, catalogue: Catalogue) -> None:
    if override.price is None:
        return
    types = {catalogue.products[name].type == "composite" for name in override.products if name in catalogue.products}
    composite = types.pop() if len(types) == 1 and not override.tags else None
    check_price(findings, (*path, "price"), override.price, composite=composite)


def _override_tiers(findings: Findings, path: Path, override: Override) -> None:
    if override.tiers is None:
        return
    if not override.tiers:
        findings.add((*path, "tiers"), "there must be at least one tier: {size, multiplier}")
    for number, tier in enumerate(override.tiers):
        here = (*path, "tiers", number)
        findings.not_negative((*here, "multiplier"), tier.multiplier)
        findings.positive((*here, "size"), tier.size)
        if tier.size is None and number < len(override.tiers) - 1:
            findings.add(here, "only the last tier may be without a size; it holds for all further units")


def _override_where(findings: Findings, path: Path, override: Override, catalogue: Catalogue) -> None:
    """A filter over a property that splits none of the products would never be met."""
    products = [catalogue.products[name] for name in reached(override, catalogue)]
    keys = {key for product in products for key in (*product.pricing_group_keys, *product.presentation_group_keys, *product.where)}
    for key in override.where:
        if products and key not in keys:
            findings.add(
                (*path, "where", key),
                f"{key!r} splits none of the products of this override, so it could never hold; add it to pricing_group_keys of a product,"
                f" or use one of: {', '.join(sorted(keys)) or 'none'}",
            )
