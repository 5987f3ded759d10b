"""`taximeter bench latency`: from an event to its threshold record, and from an edit to the changed invoice in ClickHouse.

Measured on a stack of its own, all stages and a warehouse included, while usage of other customers flows.
"""

import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from bench.background import ended, flowing
from bench.report import Figure, report
from bench.workload import Workload, catalogue, customer
from contracts.contract import Contract, Override
from pipelines.publishing import Edit, Publisher
from pipelines.settings import Settings
from pipelines.testing import Stack
from pipelines.warehouse.client import connect
from schemas.codec import Codec
from taximeter.demo.probe import Probe, documents
from taximeter.outbox import Outbox

NAME: Final = "bench"
PROBED: Final = ("probe-warm", "probe")
EDITED: Final = "edited"
CALLS: Final = 1_000_000
WARM: Final = 200
"""Probes that are not counted."""
LOOK_S: Final = 0.005
EDIT_S: Final = 30.0


class BenchError(RuntimeError):
    """Something did not come through; the message says what."""


def run(
    background: int = 800, customers: int = 200, probes: int = 2_000, probes_per_s: int = 200, edits: int = 50, keep: str | None = None
) -> dict[str, Any]:
    """Measure while `background` events a second of `customers` customers flow: with the probes 1,000 a second; `keep`: a folder for the stack's data and logs, which stays.

    Raises BenchError, ProbeError, StackError.
    """
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        settings = stack.settings
        kafka = str(settings.kafka)
        start = datetime.now(UTC).strftime("%Y-%m-01")
        publisher = Publisher(kafka, Codec())
        _publish(publisher, customers, start)
        with flowing(kafka, background, customers) as flow:
            # Warmed up by another customer of the same kind: crossings are numbered from a customer's first event on.
            Probe(kafka, Codec(), PROBED[0], settings.partitions).run(WARM, probes_per_s)
            latency = Probe(kafka, Codec(), PROBED[1], settings.partitions).run(probes, probes_per_s)
            took = _edits(settings, publisher, start, edits)
            sent_per_s = ended(flow).per_s
        publisher.close()
    workload = {"background": background, "sent_per_s": sent_per_s, "customers": customers, "probes": probes, "probes_per_s": probes_per_s, "edits": edits}
    return report(
        "latency",
        workload,
        [
            Figure("event_to_threshold_p50_ms", latency.p50_ms, "ms"),
            Figure("event_to_threshold_p99_ms", latency.p99_ms, "ms"),
            Figure("edit_to_invoice_p50_ms", took[len(took) // 2], "ms"),
            Figure("edit_to_invoice_p99_ms", took[min(len(took) - 1, len(took) * 99 // 100)], "ms"),
        ],
    )


def _publish(publisher: Publisher, customers: int, start: str) -> None:
    """Contracts of all, from the first of this month on."""
    contracts = [Contract(id=customer(each), customer=customer(each), catalogue=NAME, rate_card="list", starting_at=start) for each in range(customers)]
    probed = [documents(name, start) for name in PROBED]
    catalogues = [catalogue(Workload(0, customers), NAME), *(each for each, _ in probed)]
    every = [*contracts, _edited(start, 0), *(each for _, each in probed)]
    publisher.publish(Edit(catalogues=catalogues, contracts=every, recorded_ms={"wall": _now_ms()}))


def _edited(start: str, number: int) -> Contract:
    """The contract that is edited: another multiplier each time."""
    override = Override(id="edit", multiplier=Decimal(1) + Decimal(number) / 100)
    return Contract(id=EDITED, customer=EDITED, catalogue=NAME, rate_card="list", starting_at=start, overrides=[override])


def _edits(settings: Settings, publisher: Publisher, start: str, edits: int) -> list[float]:
    """Milliseconds from handing an edit to the publisher until the warehouse shows the changed invoice, ascending."""
    kafka, client = str(settings.kafka), connect(settings)
    outbox = Outbox(kafka, Codec())
    outbox.send("edited-1", EDITED, "api_call", _now_ms(), _now_ms(), {"calls": str(CALLS)})
    outbox.flush()
    _wait(client, Decimal("0.002") * CALLS)
    took = []
    for number in range(1, edits + 1):
        started = time.perf_counter()
        publisher.publish(Edit(contracts=[_edited(start, number)], recorded_ms={"wall": _now_ms()}))
        _wait(client, Decimal("0.002") * CALLS * (1 + Decimal(number) / 100))
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took)


def _wait(client: Client, total: Decimal) -> None:
    deadline = time.monotonic() + EDIT_S
    asked = "SELECT total FROM invoices WHERE customer = {c:String} AND kind = 'usage'"
    found: object = None
    while time.monotonic() < deadline:
        found = [row[0] for row in client.query(asked, parameters={"c": EDITED}).result_rows]
        if found == [total]:
            return
        time.sleep(LOOK_S)
    raise BenchError(f"the warehouse shows {found} and not {total} {EDIT_S:.0f} s after the edit; see the logs of the stack")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
