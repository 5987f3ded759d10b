"""What the pages of replays and what-ifs say, from what they are given."""

from decimal import Decimal
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from console.errors import InvalidError
from console.pages.parts.locales import ENGLISH
from console.pages.parts.scope import Chosen, chosen_in
from console.pages.parts.whatif import comparison
from console.pages.replay import difference, listed, progress
from console.whatifs import Row


def generation(**more: Any) -> dict[str, Any]:
    return {
        "number": 3, "state": "open", "note": "why", "author": "ann", "correction": False, "products": {"default": ["tokens"]}, "customers": [],
        "period": {"from": None, "until": None}, "complete": False, "missing": 250, "steps": [{"step": "begin", "at": "2026-11-01T00:00:00Z"}],
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("given", "most", "rate", "says"),
    (
        ({}, 1_000, 50.0, "250 events left to read, 50 a second, about 5 s left"),
        ({}, 1_000, None, "250 events left to read"),
        ({"missing": 0, "complete": True}, 1_000, None, "complete"),
        ({"missing": 0}, 0, None, "METER begins"),
    ),
)
def test_progress_tells_rate_and_time_left(given: dict[str, Any], most: int, rate: float | None, says: str) -> None:
    assert says in progress(generation(**given), most, rate)


def test_progress_of_a_generation_that_is_metered_no_more_is_empty() -> None:
    assert progress(generation(missing=None, complete=None), 0, None) == ""


def test_a_list_without_generations_says_what_to_do() -> None:
    assert "No replay yet" in listed([])
    assert "tokens of all customers" in listed([generation()])
    assert "from 2025-10-01T00:00:00Z until now" in listed([generation(period={"from": "2025-10-01T00:00:00Z", "until": None})])


def test_a_difference_tells_how_many_were_compared() -> None:
    assert "Nothing would change" in difference([], 0, 5, 5, {}, ended=True)
    assert "2 of 9 compared so far" in difference([], 0, 2, 9, {}, ended=False)


def test_what_is_chosen_comes_back_from_the_address() -> None:
    chosen = chosen_in(QueryParams("customer=a&customer=b&product=tokens&from=2025-10-01&offsets=3:10-20"))
    assert chosen_in(QueryParams(chosen.query())) == chosen
    asked = chosen.asked()
    assert (asked.customers, asked.products, asked.from_ms, asked.until_ms, asked.offsets) == (["a", "b"], ["tokens"], 1_759_276_800_000, None, [(3, 10, 20)])


@pytest.mark.parametrize(("chosen", "field"), ((Chosen(times={"from": "soon"}), "from"), (Chosen(offsets=["3"]), "offsets")))
def test_a_field_that_does_not_fit_is_named(chosen: Chosen, field: str) -> None:
    with pytest.raises(InvalidError) as wrong:
        chosen.asked()
    assert wrong.value.wrong[0].field == field


def test_a_comparison_tells_each_versions_difference_and_the_totals() -> None:
    rows = [
        Row("k", "tokens", "USD", Decimal("10.00"), {"@1": Decimal("10.00"), "half": Decimal("5.00")}),
        Row("other", "minimum", "USD", Decimal("1.00"), {"@1": Decimal("1.00"), "half": Decimal("3.50")}),
    ]
    shown = ENGLISH.put(comparison(rows, [("@1", "version 1"), ("half", "half")], {"tokens": "Tokens"}, "k"))
    assert "−5.00" in shown
    assert "+2.50" in shown
    assert "Total, USD" in shown
    assert ">8.50<" in shown
    assert "<small>other</small>" in shown
    assert "Nothing to compare" in comparison([], [], {}, "k")
