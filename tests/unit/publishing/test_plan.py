from decimal import Decimal

import msgspec
import pytest

from contracts.catalogue import Catalogue, Price, Product, Rate, RateCard
from contracts.contract import Contract
from contracts.errors import DocumentError
from pipelines.document_log import Documents
from pipelines.edits import Change, Edit, plan
from pipelines.partitioning import partition_of
from schemas.codec import Codec

PARTITIONS = 12
CATALOGUE = Catalogue(
    products={"tokens": Product(name="Tokens")},
    rate_cards={"list": RateCard(rates=[Rate(product="tokens", price=Price(per_unit=Decimal("0.5")))])},
)
TIMES = {"wall": 1000, "october": 2000}


def contract(name: str, customer: str, parent: str | None = None, aliases: tuple[str, ...] = ()) -> Contract:
    return Contract(id=name, customer=customer, starting_at="2025-01-01", clock="october", parent=parent, aliases=list(aliases))


def after(*edits: Edit) -> Documents:
    documents = Documents()
    codec = Codec()
    for number, edit in enumerate(edits):
        for change in plan(edit, documents, PARTITIONS, str(number)):
            documents.record(codec.decode("contract_change", codec.encode("contract_change", change.value)))
    return documents


def edit(*contracts: Contract, catalogue: bool = False) -> Edit:
    return Edit([CATALOGUE] if catalogue else [], contracts, "ada", TIMES)


def of(changes: list[Change], kind: str) -> list[Change]:
    return [change for change in changes if change.value["kind"] == kind]


def test_a_catalogue_goes_to_every_partition_and_a_contract_to_its_roots() -> None:
    changes = plan(edit(contract("group", "Group"), contract("child", "Child", "group"), catalogue=True), Documents(), PARTITIONS, "e1")
    assert [change.partition for change in of(changes, "catalogue")] == list(range(PARTITIONS))
    assert {change.partition for change in of(changes, "contract")} == {partition_of("Group", PARTITIONS)}
    assert {change.value["root"] for change in of(changes, "contract")} == {"Group"}
    assert {change.value["edit"] for change in changes} == {"e1"}
    assert {change.value["author"] for change in changes} == {"ada"}
    assert {change.value["recorded_at"] for change in of(changes, "contract")} == {2000}


def test_bodies_come_back_as_they_were() -> None:
    given = contract("c", "C", aliases=("legacy",))
    documents = after(edit(given, catalogue=True))
    assert documents.catalogues["default"].catalogue == CATALOGUE
    assert documents.contracts["c"].contract == given
    assert msgspec.json.decode(plan(edit(given), documents, PARTITIONS, "x")[0].value["body"])["id"] == "c"


def test_versions_count_from_one() -> None:
    documents = after(edit(contract("c", "C"), catalogue=True), edit(contract("c", "C")))
    assert documents.contracts["c"].version == 2
    assert documents.catalogues["default"].version == 1
    assert [change.value["version"] for change in plan(edit(contract("c", "C")), documents, PARTITIONS, "x")] == [3]


def test_a_new_alias_moves_from_where_its_usage_was_going() -> None:
    documents = after(edit(contract("c", "C"), catalogue=True))
    moves = of(plan(edit(contract("c", "C", aliases=("legacy",))), documents, PARTITIONS, "x"), "move")
    assert [(move.partition, move.value["id"], move.value["root"]) for move in moves] == [
        (partition_of("C", PARTITIONS), "legacy", "C"),
        (partition_of("legacy", PARTITIONS), "legacy", "C"),
    ]


def test_an_alias_taken_back_moves_back() -> None:
    documents = after(edit(contract("c", "C", aliases=("legacy",)), catalogue=True))
    moves = of(plan(edit(contract("c", "C")), documents, PARTITIONS, "x"), "move")
    assert [(move.partition, move.value["id"], move.value["root"]) for move in moves] == [
        (partition_of("legacy", PARTITIONS), "legacy", "legacy"),
        (partition_of("C", PARTITIONS), "legacy", "legacy"),
    ]


