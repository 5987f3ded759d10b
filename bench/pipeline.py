"""`taximeter bench pipeline`: events a second from usage-events until every line that they change is in ClickHouse, on a whole stack of its own.

The events are on the topic before anybody may read them (one Kafka transaction), so that making them is not measured. Measured is from the
end of that transaction until SINK has committed what RATE made of the last event; the raw events, which SINK stores beside, have a figure of
their own. Then the quantities on the lines are compared with the events, added up by a plain loop. The reference reads the same topic.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from bench import contracts
from bench.report import Figure, folder_mb, report
from bench.watched import Watched
from bench.workload import Times, Workload, events, send
from pipelines import offsets
from pipelines.local.stages import EVENTS_READS
from pipelines.progress import Progress
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.testing import Stack, until
from pipelines.topology import USAGE_EVENTS
from pipelines.warehouse.client import connect
from schemas.codec import Codec

PATIENCE_S: Final = 900.0
REQUEST_S: Final = 30.0
WARM_EVENTS: Final = 20_000
FAUST_EVENTS: Final = 12_000
FAUST_WARM: Final = 2_000
MILLION: Final = Decimal(1_000_000)


class BenchError(RuntimeError):
    """The lines do not say what the events do; or a side has failed, with its own words."""


def run(
    events: int = 600_000, customers: int = 1_000, products: int = 5, times: Times = "live", duplicates: float = 0.01, keep: str | None = None
) -> dict[str, Any]:
    """Measure; `keep`: a folder for the stack's data and logs, which stays. Raises BenchError, StackError, StalledError."""
    workload = Workload(events, customers, products, times, duplicates)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        return _measured(stack, workload)


def _measured(stack: Stack, workload: Workload) -> dict[str, Any]:
    settings = stack.settings
    kafka = str(settings.kafka)
    progress = Progress(kafka)
    contracts.publish(kafka, workload, progress)
    # A stretch that is not counted: code, caches and connections are warm behind it.
    warm = send(kafka, Codec(), workload._replace(events=WARM_EVENTS), workload.events)
    progress.sent(USAGE_EVENTS.name, _ends(settings))
    progress.shown(PATIENCE_S)
    watched = Watched({row["name"]: row["pid"] for row in stack.book()["stages"]})
    there: dict[int, int] = {}
    sent = send(kafka, Codec(), workload, when_there=lambda: there.update(_ends(settings)))
    began = time.perf_counter()
    idle = watched.costs()
    progress.sent(USAGE_EVENTS.name, there)
    progress.rated(PATIENCE_S)
    rated_s = time.perf_counter() - began
    progress.shown(PATIENCE_S)
    took_s = time.perf_counter() - began
    costs = watched.costs()
    _until_raw_events_are_stored(settings, there)
    stored_s = time.perf_counter() - began
    progress.close()
    _compare(settings, workload, {0: sent.accepted, workload.events: warm.accepted})
    faust = _faust(settings)
    reference = faust["events"] / faust["wall_s"]
    spent = {name: (cost.cpu_s - idle[name].cpu_s) / sent.events * 1e6 for name, cost in costs.items()}
    ours = [name for name in spent if name != "kafka"]
    return report(
        "pipeline",
        workload._asdict(),
        [
            Figure("events_per_s", sent.events / took_s, "1/s"),
            Figure("rated_events_per_s", sent.events / rated_s, "1/s"),
            Figure("stored_raw_events_per_s", sent.events / stored_s, "1/s"),
            Figure("cpu_s_per_million_events", sum(spent[name] for name in ours), "s"),
            *(Figure(f"{name}_cpu_s_per_million_events", spent[name], "s") for name in ("meter", "rate", "sink", "warehouse", "kafka")),
            Figure("peak_rss_mb", sum(costs[name].peak_rss_mb for name in ours), "MB"),
            *(Figure(f"{name}_peak_rss_mb", costs[name].peak_rss_mb, "MB") for name in ("meter", "rate", "sink", "warehouse", "kafka")),
            Figure("state_mb", folder_mb(settings.data / "meter") + folder_mb(settings.data / "rate"), "MB"),
            Figure("faust_cpu_s_per_million_events", faust["cpu_s"] / faust["events"] * 1e6, "s"),
        ],
        Figure("Faust agent: an event a record, a table, no rating", reference, "1/s"),
        sent.events / took_s / reference,
    )


def _ends(settings: Settings) -> dict[int, int]:
    """Also of what nobody may read yet."""
    asked = {TopicPartition(USAGE_EVENTS.name, number): OffsetSpec.latest() for number in range(settings.partitions)}
    admin = AdminClient(reach(settings.kafka, settings))  # held: its answers do not come when it is gone
    answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=REQUEST_S)
    return {place.partition: future.result().offset for place, future in answers.items()}


def _until_raw_events_are_stored(settings: Settings, ends: dict[int, int]) -> None:
    asked = offsets.Committed(str(settings.kafka))
    wanted = {(USAGE_EVENTS.name, partition): end for partition, end in ends.items()}

    def look() -> bool:
        found = asked.of(EVENTS_READS[0], wanted)
        return all(found.get(place, 0) >= end for place, end in wanted.items())

    until(look, "raw events in the warehouse", PATIENCE_S)
    asked.close()


def _compare(settings: Settings, workload: Workload, stretches: dict[int, int]) -> None:
    """The quantities on all lines against the events of the stretches (first event to number of events). Raises BenchError."""
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for first, accepted in stretches.items():
        for _, _, event_type, properties, _ in islice(events(workload, first), accepted):
            if event_type == "api_call":
                wanted["api-calls"] += Decimal(properties["calls"])
            elif event_type == "image":
                wanted["images"] += Decimal(properties["images"])
            else:
                wanted[f"model-{properties['model'][1:]}-tokens"] += Decimal(properties["tokens"]) / MILLION
    client = connect(settings)
    asked = "SELECT product, sum(toDecimal128(quantity, 12)) FROM invoice_lines WHERE kind = 'usage' GROUP BY product"
    found = {product: Decimal(quantity) for product, quantity in client.query(asked).result_rows}
    client.close()
    if found != wanted:
        raise BenchError(f"the lines have {found}, and the events {dict(wanted)}")


def _faust(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="taximeter-faust-") as folder:
        given = [str(settings.kafka), str(settings.partitions), folder, str(FAUST_WARM), str(FAUST_WARM + FAUST_EVENTS)]
        done = subprocess.run(
            [sys.executable, "-m", "bench.faust_agent", *given], env=dict(os.environ), capture_output=True, text=True, timeout=400, check=False
        )
    if done.returncode != 0:
        raise BenchError(f"the Faust agent ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
