"""One customer's questions among ten million lines: how long the warehouse takes. `taximeter bench query [--option lines=…]`

Customers have the same number of lines on twelve monthly invoices, each customer in the order in which SINK would write: month after month, so that a customer's rows
lie in many parts. Each question is asked of customers that were not asked before. Reference: the sum over all lines.
"""

import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil
from clickhouse_connect.driver.client import Client

from bench.report import machine, percentile
from pipelines.local.warehouse_child import WarehouseChild
from pipelines.settings import Settings
from pipelines.warehouse.client import connect

LINES: Final = 10_000_000
CUSTOMERS: Final = 10_000
MONTHS: Final = 12
ASKED: Final = 100
SEED: Final = 7
BLOCK: Final = 100_000
"""Rows of an insert, as SINK's batches have at most."""
SQL: Final = {
    "invoice": """
        SELECT l.kind, l.product, l.group, l.starting_at, l.ending_before, l.quantity, l.unit_price, l.commit, l.amount
        FROM invoice_lines AS l INNER JOIN invoices AS i ON i.customer = l.customer AND i.id = l.invoice
        WHERE l.customer = {customer:String} AND i.customer = {customer:String} AND i.starting_at >= '2025-06-01' AND i.starting_at < '2025-07-01'
        ORDER BY l.starting_at, l.product""",
    "spend_by_month_and_product": """
        SELECT toStartOfMonth(starting_at) AS month, product, sum(amount) FROM invoice_lines
        WHERE customer = {customer:String} AND kind = 'usage' GROUP BY month, product ORDER BY month, product""",
    "commit": "SELECT starting_at, sum(amount) FROM invoice_lines WHERE customer = {customer:String} AND commit = 'annual' GROUP BY starting_at ORDER BY starting_at",
    "invoices": "SELECT id, kind, status, total FROM invoices WHERE customer = {customer:String} ORDER BY starting_at",
}


def run(lines: int = LINES, customers: int = CUSTOMERS, asked: int = ASKED) -> dict[str, Any]:
    """Times in milliseconds, over HTTP, rows read by the client."""
    with tempfile.TemporaryDirectory() as folder, WarehouseChild(Path(folder)) as warehouse:
        client = connect(Settings(data=Path(folder), clickhouse=f"{warehouse.url}/taximeter"))
        began = time.perf_counter()
        each = lines // (customers * MONTHS)
        for month in range(MONTHS):
            _fill(client, month, customers, each)
        filled_s = time.perf_counter() - began
        whole: int = client.command("SELECT count() FROM line_revisions")  # type: ignore[assignment]
        parts: int = client.command("SELECT count() FROM system.parts WHERE table = 'line_revisions' AND active AND database = currentDatabase()")  # type: ignore[assignment]
        dice = random.Random(SEED)
        figures: list[dict[str, Any]] = []
        for name, statement in SQL.items():
            chosen = [f"customer-{number:06}" for number in dice.sample(range(customers), min(asked, customers))]
            worked_s = _cpu_s(warehouse)
            times = sorted(_took_ms(client, statement, customer) for customer in chosen)
            worked_ms = (_cpu_s(warehouse) - worked_s) * 1000 / len(chosen)
            figures += [
                {"name": f"{name}_p50_ms", "value": round(percentile(times, 50), 1), "unit": "ms"},
                {"name": f"{name}_p99_ms", "value": round(percentile(times, 99), 1), "unit": "ms"},
                {"name": f"{name}_cpu_ms", "value": round(worked_ms, 1), "unit": "ms"},
            ]
        scan_ms = _took_ms(client, "SELECT sum(amount) FROM invoice_lines")
        client.close()
    worst = max(figure["value"] for figure in figures if figure["name"].endswith("p99_ms"))
    return {
        "bench": "query",
        "workload": {"lines": int(whole), "customers": customers, "parts": int(parts), "questions": asked, "filled_in_s": round(filled_s, 1)},
        "machine": machine(),
        "figures": figures,
        "reference": {"name": "the sum over all lines", "value": round(scan_ms, 1), "unit": "ms"},
        "ratio": round(scan_ms / worst, 1),
    }


def _fill(client: Client, month: int, customers: int, each: int) -> None:
    start = f"toDateTime64('2025-{month + 1:02}-01 00:00:00', 3, 'UTC')"
    common = f"{start} AS starting_at, addMonths({start}, 1) AS ending_before, 'USD' AS currency, toUInt64(number) AS revision, {start} AS recorded_at, {start} AS as_of"
    client.command(f"""INSERT INTO invoice_revisions (customer, contract, id, kind, status, total, issue_at, starting_at, ending_before, currency, revision, recorded_at, as_of)
        SELECT concat('customer-', leftPad(toString(number), 6, '0')), 'c', hex(sipHash64(number, {month})), 'usage', 'final', {each}, addMonths({start}, 1), {common} FROM numbers({customers})""")
    for first in range(0, customers * each, BLOCK):
        client.command(f"""INSERT INTO line_revisions
            (customer, contract, invoice, id, kind, product, group, quantity, unit_price, tier, amount, commit, override, deleted, starting_at, ending_before, currency, revision, recorded_at, as_of)
            SELECT concat('customer-', leftPad(toString(intDiv(number, {each})), 6, '0')), 'c', hex(sipHash64(intDiv(number, {each}), {month})), hex(sipHash128(number, {month})), 'usage',
                concat('product-', toString(number % 20)), map('region', if(number % 3 = 0, 'eu', 'us')), toString(number % 1000), '0.002', NULL, (number % 1000) / 500,
                if(number % 4 = 0, 'annual', NULL), NULL, false, {common} FROM numbers({first}, {min(BLOCK, customers * each - first)})""")


def _cpu_s(warehouse: WarehouseChild) -> float:
    """What the warehouse's process has worked so far, merges in the background among it: that does not depend on what else the machine does."""
    used = psutil.Process(warehouse.pid).cpu_times()
    return used.user + used.system


def _took_ms(client: Client, statement: str, customer: str = "") -> float:
    began = time.perf_counter()
    _ = client.query(statement, {"customer": customer} if customer else None).result_rows
    return (time.perf_counter() - began) * 1000
