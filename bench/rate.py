"""`taximeter bench rate`: one RATE process on a real Kafka with all its metered usage on the topic before it starts, beside a Faust agent.

METER makes the metered usage of the workload first, with its own batches, so what is measured is what comes in life. What RATE has done is seen by its
committed offsets: it commits when rows and results are acknowledged. The figures are of usage events, of which a record of metered usage sums up many.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from bench import contracts
from bench.report import Figure, folder_mb, report
from bench.watched import Cost, Watched
from bench.workload import Times, Workload, send
from pipelines import offsets
from pipelines.local import stages, topics
from pipelines.local.child import Child
from pipelines.local.kafka_child import KafkaChild
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.topology import METERED_USAGE, RATE_GROUP
from schemas.codec import Codec

WARM: Final = 0.1
"""Share of the events that is not counted."""
LOOK_S: Final = 0.05
PATIENCE_S: Final = 900.0
"""So long nothing may happen."""
FAUST_EVENTS: Final = 12_000
FAUST_WARM: Final = 2_000


class BenchError(RuntimeError):
    """A side did not do what it should; the message has what it said."""


class Metered(NamedTuple):
    """What stands on metered-usage in one partition."""

    ends: list[int]
    """Offset behind each record."""
    events: list[int]
    """Events up to each record."""
    deltas: int


class Mark(NamedTuple):
    events: int
    wall_s: float
    cost: Cost


def run(events: int = 600_000, customers: int = 1_000, products: int = 5, times: Times = "live", duplicates: float = 0.01) -> dict[str, Any]:
    """Measure. Raises BenchError."""
    workload = Workload(events, customers, products, times, duplicates)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder:
        return _measured(Path(folder), workload)


def _measured(data: Path, workload: Workload) -> dict[str, Any]:
    with KafkaChild(data, Settings().cache) as kafka:
        settings = Settings(data=data, kafka=kafka.bootstrap)
        there, _ = metered(settings, workload)
        first, last = _rated(settings, there)
        faust = side(
            settings, "bench.faust_agent", kafka.bootstrap, str(settings.partitions), str(data / "faust"), str(FAUST_WARM), str(FAUST_WARM + FAUST_EVENTS)
        )
        state_mb = folder_mb(data / "rate")
    counted, wall_s = last.events - first.events, last.wall_s - first.wall_s
    reference = faust["events"] / faust["wall_s"]
    total, deltas = events_of(there), sum(each.deltas for each in there.values())
    return report(
        "rate",
        workload._asdict() | {"metered_events": total, "deltas": deltas, "records": sum(len(each.ends) for each in there.values())},
        [
            Figure("events_per_s", counted / wall_s, "1/s"),
            Figure("deltas_per_s", counted / wall_s * deltas / total, "1/s"),
            Figure("cpu_s_per_million_events", (last.cost.cpu_s - first.cost.cpu_s) / counted * 1e6, "s"),
            Figure("cpu_us_per_delta", (last.cost.cpu_s - first.cost.cpu_s) / counted * total / deltas * 1e6, "us"),
            Figure("peak_rss_mb", last.cost.peak_rss_mb, "MB"),
            Figure("state_mb", state_mb, "MB"),
            Figure("faust_cpu_s_per_million_events", faust["cpu_s"] / faust["events"] * 1e6, "s"),
        ],
        Figure("Faust agent: an event a record, a table, no rating", reference, "1/s"),
        counted / wall_s / reference,
    )


def metered(settings: Settings, workload: Workload, first: int = 0) -> tuple[dict[int, Metered], float]:
    """Let METER meter the workload, from its event `first` on; what stands on metered-usage then, and the most memory (MB) that METER had. Raises BenchError."""
    if not first:
        topics.ensure(settings)
        contracts.publish(str(settings.kafka), workload)
    sent = send(str(settings.kafka), Codec(), workload, first)
    told = side(settings, "bench.meter_sides", "meter", "0", str(sent.events))
    if told["accepted"] != sent.accepted:
        raise BenchError(f"METER accepted {told['accepted']} events of {sent.accepted}")
    return _read(settings), told["peak_rss_mb"]


def _rated(settings: Settings, there: Mapping[int, Metered]) -> tuple[Mark, Mark]:
    """Start RATE and look at it until it has committed everything: behind the documents and the warm part, and at the end."""
    child = stage(settings)
    child.start()
    try:
        watched = Watched({"rate": child.pid or 0})
        total = events_of(there)
        first = until_rated(settings, child, there, round(total * WARM), watched)
        return first, until_rated(settings, child, there, total, watched)
    finally:
        child.stop(20)


def stage(settings: Settings) -> Child:
    """RATE's process, not started."""
    found = next(each for each in stages.stages(1) if each.name == "rate")
    return Child("rate", found.command, stages.environment(settings, {}), settings.data / "logs" / "rate.log")


def events_of(there: Mapping[int, Metered]) -> int:
    return sum(each.events[-1] for each in there.values() if each.events)


def until_rated(settings: Settings, child: Child, there: Mapping[int, Metered], events: int, watched: Watched) -> Mark:
    """When RATE has committed so many of the events. Raises BenchError."""
    asked = offsets.Committed(str(settings.kafka))
    wanted = {(METERED_USAGE.name, partition): each.ends[-1] for partition, each in there.items() if each.ends}
    before, deadline = 0, time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            if not child.running():
                raise BenchError(f"RATE {child.ended()}: {child.told()}")
            done = sum(events_before(there[place[1]], offset) for place, offset in asked.of(RATE_GROUP, wanted).items())
            if done >= events:
                return Mark(done, time.perf_counter(), watched.costs()["rate"])
            if done > before:
                before, deadline = done, time.monotonic() + PATIENCE_S
            time.sleep(LOOK_S)
    finally:
        asked.close()
    raise BenchError(f"RATE has rated {before} events of {events}, and nothing for {PATIENCE_S:.0f} s: {child.told()}")


def events_before(metered: Metered, offset: int) -> int:
    """Events of the records before the offset."""
    done = sum(end <= offset for end in metered.ends)
    return metered.events[done - 1] if done else 0


def _read(settings: Settings) -> dict[int, Metered]:
    """Read the topic once."""
    places = [(METERED_USAGE.name, number) for number in range(settings.partitions)]
    ends = offsets.ends(AdminClient(reach(settings.kafka, settings)), places)
    found = {number: Metered([], [], 0) for number in range(settings.partitions)}
    consumer = Consumer({**reach(settings.kafka, settings), "group.id": "bench-rate", "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, number, 0) for topic, number in places])
    decode, left = Codec().decode, {number for (_, number), end in ends.items() if end}
    while left:
        for message in consumer.consume(1000, 1.0):
            error, partition = message.error(), message.partition()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
                    left.discard(partition)
                continue
            deltas = decode("metered_usage", message.value())["deltas"]
            held = found[partition]
            held.ends.append(message.offset() + 1)
            held.events.append((held.events[-1] if held.events else 0) + sum(each["events"] for each in deltas))
            found[partition] = held._replace(deltas=held.deltas + len(deltas))
    consumer.close()
    return found


def side(settings: Settings, module: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "TAXIMETER_DATA": str(settings.data), "TAXIMETER_KAFKA": str(settings.kafka)}
    done = subprocess.run([sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False)
    if done.returncode != 0:
        raise BenchError(f"{module} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
