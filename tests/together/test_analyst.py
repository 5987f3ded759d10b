"""The analyst's kit on the bill of the demo's month: every ready query answers, and what can be known beforehand is what it answers; export; dbt's models name what there is."""

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.local.addresses import located
from pipelines.settings import Settings
from pipelines.testing import Stack, until
from taximeter.commands.export import VIEWS
from tests.site import relations

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parents[2]
QUERIES = sorted((ROOT / "docs" / "queries").glob("*.sql"))
CASE = ROOT / "tests" / "cases" / "files" / "october-demo-edit.yaml"
LATE = ROOT / "tests" / "cases" / "files" / "late-event-next-invoice.yaml"
EMPTY = {"net-revenue-retention", "rejects-by-reason", "crossings"}
"""Those that may have nothing to tell of this month."""


class Bill:
    """A stack on which the case was played, once."""

    def __init__(self, stack: Stack) -> None:
        self.environment = {**os.environ, "TAXIMETER_DATA": str(stack.data)}
        self.taximeter("play", str(CASE), "--json")
        (row,) = until(lambda: self.sql("SELECT DISTINCT customer FROM invoice_lines"), "lines")
        self.customer = str(row["customer"])

    def taximeter(self, *words: str, given: str | None = None) -> str:
        command = [sys.executable, "-m", "taximeter.cli", *words]
        done = subprocess.run(command, env=self.environment, input=given, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, statement: str, **values: str) -> list[dict[str, Any]]:
        given = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        rows: list[dict[str, Any]] = json.loads(self.taximeter("sql", "-", "--json", *given, given=statement))
        return rows


@pytest.fixture(scope="module")
def bill(stack: Stack) -> Bill:
    return Bill(stack)


