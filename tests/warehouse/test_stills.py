"""What readers see stands still while rows come in, and changes at one moment."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from pipelines.settings import Settings
from pipelines.warehouse import stills
from pipelines.warehouse.client import connect
from pipelines.warehouse.stills import Still

CUSTOMERS = [f"still-{number}" for number in range(40)]
MONTHS = ("2024-12-01 00:00:00", "2025-01-01 00:00:00")
"""Two partitions of the tables."""
SUMS = {
    "invoices": "SELECT sum(total), count() FROM invoices WHERE startsWith(customer, 'still-')",
    "invoice_lines": "SELECT sum(amount), count() FROM invoice_lines WHERE startsWith(customer, 'still-')",
    "balances": "SELECT sum(remaining), count() FROM balances WHERE startsWith(customer, 'still-')",
}


def bill(client: Client, customers: Sequence[str], total: int, revision: int) -> None:
    """An invoice for each month with one line of its whole total, and a balance."""
    each = f"arrayJoin({list(customers)}) AS customer, 'k' AS contract, 'USD' AS currency, {revision} AS revision"
    month = f"arrayJoin({list(MONTHS)}) AS starting_at"
    client.command(
        "INSERT INTO invoice_revisions (id, kind, status, total, customer, contract, currency, revision, starting_at) "
        f"SELECT concat(customer, starting_at), 'usage', 'draft', {total}, {each}, {month}"
    )
    client.command(
        "INSERT INTO line_revisions (invoice, id, kind, amount, deleted, customer, contract, currency, revision, starting_at) "
        f"SELECT concat(customer, starting_at), 'line', 'usage', {total}, false, {each}, {month}"
    )
    client.command(
        f"INSERT INTO balance_revisions (id, type, remaining, deleted, customer, contract, currency, revision) SELECT 'grant', 'credit', {total}, false, {each}"
    )


@pytest.fixture
def billed(client: Client) -> Client:
    """Every customer is billed 1 in each month."""
    for table in (*stills.COPIES, "reader_stills"):
        client.command(f"TRUNCATE TABLE {table}")
    bill(client, CUSTOMERS, 1, 1)
    return client


def seen(client: Client) -> dict[str, tuple[int, int]]:
    return {view: (int(total), count) for view, statement in SUMS.items() for total, count in client.query(statement).result_rows}


OLD = {"invoices": (80, 80), "invoice_lines": (80, 80), "balances": (40, 40)}
NEW = {"invoices": (240, 80), "invoice_lines": (240, 80), "balances": (120, 40)}


def test_readers_see_all_of_the_old_and_then_all_of_the_new(billed: Client, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "HELD_S", 3600)  # however slow the machine is
    # given readers who look all the time
    found: dict[str, set[tuple[int, int]]] = {view: set() for view in SUMS}
    stop = threading.Event()

    def look(view: str) -> None:
        reader = connect(Settings(data=tmp_path, clickhouse=address))
        while not stop.is_set():
            total, count = reader.query(SUMS[view]).result_rows[0]
            found[view].add((int(total), count))
        reader.close()

    readers = [threading.Thread(target=look, args=(view,)) for view in SUMS]
    for each in readers:
        each.start()

    # when all customers are billed anew, one after the other, in a still
    still = Still(billed, 3, 1)
    still.begin()
    for first in range(0, len(CUSTOMERS), 4):
        bill(billed, CUSTOMERS[first : first + 4], 3, 2)
    before = seen(billed)
    still.end()
    after = seen(billed)
    stop.set()
    for each in readers:
        each.join()

    # then nobody has seen anything in between
    assert before == OLD
    assert after == NEW
    for view, pairs in found.items():
        assert pairs <= {OLD[view], NEW[view]}, view


def test_a_still_begins_once(billed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "HELD_S", 3600)
    # given one that is over, and what has changed since
    Still(billed, 3, 1).begin()
    Still(billed, 3, 1).end()
    bill(billed, CUSTOMERS[:1], 161, 2)

    # when SINK reads the record again that asked for it
    Still(billed, 3, 1).begin()

    # then nothing stands still; another record makes it stand again, with what there is now
    assert seen(billed)["invoices"] == (400, 80)
    Still(billed, 3, 2).begin()
    bill(billed, CUSTOMERS[:1], 1, 3)
    assert seen(billed)["invoices"] == (400, 80)
    Still(billed, 3, 2).end()
    assert seen(billed)["invoices"] == (80, 80)


def test_a_still_that_nobody_prolongs_ends_by_itself(billed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "HELD_S", 0)
    Still(billed, 3, 1).begin()

    bill(billed, CUSTOMERS[:1], 3, 2)

    assert seen(billed)["invoices"] == (84, 80)


def test_the_copies_are_let_go(billed: Client) -> None:
    Still(billed, 3, 1).begin()
    Still(billed, 3, 1).end()

    stills.forget(billed)

    assert [billed.command(f"SELECT count() FROM {copy}") for copy in stills.COPIES.values()] == [0, 0, 0]
    assert seen(billed) == OLD
