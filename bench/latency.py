"""`taximeter bench latency`: from an event to its threshold record, and from an edit to the changed invoice in ClickHouse.

Measured on a stack of its own, all stages and a warehouse included, while usage of other customers flows. The reference is what Kafka itself takes: how soon
a plain consumer of usage-events sees events of the same kind, right behind those that are measured.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

from bench.background import ended, flowing
from bench.report import Figure, folder_mb, percentile, report, spread
from bench.watched import Watched
from bench.workload import Workload, catalogue, customer
from contracts.contract import Contract, Override
from pipelines.edits import Edit
from pipelines.partitioning import partition_of
from pipelines.publishing import Publisher
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.testing import Stack
from pipelines.topology import USAGE_EVENTS
from pipelines.warehouse.client import connect
from schemas.codec import Codec
from taximeter.demo.probe import Probe, documents
from taximeter.outbox import Outbox

NAME: Final = "bench"
PROBED: Final = ("probe-warm", "probe")
EDITED: Final = "edited"
CALLS: Final = 1_000_000
LOOK_S: Final = 0.005
EDIT_S: Final = 30.0


class BenchError(RuntimeError):
    """Something did not come through; the message says what."""


def run(
    background: int = 800, customers: int = 200, probes: int = 2_000, probes_per_s: int = 200, edits: int = 50, warm_s: int = 60, keep: str | None = None
) -> dict[str, Any]:
    """Measure while `background` events a second of `customers` customers flow: with the probes 1,000 a second; `warm_s`: as long before, since a broker compiles for half a minute; `keep`: a folder for the stack's data and logs, which stays.

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
            Probe(kafka, Codec(), PROBED[0], settings.partitions).run(max(1, warm_s * probes_per_s), probes_per_s)
            watched = Watched({row["name"]: row["pid"] for row in stack.book()["stages"]})
            probe = Probe(kafka, Codec(), PROBED[1], settings.partitions)
            began = time.perf_counter()
            try:
                latency = probe.measure(probes, probes_per_s)
                costs, spent_s = watched.costs(), time.perf_counter() - began
                # Behind it: who reads every event as it comes costs the broker two hundred answers a second.
                with Hop(settings, PROBED[1]) as hop:
                    probe.measure(max(1, probes // 4), probes_per_s)
            finally:
                probe.close()
            took = _edits(settings, publisher, start, edits)
            sent_per_s = ended(flow).per_s
        publisher.close()
        state_mb = folder_mb(settings.data / "meter") + folder_mb(settings.data / "rate")
    plain = hop.took_ms(probe.sent, probes)
    workload = {"background": background, "sent_per_s": sent_per_s, "customers": customers, "probes": probes, "probes_per_s": probes_per_s, "edits": edits}
    return report(
        "latency",
        workload,
        [
            Figure("event_to_threshold_p50_ms", latency.p50_ms, "ms"),
            Figure("event_to_threshold_p99_ms", latency.p99_ms, "ms"),
            *spread("edit_to_invoice", took),
            Figure("plain_consumer_p50_ms", percentile(plain, 50), "ms"),
            *(Figure(f"{name}_cores", cost.cpu_s / spent_s, "cores") for name, cost in costs.items()),
            *(Figure(f"{name}_peak_rss_mb", cost.peak_rss_mb, "MB") for name, cost in costs.items()),
            Figure("state_mb", state_mb, "MB"),
        ],
        Figure("plain consumer of usage-events, p99", percentile(plain, 99), "ms"),
        latency.p99_ms / percentile(plain, 99),
    )


class Hop:
    """A plain consumer that sees the events of a probe, in a thread, while it is entered."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._seen: dict[int, float] = {}
        self._stopped = threading.Event()
        self._consumer = Consumer({**reach(settings.kafka, settings), "group.id": "taximeter-bench-hop", "enable.auto.commit": False, "fetch.wait.max.ms": 100})
        number = partition_of(name, settings.partitions)
        end = self._consumer.get_watermark_offsets(TopicPartition(USAGE_EVENTS.name, number), timeout=30)[1]
        self._consumer.assign([TopicPartition(USAGE_EVENTS.name, number, end)])
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._consumer.close()

    def took_ms(self, sent: Sequence[float], first: int) -> list[float]:
        """Milliseconds of each event from the number `first` on, ascending. Raises BenchError when one was not seen."""
        asked = range(first, len(sent))
        if missing := sum(number not in self._seen for number in asked):
            raise BenchError(f"the plain consumer has not seen {missing} of {len(asked)} events")
        return sorted((self._seen[number] - sent[number]) * 1000 for number in asked)

    def _read(self) -> None:
        mine = f"{self._name}-".encode()
        while not self._stopped.is_set():
            message = self._consumer.poll(0.1)
            now = time.perf_counter()
            if message is not None and message.error() is None and (message.key() or b"").startswith(mine):
                self._seen[int((message.key() or b"")[len(mine) :])] = now


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