def ask(bill: Bill, name: str, **values: str) -> list[dict[str, Any]]:
    text = (ROOT / "docs" / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    known = {
        "customer": bill.customer,
        "commit": "annual",
        "month": "2025-10-01",
        "before": "2025-09-01",
        "after": "2025-10-01",
        **values,
    }
    return bill.sql(text, **{key: known[key] for key in set(re.findall(r"\{(\w+):", text))})


@pytest.mark.parametrize("path", QUERIES, ids=[path.stem for path in QUERIES])
def test_every_ready_query_answers(bill: Bill, path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("-- "), "it says what it shows"
    assert ask(bill, path.stem) or path.stem in EMPTY


def test_what_they_answer_is_the_bill(bill: Bill) -> None:
    invoice = [row for row in ask(bill, "invoice") if row["invoice_kind"] == "usage"]
    assert sum(Decimal(row["amount"]) for row in invoice) == Decimal("39100.00")
    (unbilled,) = ask(bill, "unbilled-usage")
    assert Decimal(unbilled["used"]) == Decimal("39100.00")
    (commit,) = ask(bill, "commits-left")
    assert Decimal(commit["remaining"]) == Decimal("60900.00")
    burned = ask(bill, "commit-burn-down")
    assert Decimal(burned[-1]["left_of_granted"]) == Decimal("60900.00")
    assert sum(Decimal(row["spend"]) for row in ask(bill, "revenue-by-product")) == Decimal("39100.00")
    assert sum(Decimal(row["change"]) for row in ask(bill, "top-movers")) == Decimal("39100.00")
    assert [row["version"] for row in ask(bill, "contract-history")] == [1, 2]
    (rate,) = ask(bill, "run-rate")
    assert Decimal(rate["projected"]) >= Decimal(rate["spend_so_far"]) == Decimal("39100.00")


def test_export_writes_what_the_views_hold(bill: Bill, tmp_path: Path) -> None:
    told = json.loads(bill.taximeter("export", str(tmp_path / "october"), "--period", "2025-10", "--customer", bill.customer, "--json"))

    assert {each["view"] for each in told} == set(VIEWS)
    lines = pq.read_table(tmp_path / "october" / "invoice_lines.parquet").to_pylist()
    invoices = {row["id"]: row["kind"] for row in pq.read_table(tmp_path / "october" / "invoices.parquet").to_pylist()}
    assert sum(row["amount"] for row in lines if invoices[row["invoice"]] == "usage") == Decimal("39100.00")
    assert isinstance(lines[0]["amount"], Decimal)
    assert not list((tmp_path / "october").glob(".*"))

    bill.taximeter("export", str(tmp_path / "other"), "--period", "2024", "--view", "invoices")
    assert pq.read_metadata(tmp_path / "other" / "invoices.parquet").num_rows == 0


def test_dbt_names_views_and_columns_that_there_are(bill: Bill) -> None:
    known = {each.name: {column.name for column in each.columns} for each in relations()}
    project = ROOT / "deploy" / "dbt"
    sources = yaml.safe_load((project / "models" / "sources.yml").read_text(encoding="utf-8"))
    tables = {table["name"]: {column["name"] for column in table["columns"]} for table in sources["sources"][0]["tables"]}
    models = {path.stem: path.read_text(encoding="utf-8") for path in (project / "models").glob("*.sql")}

    assert models
    for name, columns in tables.items():
        assert columns <= known[name], name
    settings = located(Settings(data=Path(bill.environment["TAXIMETER_DATA"])))
    assert settings.clickhouse
    for name, text in models.items():
        assert set(re.findall(r"source\('taximeter', '(\w+)'\)", text)) <= set(tables), name
        assert set(re.findall(r"ref\('(\w+)'\)", text)) <= set(models), name
        # What dbt would send: its macros for sources are names, and a model that is referred to is a query.
        bill.sql(_compiled(text, models))


def _compiled(text: str, models: dict[str, str]) -> str:
    text = re.sub(r"\{\{ *config\(.*?\) *\}\}", "", text)
    text = re.sub(r"\{\{ *source\('taximeter', '(\w+)'\) *\}\}", r"\1", text)
    return re.sub(r"\{\{ *ref\('(\w+)'\) *\}\}", lambda found: f"({_compiled(models[found[1]], models)})", text)


def test_the_dashboard_of_bills_asks_what_can_be_answered(bill: Bill) -> None:
    panels = json.loads((ROOT / "deploy" / "grafana" / "bills.json").read_text(encoding="utf-8"))["panels"]
    ready = {path.read_text(encoding="utf-8") for path in QUERIES}
    asked = {panel["title"]: panel["targets"][0]["rawSql"] for panel in panels}

    assert all(text in ready for title, text in asked.items() if title != "Events by hour and product")
    hourly = bill.sql(asked["Events by hour and product"].replace("$__timeFilter(hour)", "hour >= '2025-10-01' AND hour < '2025-11-01'"))
    assert {row["product"] for row in hourly} == {row["product"] for row in ask(bill, "usage-by-day")}


def test_void_invoices_do_not_count_and_late_usage_does(bill: Bill, tmp_path: Path) -> None:
    # given: January is void and made again, with what had come late by then (112.00 instead of 105.00), and 3.00 come later still
    case = yaml.safe_load(LATE.read_text(encoding="utf-8"))
    del case["expect"]
    late = {"event_type": "completion", "timestamp": "2025-01-31T12:00:00Z", "recorded_at": "2025-02-08T00:00:00Z", "properties": {"tokens": "3"}}
    case["usage"].append(late)
    january = {"contract": "acme-2025", "starting_at": "2025-01-01"}
    case["actions"] = [{"at": "2025-02-06T00:00:00Z", "void": january}, {"at": "2025-02-07T00:00:00Z", "regenerate": january}]
    path = tmp_path / "void.yaml"
    path.write_text(yaml.safe_dump(case, default_flow_style=False), encoding="utf-8")
    bill.taximeter("play", str(path), "--json")

    # then
    spend = {row["month"]: Decimal(row["spend"]) for row in ask(bill, "revenue-by-product") if row["month"] < "2025-09"}
    assert spend == {"2025-01-01": Decimal("115.00"), "2025-02-01": Decimal("20.00")}
    (moved,) = [row for row in ask(bill, "top-movers", before="2025-01-01", after="2025-02-01") if row["customer"] != bill.customer]
    assert Decimal(moved["change"]) == Decimal("-95.00")
    (kept,) = ask(bill, "net-revenue-retention", before="2025-01-01", after="2025-02-01")
    assert (Decimal(kept["revenue_before"]), Decimal(kept["revenue_after"])) == (Decimal("115.00"), Decimal("20.00"))
