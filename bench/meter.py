"""`taximeter bench meter`: one METER process on a real Kafka, beside a plain loop that reads the same events in the same run.

The loop (consume, fastavro, dictionary of sums) is what one would write without exactness: no dedup, no groups, no transaction, no output.
Quantities are decimal text, so the loop adds up decimals; `sums=int` lets it take them for whole numbers, which is quicker and wrong for "1.5".
Both sides read two stretches of the topic, in turns meter, loop, loop, meter, so that a machine that slows down slows both.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from bench.report import Figure, folder_mb, report
from bench.workload import Times, Workload, catalogue, send
from pipelines import offsets
from pipelines.edits import Edit
from pipelines.local import topics
from pipelines.local.kafka_child import KafkaChild
from pipelines.publishing import Publisher
from pipelines.settings import Settings
from pipelines.topology import USAGE_EVENTS
from schemas.codec import Codec

WARM: Final = 0.2
"""Share of a stretch that is not counted."""
PATIENCE_S: Final = 300.0


class BenchError(RuntimeError):
    """A side did not do what it should; the message has what it said."""


def run(events: int = 600_000, customers: int = 1_000, products: int = 5, times: Times = "live", duplicates: float = 0.01, sums: str = "decimal") -> dict[str, Any]:
    """Measure with two stretches of `events` each; `sums`: decimal or int, what the loop adds up. Raises BenchError, ValueError."""
    if sums not in ("decimal", "int"):
        raise ValueError(f"sums is {sums!r}: it must be decimal or int")
    workload = Workload(events, customers, products, times, duplicates)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder:
        return _measured(Path(folder), workload, sums)


def _measured(data: Path, workload: Workload, sums: str) -> dict[str, Any]:
    codec = Codec()
    with KafkaChild(data, Settings().cache) as kafka:
        settings = Settings(data=data, kafka=kafka.bootstrap)
        topics.ensure(settings)
        publisher = Publisher(kafka.bootstrap, codec)
        publisher.publish(Edit(catalogues=[catalogue(workload)], recorded_ms={"wall": 0}))
        publisher.close()
        warm = int(workload.events * WARM)
        meter, loop = [], []
        first = send(kafka.bootstrap, codec, workload)
        meter.append(_side("meter", settings, warm, workload.events))
        loop.append(_side("loop", settings, warm, workload.events, str(settings.partitions), "{}", sums))
        middle = _ends(kafka.bootstrap, settings.partitions)
        second = send(kafka.bootstrap, codec, workload, first.accepted)
        loop.append(_side("loop", settings, warm, workload.events, str(settings.partitions), json.dumps(middle), sums))
        meter.append(_side("meter", settings, warm, workload.events))
        for sent, side in zip((first, second), meter, strict=True):
            if (side["read"], side["accepted"]) != (sent.events, sent.accepted):
                raise BenchError(f"METER read {side['read']} events and accepted {side['accepted']}, but {sent.events} were sent, {sent.accepted} of them new")
        state_mb = folder_mb(data / "meter")
    rate, cpu = _rate(meter), _cpu(meter)
    reference = _rate(loop)
    return report(
        "meter",
        workload._asdict() | {"loop_sums": sums, "counted": sum(side["events"] for side in meter)},
        [
            Figure("events_per_s", rate, "1/s"),
            Figure("cpu_s_per_million_events", cpu, "s"),
            Figure("peak_rss_mb", max(side["peak_rss_mb"] for side in meter), "MB"),
            Figure("state_mb", state_mb, "MB"),
            Figure("plain_loop_cpu_s_per_million_events", _cpu(loop), "s"),
        ],
        Figure(f"plain loop: consume, fastavro, dict of {sums} sums", reference, "1/s"),
        rate / reference,
    )


def _side(name: str, settings: Settings, *arguments: object) -> dict[str, Any]:
    environment = {**os.environ, "TAXIMETER_DATA": str(settings.data), "TAXIMETER_KAFKA": str(settings.kafka)}
    done = subprocess.run(
        [sys.executable, "-m", "bench.meter_sides", name, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the {name} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rate(sides: list[dict[str, Any]]) -> float:
    return float(sum(side["events"] for side in sides) / sum(side["wall_s"] for side in sides))


def _cpu(sides: list[dict[str, Any]]) -> float:
    return float(sum(side["cpu_s"] for side in sides) / sum(side["events"] for side in sides) * 1e6)


def _ends(bootstrap: str, partitions: int) -> dict[int, int]:
    found = offsets.ends(AdminClient({"bootstrap.servers": bootstrap}), [(USAGE_EVENTS.name, number) for number in range(partitions)])
    return {partition: end for (_, partition), end in found.items()}
