from contracts.contract import Contract
from contracts.families import conflicts, roots


def contracts(*given: Contract) -> dict[str, Contract]:
    return {contract.id: contract for contract in given}


def contract(name: str, customer: str, parent: str | None = None, aliases: tuple[str, ...] = ()) -> Contract:
    return Contract(id=name, customer=customer, starting_at="2025-01-01", parent=parent, aliases=list(aliases))


def test_a_family_has_the_root_of_its_uppermost_parent() -> None:
    known = contracts(contract("g", "group"), contract("m", "middle", "g"), contract("c", "child", "m", ("old", "older")))
    assert roots(known) == {"group": "group", "middle": "group", "child": "group", "old": "group", "older": "group"}
    assert conflicts(known) == []


def test_one_contract_under_a_parent_takes_the_whole_customer_along() -> None:
    known = contracts(contract("g", "group"), contract("a", "child"), contract("b", "child", "g", ("legacy",)))
    assert roots(known) == {"group": "group", "child": "group", "legacy": "group"}


def test_a_parent_that_is_not_known_yet_counts_as_none() -> None:
    assert roots(contracts(contract("c", "child", "nobody"))) == {"child": "child"}


def test_two_parents_circles_and_stolen_aliases_are_conflicts() -> None:
    two = conflicts(contracts(contract("g", "g"), contract("h", "h"), contract("1", "child", "g"), contract("2", "child", "h")))
    assert len(two) == 1
    assert "two parents: g (by contract 1), h (by contract 2)" in two[0]
    circle = conflicts(contracts(contract("a", "a", "b"), contract("b", "b", "a")))
    assert [line.split(" is its own")[0] for line in circle] == ["customer a", "customer b"]
    stolen = conflicts(contracts(contract("a", "a", aliases=("x",)), contract("b", "b", aliases=("x",))))
    assert stolen == ["id x would belong to several customers: a (by contract a), b (by contract b); take it off the aliases of all but one"]