def test_an_alias_moves_at_the_time_of_who_gets_it() -> None:
    """Else the clock of a customer on a test clock would jump to that of the one who has it so far."""
    former = msgspec.structs.replace(contract("c", "C", aliases=("legacy",)), clock="wall")
    documents = after(edit(former, contract("d", "D"), catalogue=True))
    away, there = msgspec.structs.replace(former, aliases=[]), contract("d", "D", aliases=("legacy",))
    for both in ((away, there), (there, away)):
        assert {move.value["recorded_at"] for move in of(plan(edit(*both), documents, PARTITIONS, "x"), "move")} == {2000}


def test_an_alias_does_not_leave_at_a_time_to_come() -> None:
    documents = after(edit(contract("c", "C", aliases=("legacy",)), contract("d", "D"), catalogue=True))
    for away in (
        edit(contract("c", "C")),
        edit(contract("c", "C"), contract("d", "D", aliases=("legacy",))),
        edit(contract("c", "C"), contract("l", "legacy")),
    ):
        with pytest.raises(DocumentError) as refused:
            plan(away._replace(effective_ms=2_000_000_000_000), documents, PARTITIONS, "x")
        assert [problem for problem in refused.value.problems if "id legacy would leave customer C when the edit begins to hold" in problem]
        assert of(plan(away, documents, PARTITIONS, "x"), "move")


def test_an_id_that_nobody_names_joins_at_a_time_to_come() -> None:
    """Its usage waits with its owner, who does not bill it before."""
    documents = after(edit(contract("c", "C"), catalogue=True))
    scheduled = edit(contract("c", "C", aliases=("legacy",)))._replace(effective_ms=2_000_000_000_000)
    assert [move.value["root"] for move in of(plan(scheduled, documents, PARTITIONS, "x"), "move")] == ["C", "C"]


def test_a_new_customer_under_a_parent_moves_the_usage_that_came_before() -> None:
    documents = after(edit(contract("group", "Group"), catalogue=True))
    moves = of(plan(edit(contract("child", "Child", "group")), documents, PARTITIONS, "x"), "move")
    assert [(move.partition, move.value["id"], move.value["root"]) for move in moves] == [
        (partition_of("Group", PARTITIONS), "Child", "Group"),
        (partition_of("Child", PARTITIONS), "Child", "Group"),
    ]


def test_a_customer_with_contracts_stays_in_its_family() -> None:
    documents = after(edit(contract("group", "Group"), contract("child", "Child"), catalogue=True))
    with pytest.raises(DocumentError, match="customer Child would move from the family of Child to that of Group"):
        plan(edit(contract("child", "Child", "group")), documents, PARTITIONS, "x")


def test_what_a_contract_names_must_be_there() -> None:
    with pytest.raises(DocumentError) as refused:
        plan(edit(contract("c", "C", parent="nobody")), Documents(), PARTITIONS, "x")
    assert len(refused.value.problems) == 2
    assert "there is no catalogue 'default' yet (known: none)" in refused.value.problems[0]
    assert "there is no contract 'nobody' yet" in refused.value.problems[1]


def test_who_gives_an_id_away_comes_before_who_takes_it() -> None:
    documents = after(edit(contract("c", "C", aliases=("legacy",)), contract("d", "D"), contract("e", "E"), catalogue=True))
    taken = edit(contract("d", "D", aliases=("legacy",)), contract("e", "E"), contract("c", "C"))
    assert [change.value["id"] for change in of(plan(taken, documents, PARTITIONS, "x"), "contract")] == ["e", "c", "d"]


def test_parents_come_before_their_children_also_when_they_take_an_id() -> None:
    documents = after(edit(contract("c", "C", aliases=("legacy",)), contract("e", "E"), catalogue=True))
    taken = edit(contract("kid", "Kid", "d"), contract("d", "D", aliases=("legacy",)), contract("e", "E"), contract("c", "C"))
    assert [change.value["id"] for change in of(plan(taken, documents, PARTITIONS, "x"), "contract")] == ["e", "c", "d", "kid"]
