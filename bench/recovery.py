"""`taximeter bench recovery`: one RATE process killed with SIGKILL: how soon it has caught up with its local state, and how fast it rebuilds that when it is lost.

Rows are those of the changelog; it is not compacted while the bench runs, so all that were ever written are read.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from bench.rate import BenchError, events_of, metered, stage, until_rated
from bench.report import Figure, folder_mb, report
from bench.watched import Cost, Watched
from bench.workload import Times, Workload
from pipelines import offsets
from pipelines.local.child import Child
from pipelines.local.kafka_child import KafkaChild
from pipelines.rating.local import CHANGELOG_TOPIC
from pipelines.reach import reach
from pipelines.settings import Settings

LOOK_S: Final = 0.05
PATIENCE_S: Final = 900.0


def run(events: int = 400_000, customers: int = 20_000, products: int = 5, times: Times = "live", behind: int = 10_000) -> dict[str, Any]:
    """Measure; `behind`: events that wait when it starts again. Raises BenchError."""
    workload = Workload(events, customers, products, times)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, KafkaChild(Path(folder), Settings().cache) as kafka:
        return _measured(Settings(data=Path(folder), kafka=kafka.bootstrap), workload, behind)


def _measured(settings: Settings, workload: Workload, behind: int) -> dict[str, Any]:
    child = stage(settings)
    try:
        there, metering_mb = metered(settings, workload)
        child.start()
        rated = until_rated(settings, child, there, events_of(there), Watched({"rate": child.pid or 0}))
        child.kill()

        # What METER has metered meanwhile waits for it; its local state is there.
        there, _ = metered(settings, workload._replace(events=behind), workload.events)
        began = time.perf_counter()
        child.start()
        caught_up_s = until_rated(settings, child, there, events_of(there), Watched({"rate": child.pid or 0})).wall_s - began
        child.kill()

        # And with nothing but the changelog.
        state_mb = folder_mb(settings.data / "rate")
        shutil.rmtree(settings.data / "rate")
        rows = _changelog_rows(settings)
        began = time.perf_counter()
        child.start()
        rebuilt = _until_running(settings, child)
        rebuild_s = time.perf_counter() - began
    finally:
        child.stop(20)
    return report(
        "recovery",
        workload._asdict() | {"behind": behind},
        [
            Figure("restart_to_caught_up_s", caught_up_s, "s"),
            Figure("rebuild_s", rebuild_s, "s"),
            Figure("rebuilt_rows", rows, ""),
            Figure("rebuilt_rows_per_s", rows / rebuild_s, "1/s"),
            Figure("rebuild_cpu_us_per_row", rebuilt.cpu_s / rows * 1e6, "us"),
            Figure("metering_peak_rss_mb", metering_mb, "MB"),
            Figure("rating_peak_rss_mb", rated.cost.peak_rss_mb, "MB"),
            Figure("rebuild_peak_rss_mb", rebuilt.peak_rss_mb, "MB"),
            Figure("state_mb", state_mb, "MB"),
        ],
    )


def _changelog_rows(settings: Settings) -> int:
    places = [(CHANGELOG_TOPIC, number) for number in range(settings.partitions)]
    return sum(offsets.ends(AdminClient(reach(settings.kafka, settings)), places).values())


def _until_running(settings: Settings, child: Child) -> Cost:
    """Until it says that it rates all partitions; what it cost. Raises BenchError."""
    watched = Watched({"rate": child.pid or 0})
    health = settings.data / "run" / "health-rate.json"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if not child.running():
            raise BenchError(f"RATE {child.ended()}: {child.told()}")
        told = json.loads(health.read_text(encoding="utf-8")) if health.exists() else {}
        if told.get("pid") == child.pid and told.get("state") == "running" and len(told.get("partitions", ())) == settings.partitions:
            return watched.costs()["rate"]
        time.sleep(LOOK_S)
    raise BenchError(f"RATE does not rate after {PATIENCE_S:.0f} s: {child.told()}")
