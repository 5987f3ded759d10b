"""Who belongs together: every customer id and alias to the root customer of its family, which owns their usage and balances.

Pure. A contract's aliases belong to its customer; a contract with a `parent` belongs to the family of that contract's customer.
"""

from collections.abc import Mapping

from contracts.contract import Contract


def roots(contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Customer id or alias to root customer, for the latest version of each contract by id. An id that is not in it is its own root.

    A parent that is not (yet) among the contracts counts as none. Of several parents of one customer the first by contract id holds, so that
    every stage finds the same root in whatever order it read the contracts; `conflicts` tells of them.
    """
    above = _parents(contracts)
    found: dict[str, str] = {}
    for _, contract in sorted(contracts.items()):
        top = _top(contract.customer, above)
        found[contract.customer] = top
        for alias in contract.aliases:
            found.setdefault(alias, top)
    return found


def conflicts(contracts: Mapping[str, Contract]) -> list[str]:
    """What no family can hold: two parents of one customer, a circle of parents, an id with two owners. One line each."""
    problems = []
    parents: dict[str, dict[str, str]] = {}
    owners: dict[str, dict[str, str]] = {}
    for name, contract in sorted(contracts.items()):
        owners.setdefault(contract.customer, {})[contract.customer] = name
        for alias in contract.aliases:
            owners.setdefault(alias, {})[contract.customer] = name
        parent = contracts.get(contract.parent) if contract.parent else None
        if parent is not None and parent.customer != contract.customer:
            parents.setdefault(contract.customer, {})[parent.customer] = name
    for customer, by_parent in sorted(parents.items()):
        if len(by_parent) > 1:
            said = ", ".join(f"{parent} (by contract {name})" for parent, name in sorted(by_parent.items()))
            problems.append(f"customer {customer} would have two parents: {said}; a family has one root, so name one parent")
    for key, by_owner in sorted(owners.items()):
        if len(by_owner) > 1:
            said = ", ".join(f"{owner} (by contract {name})" for owner, name in sorted(by_owner.items()))
            problems.append(f"id {key} would belong to several customers: {said}; take it off the aliases of all but one")
    above = _parents(contracts)
    for customer in sorted(above):
        if _circle(customer, above):
            problems.append(f"customer {customer} is its own parent by way of {above[customer]}; remove one `parent`")
    return problems


def _parents(contracts: Mapping[str, Contract]) -> dict[str, str]:
    above: dict[str, str] = {}
    for _, contract in sorted(contracts.items()):
        parent = contracts.get(contract.parent) if contract.parent else None
        if parent is not None and parent.customer != contract.customer:
            above.setdefault(contract.customer, parent.customer)
    return above


def _top(customer: str, above: Mapping[str, str]) -> str:
    seen = {customer}
    while (parent := above.get(customer)) is not None and parent not in seen:
        seen.add(parent)
        customer = parent
    return customer


def _circle(customer: str, above: Mapping[str, str]) -> bool:
    seen = []
    at: str | None = customer
    while at is not None and at not in seen:
        seen.append(at)
        at = above.get(at)
    return at == customer
