from contracts.contract import Contract
from contracts.families import Families


def contract(name: str, customer: str, parent: str | None = None, aliases: tuple[str, ...] = ()) -> Contract:
    return Contract(id=name, customer=customer, starting_at="2025-01-01", parent=parent, aliases=list(aliases))


def conflicts(*contracts: Contract) -> list[str]:
    known = Families(contracts)
    return known.conflicts(known.roots)


def test_a_family_has_the_root_of_its_uppermost_parent() -> None:
    known = Families((contract("g", "group"), contract("m", "middle", "g"), contract("c", "child", "m", ("old", "older"))))
    assert known.roots == {"group": "group", "middle": "group", "child": "group", "old": "group", "older": "group"}
    assert known.conflicts(known.roots) == []
    assert known.root("somebody") == "somebody"


def test_one_contract_under_a_parent_takes_the_whole_customer_along() -> None:
    known = Families((contract("g", "group"), contract("a", "child"), contract("b", "child", "g", ("legacy",))))
    assert known.roots == {"group": "group", "child": "group", "legacy": "group"}
    assert [each.id for each in known.contracts_of("child")] == ["a", "b"]
    assert known.contracts_of("legacy") == []


def test_a_parent_that_is_not_known_yet_counts_as_none() -> None:
    known = Families([contract("c", "child", "nobody")])
    assert known.roots == {"child": "child"}
    assert known.put(contract("nobody", "group")) == {"group", "child"}
    assert known.roots == {"child": "group", "group": "group"}


def test_what_does_not_move_anybody_concerns_nobody() -> None:
    known = Families((contract("g", "group"), contract("c", "child", "g", ("old",))))
    copy = known.copy()
    assert known.put(Contract(id="c", customer="child", starting_at="2025-01-01", parent="g", aliases=["old"], name="another name")) == set()
    assert known.contracts["c"].name == "another name"
    assert known.put(contract("c", "child", "g")) == {"child", "old"}
    assert known.roots == {"group": "group", "child": "group"}
    assert copy.roots == {"group": "group", "child": "group", "old": "group"}, "a copy stays as it was"


def test_two_parents_circles_and_stolen_aliases_are_conflicts() -> None:
    two = conflicts(contract("g", "g"), contract("h", "h"), contract("1", "child", "g"), contract("2", "child", "h"))
    assert len(two) == 1
    assert "two parents: g (by contract 1), h (by contract 2)" in two[0]
    circle = conflicts(contract("a", "a", "b"), contract("b", "b", "a"))
    assert [line.split(" is its own")[0] for line in circle] == ["customer a", "customer b"]
    stolen = conflicts(contract("a", "a", aliases=("x",)), contract("b", "b", aliases=("x",)))
    assert stolen == ["id x would belong to several customers: a (by contract a), b (by contract b); take it off the aliases of all but one"]
