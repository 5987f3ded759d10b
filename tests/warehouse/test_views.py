"""Views are documented column by column, and so are the tables behind them."""

import pytest
from clickhouse_connect.driver.client import Client

VIEWS = ("invoices", "invoice_lines", "balances", "alerts", "rejected_events", "usage_events", "usage_hourly", "documents", "generations")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_what_it_shows(client: Client, view: str) -> None:
    asked = "SELECT engine, comment FROM system.tables WHERE database = currentDatabase() AND name = {v:String}"

    assert client.query(asked, parameters={"v": view}).result_rows[0][0] == "View"
    assert client.query(asked, parameters={"v": view}).result_rows[0][1]


def test_every_column_of_every_table_and_view_has_a_comment(client: Client) -> None:
    asked = "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = '' AND NOT startsWith(table, 't_')"

    assert client.query(asked).result_rows == []


def test_the_views_are_all_that_analysts_are_told_of(client: Client) -> None:
    asked = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"

    assert set(VIEWS) <= {name for (name,) in client.query(asked).result_rows}
