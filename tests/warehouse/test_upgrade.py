"""A warehouse that an earlier version has made and filled is brought up: what was in it is there, in the present views."""

import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipelines.settings import Settings
from pipelines.warehouse.client import connect
from pipelines.warehouse.migrations import migrate, migrations
from tests.site import relations

FILES = migrations()
ROWS = {
    "invoice_revisions": [
        {"customer": "acme", "contract": "c", "id": "i-1", "kind": "usage", "status": "draft", "currency": "USD", "total": "10", "revision": 1},
        {"customer": "acme", "contract": "c", "id": "i-1", "kind": "usage", "status": "final", "currency": "USD", "total": "12.34", "revision": 2},
        {"customer": "acme", "contract": "c", "id": "i-2", "kind": "usage", "status": "deleted", "currency": "USD", "total": "1", "revision": 3},
    ],
    "line_revisions": [
        {"customer": "acme", "contract": "c", "invoice": "i-1", "id": "l-1", "kind": "usage", "product": "calls", "group": {"region": "eu"}, "quantity": "6170",
         "unit_price": "0.002", "amount": "12.34", "currency": "USD", "deleted": False, "revision": 2},
        {"customer": "acme", "contract": "c", "invoice": "i-1", "id": "l-2", "kind": "usage", "amount": "1", "currency": "USD", "deleted": True, "revision": 3},
    ],
    "balance_revisions": [{"customer": "acme", "contract": "c", "id": "prepaid", "type": "prepaid", "granted": "500", "applied": "12.34", "remaining": "487.66", "revision": 2}],
    "crossing_records": [{"customer": "acme", "contract": "c", "threshold": "low", "crossing": 1, "state": "in_alarm", "value": "99"}],
}  # fmt: skip
"""What the first release could have written, by the columns that its tables had."""


@pytest.fixture
def database(address: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A database of its own, empty."""
    name = f"upgrade_{abs(hash(request.node.name)) % 10**9}"
    server = connect(Settings(data=tmp_path, clickhouse=address))
    server.command(f"CREATE DATABASE {name}")
    client = connect(Settings(data=tmp_path, clickhouse=f"{address.rpartition('/')[0]}/{name}"))
    yield client
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


def shown(client: Client) -> dict[str, list[dict[str, Any]]]:
    """What the views say, without when it was written."""
    found = {}
    for view in ("invoices", "invoice_lines", "balances", "alerts"):
        rows = client.query(f"SELECT * EXCEPT (written_at) FROM {view} ORDER BY ALL").named_results()
        found[view] = [dict(row) for row in rows]
    return found


def fill(client: Client) -> None:
    for table, rows in ROWS.items():
        for row in rows:
            client.insert(table, [list(row.values())], column_names=list(row))


def bring_up(client: Client, folder: Path | None = None) -> list[str]:
    return [each.name for each in migrate(lambda sql: client.raw_query(sql).decode(), str(client.database), folder=folder)]


@pytest.mark.parametrize("count", range(1, len(FILES)))
def test_rows_of_an_earlier_schema_are_shown_by_the_present_one(database: Client, tmp_path: Path, count: int) -> None:
    # given a warehouse with the first migrations alone, and rows
    early = tmp_path / "early"
    early.mkdir()
    for migration in FILES[:count]:
        with resources.as_file(resources.files("schemas") / "clickhouse" / migration.name) as file:
            shutil.copy(file, early)
    assert bring_up(database, early) == [each.name for each in FILES[:count]]
    fill(database)
    # when it is brought up
    applied = bring_up(database)
    # then the rows are there, as they hold
    assert applied == [each.name for each in FILES[count:]]
    found = shown(database)
    assert [(row["id"], row["status"], str(row["total"])) for row in found["invoices"]] == [("i-1", "final", "12.340000")]
    assert [(row["id"], str(row["amount"]), row["quantity_text"]) for row in found["invoice_lines"]] == [("l-1", "12.340000", "6170")]
    assert [str(row["remaining"]) for row in found["balances"]] == ["487.660000"]
    assert [row["threshold"] for row in found["alerts"]] == ["low"]
    # and nothing is left to do
    assert bring_up(database) == []


def test_a_migration_that_was_cut_off_goes_on(database: Client, tmp_path: Path) -> None:
    # given one whose statements ran and whose record is missing
    bring_up(database)
    fill(database)
    before = shown(database)
    database.command("DELETE FROM schema_migrations WHERE number = 1")
    # when
    applied = bring_up(database)
    # then
    assert applied == [FILES[0].name]
    assert shown(database) == before


def test_the_dictionary_has_every_column_that_there_is(database: Client) -> None:
    bring_up(database)

    asked = "SELECT table, groupArray(name) AS names FROM (SELECT table, name FROM system.columns WHERE database = currentDatabase() ORDER BY table, position) GROUP BY table"
    there = {row["table"]: set(row["names"]) for row in database.query(asked).named_results() if row["table"] != "schema_migrations"}

    assert {each.name: {column.name for column in each.columns} for each in relations()} == there
