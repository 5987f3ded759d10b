"""`taximeter alerts`: crossings of thresholds."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from taximeter.commands.reading import console, warehouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from contracts.result import Alert

LOOK_S = 0.25
OVERLAP_MS = 10_000
"""How far back each look reaches again: rows of one insert become visible together, but not in the order of their time."""


@click.command("alerts", short_help="Crossings of thresholds.")
@click.option("--customer", default="", help="Only of this customer.")
@click.option("--follow", is_flag=True, help="Go on with those that come, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(customer: str, follow: bool, as_json: bool) -> None:
    """Changes of state of thresholds, oldest first.

    \b
    taximeter alerts --customer acme
    taximeter alerts --follow --json
    """
    from pipelines.warehouse import reads

    with warehouse() as client:
        if follow:
            for alert in _following(client, customer):
                click.echo(_json(alert) if as_json else "  ".join(_cells(alert)))
            return
        found = reads.alerts(client, customer=customer)
    if as_json:
        for alert in found:
            click.echo(_json(alert))
        return
    from taximeter.commands.results import alert_table

    console().print(alert_table(found) if found else "no threshold has been crossed")


def _following(client: "Client", customer: str) -> Iterator["Alert"]:
    from pipelines.warehouse import reads

    seen: set[Alert] = set()
    since_ms = 0
    while True:
        now_ms = int(str(client.command("SELECT toUnixTimestamp64Milli(now64(3))")))
        for alert in reads.alerts(client, customer=customer, written_from_ms=since_ms):
            if alert not in seen:
                seen.add(alert)
                yield alert
        since_ms = now_ms - OVERLAP_MS
        time.sleep(LOOK_S)


def _cells(alert: "Alert") -> list[str]:
    from taximeter.commands.results import alert_cells

    return alert_cells(alert)


def _json(alert: "Alert") -> str:
    from contracts.rendering import alert_json

    return json.dumps(alert_json(alert), ensure_ascii=False)
