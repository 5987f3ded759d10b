"""Prices: exactly one kind, tiers in order, nothing negative."""

from typing import Final

from contracts.catalogue import Price, Tier
from contracts.checks.findings import Findings
from contracts.sources import Path

KINDS: Final = ("per_unit", "package", "graduated", "volume", "flat", "percentage")


def check_price(findings: Findings, path: Path, price: Price, *, composite: bool | None = None) -> None:
    """One price. `composite` tells whether it prices composite products; None: nobody knows."""
    given = [kind for kind in KINDS if getattr(price, kind) is not None]
    if len(given) != 1:
        said = "none is given" if not given else f"{' and '.join(given)} are given"
        findings.add(path, f"a price has exactly one of {', '.join(KINDS)}; {said}")
    if composite is False and price.percentage is not None:
        findings.add((*path, "percentage"), "a percentage prices composite products only; give the product type: composite and `of`")
    if composite and price.percentage is None and given:
        findings.add(path, f'a composite product is priced by percentage, not by {given[0]}: {{percentage: {{rate: "0.10"}}}}')
    findings.not_negative((*path, "per_unit"), price.per_unit)
    findings.not_negative((*path, "flat"), price.flat)
    findings.not_negative((*path, "free"), price.free)
    if price.free and (price.flat is not None or price.percentage is not None):
        findings.add((*path, "free"), "free units go with per_unit, package, graduated or volume")
    if price.package is not None:
        findings.positive((*path, "package", "size"), price.package.size)
        findings.not_negative((*path, "package", "price"), price.package.price)
    if price.percentage is not None:
        findings.not_negative((*path, "percentage", "rate"), price.percentage.rate)
        findings.not_negative((*path, "percentage", "minimum"), price.percentage.minimum)
    for kind, tiers in (("graduated", price.graduated), ("volume", price.volume)):
        if tiers is not None:
            _tiers(findings, (*path, kind), tiers)


def _tiers(findings: Findings, path: Path, tiers: list[Tier]) -> None:
    if not tiers:
        findings.add(path, "there must be at least one tier; the last one has no up_to")
        return
    before = None
    for number, tier in enumerate(tiers):
        here = (*path, number)
        last = number == len(tiers) - 1
        findings.not_negative((*here, "per_unit"), tier.per_unit)
        findings.not_negative((*here, "flat"), tier.flat)
        if tier.up_to is None:
            if not last:
                findings.add(here, "only the last tier is open; give this one an up_to, or take the tiers behind it out")
            continue
        if last:
            findings.add((*here, "up_to"), "the last tier must be open (no up_to), so that every quantity has a price")
        findings.positive((*here, "up_to"), tier.up_to)
        if before is not None and tier.up_to <= before:
            findings.add((*here, "up_to"), f"tiers must be in ascending order of up_to; {tier.up_to} comes after {before} (up_to is cumulative)")
        before = tier.up_to
