"""Families that are kept up contract by contract are those of all contracts, worked out in the plain way."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from contracts.contract import Contract
from contracts.families import Families
from tests.property.contracts.examples import thoroughly

IDS = ("a", "b", "c", "d", "e")
CONTRACTS = st.builds(
    lambda name, customer, parent, aliases: Contract(id=name, customer=customer, starting_at="2025-01-01", parent=parent, aliases=sorted(aliases)),
    st.sampled_from([f"contract-{each}" for each in IDS]),
    st.sampled_from(IDS),
    st.none() | st.sampled_from([f"contract-{each}" for each in IDS]),
    st.sets(st.sampled_from([*IDS, "x", "y"]), max_size=2),
)


def above(contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Customer to the one above it, by the first of its contracts that has a parent."""
    found: dict[str, str] = {}
    for _, contract in sorted(contracts.items()):
        parent = contracts.get(contract.parent or "")
        if parent is not None and parent.customer != contract.customer:
            found.setdefault(contract.customer, parent.customer)
    return found


def way(customer: str, up: Mapping[str, str]) -> list[str]:
    """From the customer up, until there is nobody or somebody comes again."""
    found = [customer]
    while (following := up.get(found[-1])) is not None and following not in found:
        found.append(following)
    return found


def plain(contracts: Mapping[str, Contract]) -> dict[str, str]:
    up = above(contracts)
    customers = {each.customer for each in contracts.values()}
    found = {each: way(each, up)[-1] for each in customers}
    for _, contract in sorted(contracts.items()):
        for alias in contract.aliases:
            found.setdefault(alias, way(contract.customer, up)[-1])
    return found


def has_conflict(contracts: Mapping[str, Contract]) -> bool:
    up = above(contracts)
    parents: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for contract in contracts.values():
        for key in (contract.customer, *contract.aliases):
            owners.setdefault(key, set()).add(contract.customer)
        parent = contracts.get(contract.parent or "")
        if parent is not None and parent.customer != contract.customer:
            parents.setdefault(contract.customer, set()).add(parent.customer)
    circles = any(up.get(way(each, up)[-1]) == each for each in up)
    return circles or any(len(each) > 1 for each in (*parents.values(), *owners.values()))


@thoroughly
@given(st.lists(CONTRACTS, max_size=12))
def test_kept_up_families_are_those_of_all_contracts(given: list[Contract]) -> None:
    kept = Families()
    all_: dict[str, Contract] = {}
    for contract in given:
        before = plain(all_)
        all_ = all_ | {contract.id: contract}
        after = plain(all_)

        concerned = kept.put(contract)

        assert kept.roots == after
        assert {each for each in before.keys() | after.keys() if before.get(each, each) != after.get(each, each)} <= concerned
        assert {name: kept.contracts[name] for name in kept.contracts} == all_
    assert Families(all_.values()).roots == kept.roots


@thoroughly
@given(st.lists(CONTRACTS, max_size=12))
def test_a_conflict_is_seen_by_the_edit_that_makes_it(given: list[Contract]) -> None:
    known = Families()
    all_: dict[str, Contract] = {}
    for contract in given:
        after = known.copy()
        problems = after.conflicts(after.put(contract))
        assert bool(problems) == has_conflict(all_ | {contract.id: contract})
        if not problems:  # as `publishing.plan` goes on
            known, all_ = after, all_ | {contract.id: contract}
