"""The published JSON Schemas are those of the models, take what the program takes, and refuse what has another shape."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import sources
from taximeter.document_schemas import FOLDER, schemas, text

CASES = sorted((Path(__file__).parents[2] / "cases" / "files").glob("*.yaml"))
RIGHT = """\
case: right
catalogue:
  metrics: {tokens: {event_types: [completion], aggregation: sum, value: tokens}}
  products: {tokens: {name: Tokens, metric: tokens}}
  rate_cards: {list: {rates: [{product: tokens, price: {per_unit: "1.00"}}]}}
contracts:
  - {id: acme, customer: acme, rate_card: list, starting_at: 2025-01-01, minimum: {amount: "5"}}
usage:
  - {event_type: completion, timestamp: 2025-01-02T00:00:00Z, properties: {tokens: 3, free: true}}
as_of: 2025-01-03
"""


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    published = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    return jsonschema.Draft202012Validator(published)


def data_of(written: str) -> Any:
    return sources.read(written, "x.yaml")[0].data


@pytest.mark.parametrize("name", ("catalogue.json", "contract.json", "case.json"))
def test_the_files_are_those_of_the_models(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text(schemas()[name]), "run `python -m taximeter.document_schemas`"


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_every_case_has_the_shape(path: Path) -> None:
    case = data_of(path.read_text(encoding="utf-8"))
    problems = [f"{list(error.path)}: {error.message}" for error in validator("case.json").iter_errors(case)]
    assert problems == []
    if isinstance(case["catalogue"], dict):
        assert validator("catalogue.json").is_valid({"catalogue": case["catalogue"]})
    for contract in case["contracts"]:
        assert validator("contract.json").is_valid({"contract": contract})


@pytest.mark.parametrize(
    ("place", "value"),
    (
        (("contracts", 0, "custommer"), "acme"),
        (("contracts", 0, "starting_at"), "soon"),
        (("contracts", 0, "late_usage"), "never"),
        (("contracts", 0, "minimum", "amount"), "five"),
        (("contracts", 0, "aliases"), "old"),
        (("contracts", 0, "billing"), {"period": "daily"}),
        (("contracts", 0, "overrides"), [{"multiplier": "0.5"}]),
        (("catalogue", "metrics", "tokens", "aggregation"), "average"),
        (("catalogue", "rate_cards", "list", "rates", 0, "price", "per_unit"), 1.5),
        (("usage", 0, "timestamp"), "P1D"),
        (("usage", 0, "properties", "tokens"), 1.5),
        (("as_off",), "2025-01-03"),
        (("expect",), {"invoice": []}),
    ),
)
def test_another_shape_is_refused(place: tuple[str | int, ...], value: object) -> None:
    # given a case that has the shape
    case = data_of(RIGHT)
    assert validator("case.json").is_valid(case)
    # when one place has another
    wrong = copy.deepcopy(case)
    inner = wrong
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    # then the schema refuses it
    assert not validator("case.json").is_valid(wrong)


def test_a_contract_may_fill_a_package_whose_times_are_durations() -> None:
    package = {"rate_card": "list", "ending_before": "P1Y", "credits": [{"id": "trial", "access": [{"amount": "10", "starting_at": "P0D", "ending_before": "P14D"}]}]}
    contract = {"id": "a", "customer": "a", "starting_at": "2025-01-01", "package": "plg"}
    assert validator("contract.json").is_valid({"packages": {"plg": package}, "contract": contract})
    assert not validator("contract.json").is_valid({"packages": {"plg": {**package, "customer": "a"}}, "contract": contract})


def test_editors_show_what_fields_mean() -> None:
    published = schemas()["contract.json"]["$defs"]
    assert published["Billing"]["properties"]["anchor"]["description"].startswith("`first_of_month`")
    assert published["RecurringCommit"]["properties"]["invoice_amount"]["description"].startswith("What is invoiced")
    assert published["Override"]["properties"]["priority"]["default"] == 100
