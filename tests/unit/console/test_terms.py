"""The forms of the edit screen: from fields to a term that the contract takes, and back."""

from typing import Any

import msgspec
import pytest

from console.pages.parts.terms import KINDS, fresh_id, kind_of, listed, put, title
from contracts.contract import Contract, Override

FILLED: dict[str, Any] = {
    "id": "new", "multiplier": "0.5", "starting_at": "2025-10-15", "ending_before": "2025-11-01", "products": ["images"], "per_unit": "0.03", "amount": "100",
    "invoice_at": "2025-12-01", "percent": "10", "product": "seat", "quantity": "3", "price": "10", "every": "month", "collect": "arrears", "at": "50",
    "measure": "spend", "repeat": "5", "metric": "calls", "valid_periods": "3", "proration": "first", "invoice_amount": "90", "from": "2025-10-01", "until": "2026-10-01", "split": "divided",
    "type": "postpaid", "access": [{"amount": "50", "starting_at": "2025-10-01", "ending_before": "2026-01-01"}, {"amount": "60", "starting_at": "2026-01-01"}],
    "invoice": [{"amount": "110", "at": "2026-02-01"}], "changes": [{"at": "2025-11-01", "quantity": "5"}, {"at": "2025-12-01", "price": "9"}],
    "name": "The new one", "tags": "ai, edge", "commits": "annual, promo", "target": "commit", "priority": "5", "rate": "commit", "rollover": "0.5", "shared": "all",
    "where": [
        {"property": "region", "test": "is", "values": "eu, us"}, {"property": "tier", "test": "is not", "values": "free"},
        {"property": "seat", "test": "is there"}, {"property": "trial", "test": "is missing"},
    ],
    "tiers": [{"size": "100", "multiplier": "0.9"}, {"multiplier": "0.8"}], "entitled": "no", "prorate": "no", "model": "per_unit",
    "graduated": [{"up_to": "100", "per_unit": "1"}, {"per_unit": "0.5", "flat": "3"}], "volume": [{"up_to": "10", "flat": "5"}, {"per_unit": "0.4"}],
    "size": "1000", "package": "12", "flat": "99", "share": "0.1", "least": "5", "free": "50",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_filled_form_is_a_term_and_is_read_back(kind: Any) -> None:
    # given every field of the form
    fields = [*kind.shown(FILLED), *kind.more]
    values = {field.name: FILLED[field.name] for field in fields}
    # when it is written into a contract
    contract, key = put({"id": "a", "customer": "a", "starting_at": "2025-10-01"}, kind.list, None, kind.make(values))
    # then the contract can be read, and the form shows the same
    msgspec.convert(contract, Contract, strict=False)
    ((told, term),) = listed(contract, kind.list)
    assert told == key
    found = kind_of(kind.list, term)
    assert found is not None
    assert found[0].name == kind.name
    assert {name: value for name, value in found[1].items() if value} == values


@pytest.mark.parametrize(
    ("model", "price"),
    (
        ("per_unit", {"per_unit": "0.03", "free": "50"}),
        ("package", {"package": {"size": "1000", "price": "12"}, "free": "50"}),
        ("graduated", {"graduated": [{"up_to": "100", "per_unit": "1"}, {"per_unit": "0.5", "flat": "3"}], "free": "50"}),
        ("volume", {"volume": [{"up_to": "10", "flat": "5"}, {"per_unit": "0.4"}], "free": "50"}),
        ("flat", {"flat": "99", "free": "50"}),
        ("percentage", {"percentage": {"rate": "0.1", "minimum": "5"}}),
    ),
)
def test_every_way_to_price_has_its_fields(model: str, price: dict[str, Any]) -> None:
    kind = next(kind for kind in KINDS if kind.name == "Fixed price")
    # given what is filled in for all of them, when one is chosen
    values = FILLED | {"model": model}
    term = kind.make(values)
    # then the term has that one alone, and its form shows no other
    assert term["price"] == price
    msgspec.convert(term, Override, strict=False)
    found = kind.read(term)
    assert found is not None
    assert {name: value for name, value in found.items() if value} == {field.name: values[field.name] for field in [*kind.shown(values), *kind.more]}


def test_a_filter_is_written_as_the_contract_has_it() -> None:
    kind = next(kind for kind in KINDS if kind.name == "Credit")
    made = kind.make(FILLED)
    assert made["where"] == {"region": ["eu", "us"], "tier": {"not_in": ["free"]}, "seat": {"exists": True}, "trial": {"exists": False}}
    assert (made["priority"], made["tags"], made["shared"]) == (5, ["ai", "edge"], "all")
    assert kind.make(FILLED | {"shared": "one, two"})["shared"] == ["one", "two"]
    # and what is half filled in is left out
    assert "where" not in kind.make(FILLED | {"where": [{"property": "", "test": "is", "values": "eu"}, {"property": "region", "test": "is", "values": " "}]})


def test_what_a_form_cannot_show_is_left_to_the_text() -> None:
    segment = {"amount": "1", "starting_at": "2025-10-01"}
    assert kind_of("credits", {"id": "x", "access": [segment], "priority": 5}) is not None
    assert kind_of("credits", {"id": "x", "access": [segment], "where": {"region": ["a,b"]}}) is None
    assert kind_of("credits", {"id": "x", "access": [segment], "where": {"region": {"exists": True, "not_in": ["a"]}}}) is None
    assert kind_of("overrides", {"id": "x", "price": {"per_unit": "1", "flat": "2"}}) is None
    assert kind_of("overrides", {"id": "x", "multiplier": "0.5", "entitled": True}) is None
    assert kind_of("commits", {"id": "x", "type": "prepaid", "access": [segment], "unknown": "0.5"}) is None


def test_a_term_takes_the_place_of_the_one_it_was() -> None:
    contract = {"credits": [{"id": "one"}, {"id": "two"}]}
    assert put(contract, "credits", "one", {"id": "uno"}) == ({"credits": [{"id": "uno"}, {"id": "two"}]}, "uno")
    assert put(contract, "credits", "two", None)[0]["credits"] == [{"id": "one"}]
    assert "credits" not in put({"credits": [{"id": "one"}]}, "credits", "one", None)[0]
    assert fresh_id(next(kind for kind in KINDS if kind.name == "Credit"), {"credits": [{"id": "credit"}]}) == "credit-2"


def test_a_bound_is_told_by_its_place_and_stands_alone_when_it_is_alone() -> None:
    # given a contract without a minimum, when one is put and then another one
    one, first = put({}, "minimum", None, {"amount": "100"})
    both, second = put(one, "minimum", None, {"amount": "50", "products": ["images"]})
    # then each is where it was put, and the document has no list while there is one
    assert (one["minimum"], first) == ({"amount": "100"}, "0")
    assert (both["minimum"][1]["amount"], second) == ("50", "1")
    assert put(both, "minimum", "0", {"amount": "120"})[0]["minimum"][0] == {"amount": "120"}
    assert put(both, "minimum", "0", None)[0]["minimum"] == {"amount": "50", "products": ["images"]}
    assert "minimum" not in put(one, "minimum", "0", None)[0]
    assert fresh_id(next(kind for kind in KINDS if kind.name == "Minimum"), {}) is None
    assert [title("minimum", term) for _, term in listed(both, "minimum")] == ["minimum 100", "minimum 50"]


def test_rows_without_anything_in_them_are_left_out() -> None:
    kind = next(kind for kind in KINDS if kind.name == "Credit on a schedule")
    made = kind.make({"id": "x", "access": [{"amount": "1", "starting_at": "2025-10-01", "ending_before": ""}, {}, {"amount": ""}]})
    assert made == {"id": "x", "access": [{"amount": "1", "starting_at": "2025-10-01"}]}
