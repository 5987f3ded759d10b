"""A contract beside others: parents, renewals, other ids of the customer, usage that several contracts would take."""

from collections.abc import Callable, Mapping

from contracts.checks.findings import Findings, cycle, overlap, quiet_ms, same_usage
from contracts.contract import Contract


def grants_in_reach(contract: Contract, known: Mapping[str, Contract]) -> set[str]:
    """Ids of commits and credits that the contract may name: its own, those of its parents and of the contracts it renews."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = [contract]
    while todo:
        each = todo.pop()
        if each.id in seen:
            continue
        seen.add(each.id)
        for grants in (each.commits, each.credits, each.recurring_credits, each.recurring_commits):
            found |= {grant.id for grant in grants}
        todo += [known[name] for name in (each.parent, each.renews) if name is not None and name in known]
    return found


def check_family(findings: Findings, contract: Contract, known: Mapping[str, Contract], *, complete: bool) -> None:
    """`known`: the other contracts by id; all there are when `complete`."""
    _line(findings, contract, known, "parent", contract.parent, complete=complete)
    _line(findings, contract, known, "renews", contract.renews, complete=complete)
    if contract.payer == "parent" and contract.parent is None:
        findings.add(("payer",), "payer: parent needs a parent: the id of the contract that pays")
    _aliases(findings, contract, known)
    _routing(findings, contract, known)


def _line(findings: Findings, contract: Contract, known: Mapping[str, Contract], key: str, target: str | None, *, complete: bool) -> None:
    """The contract above or before this one exists, and nobody is above or before himself."""
    if target is None:
        return
    if target == contract.id:
        findings.add((key,), f"a contract cannot be its own {'parent' if key == 'parent' else 'renewal'} (a cycle)")
        return
    if target not in known:
        if complete:
            findings.known((key,), "contract", target, known)
        return

    step: Callable[[str], list[str]] = lambda name: [  # noqa: E731 - a name for a one-line way up
        above for above in [getattr(contract if name == contract.id else known[name], key)] if above is not None and (above in known or above == contract.id)
    ]
    way = cycle(contract.id, step)
    if way is not None:
        what = "parents" if key == "parent" else "renewals"
        findings.add((key,), f"the {what} form a cycle: {' → '.join(way)}; take one of these `{key}` out")


def _aliases(findings: Findings, contract: Contract, known: Mapping[str, Contract]) -> None:
    seen: set[str] = set()
    for number, alias in enumerate(contract.aliases):
        path = ("aliases", number)
        if not alias:
            findings.add(path, "an alias must not be empty")
        if alias in seen:
            findings.add(path, f"the alias {alias!r} is given twice")
        seen.add(alias)
        for other in known.values():
            if other.customer == contract.customer:
                continue
            if alias == other.customer:
                findings.add(path, f"{alias!r} is the customer of contract {other.id!r}; usage can belong to one customer only")
            elif alias in other.aliases:
                message = f"{alias!r} is already an alias of customer {other.customer!r} (contract {other.id!r})"
                findings.add(path, f"{message}; take it out there first")
    for other in known.values():
        if other.customer != contract.customer and contract.customer in other.aliases:
            message = f"{contract.customer!r} is an alias of customer {other.customer!r} (contract {other.id!r})"
            findings.add(("customer",), f"{message}; take the alias out there first")


def _routing(findings: Findings, contract: Contract, known: Mapping[str, Contract]) -> None:
    """Two contracts of one customer that would rate the same usage at the same time."""
    if contract.usage_filter is not None:
        if not contract.usage_filter.where:
            findings.add(("usage_filter", "where"), "a filter names at least one property: {project: [x]}")
        findings.where(("usage_filter", "where"), contract.usage_filter.where)
    span = _span(contract)
    for other in known.values():
        if other.customer != contract.customer or not overlap(span, _span(other)):
            continue
        if contract.usage_filter is not None and other.usage_filter is not None:
            if same_usage(contract.usage_filter.where, other.usage_filter.where):
                message = f"contract {other.id!r} of this customer takes the same usage at the same time; make the filters apart"
                findings.add(("usage_filter", "where"), message)
        elif contract.usage_filter is None and other.usage_filter is None and contract.rate_card is not None and other.rate_card is not None:
            message = (
                f"contract {other.id!r} of customer {contract.customer!r} runs at the same time, and nothing tells which of them takes the usage;"
                " end the earlier one, or give one of them a usage_filter"
            )
            findings.add((), message)


def _span(contract: Contract) -> tuple[int | None, int | None]:
    zone = contract.billing.timezone
    return quiet_ms(contract.starting_at, zone), quiet_ms(contract.ending_before, zone)
