"""The forms of the edit screen: from fields to a term that the contract takes, and back."""

from typing import Any

import msgspec
import pytest

from console.pages.parts.terms import KINDS, fresh_id, kind_of, put
from contracts.contract import Contract

FILLED: dict[str, Any] = {
    "id": "new", "multiplier": "0.5", "starting_at": "2025-10-15", "ending_before": "2025-11-01", "products": ["images"], "per_unit": "0.03", "amount": "100",
    "invoice_at": "2025-12-01", "percent": "10", "product": "seat", "quantity": "3", "price": "10", "every": "month", "collect": "arrears", "at": "50",
    "measure": "spend", "repeat": "5", "metric": "calls",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_filled_form_is_a_term_and_is_read_back(kind: Any) -> None:
    # given every field of the form
    values = {field.name: FILLED[field.name] for field in kind.fields if field.name in FILLED}
    # when it is written into a contract
    contract = put({"id": "a", "customer": "a", "starting_at": "2025-10-01"}, kind.list, None, kind.make(values))
    # then the contract can be read, and the form shows the same
    msgspec.convert(contract, Contract, strict=False)
    (term,) = contract[kind.list]
    found = kind_of(kind.list, term)
    assert found is not None
    assert found[0].name == kind.name
    assert {name: value for name, value in found[1].items() if value} == values


def test_what_a_form_cannot_show_is_left_to_the_text() -> None:
    segment = {"amount": "1", "starting_at": "2025-10-01"}
    assert kind_of("credits", {"id": "x", "access": [segment, segment]}) is None
    assert kind_of("overrides", {"id": "x", "tiers": [{"multiplier": "0.5"}]}) is None
    assert kind_of("commits", {"id": "x", "type": "prepaid", "access": [segment], "rollover": "0.5"}) is None


def test_a_term_takes_the_place_of_the_one_it_was() -> None:
    contract = {"credits": [{"id": "one"}, {"id": "two"}]}
    assert put(contract, "credits", "one", {"id": "uno"})["credits"] == [{"id": "uno"}, {"id": "two"}]
    assert put(contract, "credits", "two", None)["credits"] == [{"id": "one"}]
    assert "credits" not in put({"credits": [{"id": "one"}]}, "credits", "one", None)
    assert fresh_id(next(kind for kind in KINDS if kind.name == "Credit"), {"credits": [{"id": "credit"}]}) == "credit-2"
