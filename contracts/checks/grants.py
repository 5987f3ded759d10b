"""Commits, credits and recurring grants."""

from collections.abc import Sequence

from contracts.catalogue import Catalogue, Where
from contracts.checks.findings import Findings, reached
from contracts.contract import Commit, Contract, Credit, RecurringCommit, RecurringGrant
from contracts.sources import Path

Grant = Commit | Credit | RecurringGrant | RecurringCommit


def check_grants(findings: Findings, contract: Contract, catalogue: Catalogue) -> None:
    lists: tuple[tuple[str, Sequence[Grant]], ...] = (
        ("commits", contract.commits),
        ("credits", contract.credits),
        ("recurring_credits", contract.recurring_credits),
        ("recurring_commits", contract.recurring_commits),
    )
    for key, grants in lists:
        findings.unique((key,), grants)
        for number, grant in enumerate(grants):
            path = (key, number)
            _common(findings, path, grant, catalogue)
            if isinstance(grant, RecurringGrant):
                _recurring(findings, path, grant)
            else:
                _access(findings, path, grant)
    for number, commit in enumerate(contract.commits):
        _invoice(findings, ("commits", number), commit)


def _common(findings: Findings, path: Path, grant: Grant, catalogue: Catalogue) -> None:
    findings.targets(path, grant, catalogue)
    findings.where((*path, "where"), grant.where)
    _where(findings, path, grant.where, grant, catalogue)
    if grant.rollover is not None and not 0 <= grant.rollover <= 1:
        findings.add((*path, "rollover"), f'{grant.rollover} is no share; rollover is a share of the granted amount from 0 to 1, such as "0.5"')
    if isinstance(grant.shared, str) and grant.shared != "all":
        findings.add((*path, "shared"), f"{grant.shared!r}: shared is `all`, or a list of contract ids: [{grant.shared}]")


def _where(findings: Findings, path: Path, where: Where, grant: Grant, catalogue: Catalogue) -> None:
    products = [catalogue.products[name] for name in reached(grant, catalogue)]
    keys = {key for product in products for key in (*product.pricing_group_keys, *product.presentation_group_keys, *product.where)}
    for key in where:
        if products and key not in keys:
            message = f"{key!r} splits no product that this may pay for, so it would never pay; use one of: {', '.join(sorted(keys)) or 'none'}"
            findings.add((*path, "where", key), message)


def _access(findings: Findings, path: Path, grant: Commit | Credit) -> None:
    if not grant.access:
        findings.add((*path, "access"), "there must be at least one segment: {amount, starting_at, ending_before}")
    for number, segment in enumerate(grant.access):
        here = (*path, "access", number)
        findings.not_negative((*here, "amount"), segment.amount)
        findings.interval(here, segment.starting_at, segment.ending_before)


def _invoice(findings: Findings, path: Path, commit: Commit) -> None:
    for number, item in enumerate(commit.invoice):
        findings.not_negative((*path, "invoice", number, "amount"), item.amount)
        findings.instant((*path, "invoice", number, "at"), item.at)
    if commit.type != "postpaid":
        return
    total = sum(segment.amount for segment in commit.access)
    if len(commit.invoice) != 1:
        place = (*path, "invoice") if commit.invoice else path
        message = f"a postpaid commit has exactly one invoice item, not {len(commit.invoice)}; its amount is the access total of {total}"
        findings.add(place, message)
    elif commit.invoice[0].amount != total:
        findings.add(
            (*path, "invoice", 0, "amount"),
            f"the invoice amount of a postpaid commit must equal the access total: {commit.invoice[0].amount} is invoiced, the access total is {total}",
        )


def _recurring(findings: Findings, path: Path, grant: RecurringGrant) -> None:
    findings.interval(path, grant.starting_at, grant.ending_before)
    findings.not_negative((*path, "amount"), grant.amount)
    findings.positive((*path, "valid_periods"), grant.valid_periods)
    if isinstance(grant, RecurringCommit):
        findings.not_negative((*path, "invoice_amount"), grant.invoice_amount)
