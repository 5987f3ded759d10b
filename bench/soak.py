"""`taximeter bench soak`: a whole stack under steady usage for an hour: does memory grow, does latency, and is every total exact at the end?

A line a minute goes to stderr: the latency of probes that cross thresholds, what waits, and the memory of each process. At the end the quantities on the
lines are compared, by customer and product, with the events, which are made once more from the seed and added up by a plain loop.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from bench import contracts
from bench.background import Flowed, ended, flowing
from bench.pipeline import MILLION, BenchError
from bench.report import Figure, folder_mb, report
from bench.watched import Watched
from bench.workload import Workload, events
from pipelines.edits import Edit
from pipelines.last import behind_last
from pipelines.progress import Progress
from pipelines.publishing import Publisher
from pipelines.settings import Settings
from pipelines.testing import Stack
from pipelines.topology import USAGE_EVENTS
from pipelines.warehouse.client import connect
from schemas.codec import Codec
from taximeter.demo.probe import Latency, Probe, documents

PROBE: Final = "probe"
PROBES_PER_S: Final = 20
MINUTE_S: Final = 60
PATIENCE_S: Final = 900.0
WARM_MINUTES: Final = 5
"""Not compared: caches fill, code is compiled."""


class Minute(NamedTuple):
    """What a minute was like."""

    p50_ms: float
    p99_ms: float
    waiting: dict[str, int]
    """Records that it has not read yet, by stage, at its end."""
    cores: dict[str, float]
    """Used on average, by process."""
    rss_mb: dict[str, float]
    """By process, at its end."""


def run(
    minutes: int = 60, per_second: int = 10_000, customers: int = 1_000, duplicates: float = 0.01, seed: int = 7, keep: str | None = None
) -> dict[str, Any]:
    """Measure; `keep`: a folder for the stack's data and logs, which stays. Raises BenchError, ProbeError, StackError, StalledError."""
    workload = Workload(0, customers, duplicates=duplicates, seed=seed)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        settings = stack.settings
        kafka = str(settings.kafka)
        progress = Progress(kafka)
        contracts.publish(kafka, workload, progress)
        _publish_probe(kafka)
        processes = {row["name"]: psutil.Process(row["pid"]) for row in stack.book()["stages"]}
        watched = Watched({name: process.pid for name, process in processes.items()})
        probe = Probe(kafka, Codec(), PROBE, settings.partitions)
        with flowing(kafka, per_second - PROBES_PER_S, customers, seed, duplicates) as flow:
            seen = [_minute(stack, probe, processes | {"usage": psutil.Process(flow.pid)}, number) for number in range(1, minutes + 1)]
            flowed = ended(flow)
        probe.close()
        progress.sent(USAGE_EVENTS.name, behind_last(kafka, USAGE_EVENTS.name))
        progress.shown(PATIENCE_S)
        progress.close()
        wrong = _differences(settings, workload, flowed)
        costs, disk_mb = watched.costs(), folder_mb(settings.data)
    cpu_s = sum(cost.cpu_s for cost in costs.values()) / flowed.events * 1e6
    return report(
        "soak",
        workload._asdict() | {"minutes": minutes, "per_second": per_second, "sent": flowed.events, "accepted": flowed.accepted},
        [
            Figure("events_per_s", flowed.per_s, "1/s"),
            *_flat(seen),
            Figure("cpu_s_per_million_events", cpu_s, "s"),
            Figure("disk_mb", disk_mb, "MB"),
            Figure("totals_that_differ", len(wrong), "customers and products"),
        ],
        minutes=[each._asdict() for each in seen],
        differences=wrong[:20],
    )


def _publish_probe(kafka: str) -> None:
    catalogue, contract = documents(PROBE, datetime.now(UTC).strftime("%Y-%m-01"))
    publisher = Publisher(kafka, Codec())
    publisher.publish(Edit(catalogues=[catalogue], contracts=[contract], recorded_ms={"wall": time.time_ns() // 1_000_000}))
    publisher.close()


def _minute(stack: Stack, probe: Probe, processes: dict[str, psutil.Process], number: int) -> Minute:
    """Probe for a minute, then look. Raises ProbeError; psutil.NoSuchProcess when a stage has ended, which none should."""
    watched, began = Watched({name: process.pid for name, process in processes.items()}), time.monotonic()
    latency: Latency = probe.measure(MINUTE_S * PROBES_PER_S, PROBES_PER_S)
    took_s = time.monotonic() - began
    cores = {name: round(cost.cpu_s / took_s, 2) for name, cost in watched.costs().items()}
    waiting = {row["name"]: row["lag"] for row in stack.book()["stages"] if row["lag"] is not None}
    rss_mb = {name: round(process.memory_info().rss / 1e6, 1) for name, process in processes.items()}
    found = Minute(round(latency.p50_ms, 1), round(latency.p99_ms, 1), waiting, cores, rss_mb)
    print(f"minute {number}: p50 {found.p50_ms} ms, p99 {found.p99_ms} ms, waiting {waiting}, cores {cores}, MB {rss_mb}", file=sys.stderr, flush=True)
    return found


def _flat(seen: list[Minute]) -> list[Figure]:
    """The first half behind the warm minutes beside the second: medians of the minutes, latency and memory."""
    steady = seen[WARM_MINUTES:] if len(seen) > WARM_MINUTES + 1 else seen
    halves = [("first_half", steady[: len(steady) // 2] or steady), ("second_half", steady[len(steady) // 2 :])]
    figures = []
    for name, half in halves:
        figures.append(Figure(f"p50_ms_{name}", statistics.median(each.p50_ms for each in half), "ms"))
        figures.append(Figure(f"p99_ms_{name}", statistics.median(each.p99_ms for each in half), "ms"))
    for stage in steady[-1].rss_mb:
        figures += [Figure(f"{stage}_rss_mb_{name}", statistics.median(each.rss_mb[stage] for each in half), "MB") for name, half in halves]
    return figures


def _differences(settings: Settings, workload: Workload, flowed: Flowed) -> list[str]:
    """Customers and products whose quantity on the lines is not what their events add up to."""
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for _, owner, event_type, properties, _ in islice(events(workload), flowed.accepted):
        if event_type == "api_call":
            wanted[owner, "api-calls"] += int(properties["calls"])
        elif event_type == "image":
            wanted[owner, "images"] += int(properties["images"])
        else:
            wanted[owner, f"model-{properties['model'][1:]}-tokens"] += int(properties["tokens"])
    client = connect(settings)
    asked = "SELECT customer, product, sum(toDecimal128(quantity, 12)) FROM invoice_lines WHERE kind = 'usage' AND customer != {c:String} GROUP BY customer, product"
    found = {(owner, product): Decimal(quantity) for owner, product, quantity in client.query(asked, parameters={"c": PROBE}).result_rows}
    client.close()
    if not found:
        raise BenchError("the warehouse shows no lines at all; see the logs of the stack")
    scaled = {key: Decimal(value) / (MILLION if key[1].endswith("tokens") else 1) for key, value in wanted.items()}
    return [
        f"{owner}, {product}: {found.get((owner, product))} on the lines, {scaled.get((owner, product))} in the events"
        for owner, product in sorted(found.keys() | scaled.keys())
        if found.get((owner, product)) != scaled.get((owner, product))
    ]
