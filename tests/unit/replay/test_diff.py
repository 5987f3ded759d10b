"""What a diff says of a family, wherever its generation stands: before a cutover, after it, and after the way back."""

from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import read_documents
from contracts.result import Result
from contracts.twins import Scope, twin
from contracts.usage import Delta
from pipelines.replay.diff import results
from pipelines.replay.generations import KIND, Generation, Step
from pipelines.warehouse.rebuild import FamilyInputs, RecordedDocument

OCTOBER: Final = 1_759_276_800_000
HOUR: Final = 3_600_000
NOW: Final = OCTOBER + 100 * HOUR
SCOPE: Final = Scope({"default": {"calls": "sum"}})
TEXT: Final = """
catalogue:
  metrics: {calls: {event_types: [call], aggregation: sum, value: n}}
  products: {calls: {name: Calls, metric: calls}}
  rate_cards: {list: {rates: [{product: calls, price: {per_unit: "1"}}]}}
---
contract: {id: k, customer: acme, rate_card: list, starting_at: 2025-10-01}
"""


def delta(product: str, value: int, hour: int) -> Delta:
    at = OCTOBER + hour * HOUR
    return Delta("default", product, "acme", {}, at, at, at, 1, Decimal(value))


def documents(*steps: str) -> tuple[RecordedDocument, ...]:
    """The catalogue and the contract, a generation that is begun, and what is done with it, an hour apart."""
    found: list[RecordedDocument] = []
    for each in read_documents([(TEXT, "text")], None):
        body = msgspec.json.encode(each).decode()
        assert isinstance(each, Catalogue | Contract)
        found.append(RecordedDocument("catalogue" if isinstance(each, Catalogue) else "contract", each.id, 1, OCTOBER, body))
    for place, name in enumerate(("begin", *steps)):
        step = Step(name, 1, SCOPE if name == "begin" else None)  # type: ignore[arg-type]
        found.append(RecordedDocument(KIND, "generation-1", place + 1, OCTOBER + (50 + place) * HOUR, msgspec.json.encode(step).decode()))
    return tuple(found)


def total(result: Result) -> int:
    return int(sum(invoice.total for invoice in result.invoices))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((), (17, 27)), (("still", "cutover"), (27, 17)), (("cutover", "back"), (17, 27)), (("cutover", "back", "cutover"), (27, 17))],
    ids=["begun", "live", "back", "live again"],
)
def test_a_diff_tells_what_the_next_exchange_does(steps: tuple[str, ...], expected: tuple[int, int]) -> None:
    # given usage that was metered as 10 and is 20 in the generation, and usage of later that is 7 in both
    deltas = [delta("calls", 10, 1), delta(twin("calls", 1), 20, 1), delta("calls", 7, 60), delta(twin("calls", 1), 7, 60)]
    inputs = FamilyInputs("acme", documents(*steps), tuple(deltas))

    # when
    one, other = results(inputs, Generation(1, SCOPE), NOW)

    # then
    assert (total(one), total(other)) == expected


def test_an_earlier_generation_that_was_given_up_does_not_matter() -> None:
    # given one that was billed and taken back, and one after it
    later: list[Any] = [RecordedDocument(KIND, "generation-2", 1, OCTOBER + 80 * HOUR, msgspec.json.encode(Step("begin", 2, SCOPE)).decode())]
    deltas = [delta("calls", 10, 1), delta(twin("calls", 1), 20, 1), delta(twin("calls", 2), 30, 1)]
    inputs = FamilyInputs("acme", (*documents("cutover", "back", "abort"), *later), tuple(deltas))

    one, other = results(inputs, Generation(2, SCOPE), NOW)

    assert (total(one), total(other)) == (10, 30)
