"""`taximeter bench burst`: usage that comes twenty times as fast for a while: does Kafka take it, how long do alerts take meanwhile, and when are they as soon as before?

The burst flows beside the usual usage, as fast as its process can make it where the machine does not manage twenty times. Probes cross thresholds all the while.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench import contracts
from bench.background import ended, flowing
from bench.report import Figure, report
from bench.watched import Watched
from bench.workload import Workload
from pipelines.edits import Edit
from pipelines.publishing import Publisher
from pipelines.testing import Stack
from schemas.codec import Codec
from taximeter.demo.probe import Probe, documents

PROBED: Final = ("probe-warm", "probe")
PROBES_PER_S: Final = 50
CALM: Final = 2.0
"""It is as before when no probe takes longer than so many times what 99 of 100 took."""


def run(
    background: int = 1_000, times: int = 20, seconds: int = 5, before_s: int = 10, after_s: int = 30, customers: int = 200, keep: str | None = None
) -> dict[str, Any]:
    """Measure a burst of `seconds`; `keep`: a folder for the stack's data and logs, which stays. Raises ProbeError, StackError."""
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        settings = stack.settings
        kafka = str(settings.kafka)
        contracts.publish(kafka, Workload(0, customers))
        start = datetime.now(UTC).strftime("%Y-%m-01")
        publisher = Publisher(kafka, Codec())
        for catalogue, contract in (documents(name, start) for name in PROBED):
            publisher.publish(Edit(catalogues=[catalogue], contracts=[contract], recorded_ms={"wall": time.time_ns() // 1_000_000}))
        publisher.close()
        with flowing(kafka, background, customers) as usual:
            Probe(kafka, Codec(), PROBED[0], settings.partitions).run(200, PROBES_PER_S)
            watched = Watched({row["name"]: row["pid"] for row in stack.book()["stages"]})
            probe = Probe(kafka, Codec(), PROBED[1], settings.partitions)
            before = probe.measure(before_s * PROBES_PER_S, PROBES_PER_S)
            sent, most_waiting = _burst(stack, kafka, background * (times - 1), customers, seconds, lambda: probe.run((seconds + after_s) * PROBES_PER_S, PROBES_PER_S))
            ended(usual)
        costs = watched.costs()
    first, ended_at = before_s * PROBES_PER_S, sent[1]
    took = {number: (probe.seen[number + 1] - at) * 1000 for number, at in enumerate(probe.sent) if number >= first}
    slow = [probe.seen[number + 1] for number, each in took.items() if each > CALM * before.p99_ms]
    return report(
        "burst",
        {"background": background, "times": times, "seconds": seconds, "sent": sent[0], "customers": customers},
        [
            Figure("event_to_threshold_p99_before_ms", before.p99_ms, "ms"),
            Figure("event_to_threshold_longest_ms", max(took.values()), "ms"),
            Figure("as_before_after_s", max([0.0, *(each - ended_at for each in slow)]), "s"),
            Figure("most_waiting", most_waiting, "records"),
            *(Figure(f"{name}_peak_rss_mb", cost.peak_rss_mb, "MB") for name, cost in costs.items()),
        ],
    )


def _burst(stack: Stack, kafka: str, per_second: int, customers: int, seconds: int, probing: Callable[[], object]) -> tuple[tuple[int, float], int]:
    """Events that the burst had and when it ended (`time.perf_counter`); the most records that waited at a look."""
    told: list[tuple[int, float]] = []

    def flow() -> None:
        with flowing(kafka, per_second, customers) as more:
            time.sleep(seconds)
            told.append((ended(more).events, time.perf_counter()))

    probed, waiting = threading.Event(), [0]

    def look() -> None:
        while not probed.wait(0.2):
            waiting.append(sum(row["lag"] or 0 for row in stack.book()["stages"]))

    threads = [threading.Thread(target=each) for each in (flow, look)]
    for each in threads:
        each.start()
    try:
        probing()
    finally:
        probed.set()
        for each in threads:
            each.join()
    return told[0], max(waiting)
