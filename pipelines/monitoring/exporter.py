"""The consumer groups as the broker sees them, as metrics and as a verdict: which group is behind, and whether its commits move on.

    python -m pipelines.monitoring.exporter

A supervised stack has it in its supervisor. Elsewhere it is a process of its own, one for a deployment: a process that lives, answers and does not
commit looks well from inside, so whoever judges progress must ask the broker.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipelines.local import stages
from pipelines.local.stages import Group
from pipelines.local.watch import Watch
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.monitoring.serving import Endpoint, endpoint
from pipelines.settings import Settings

Rows = Callable[[], list[dict[str, Any]]]
"""The stages as `status` shows them; for those that are not supervised there are none."""
REFRESH_S: Final = 1.0
ILL: Final = frozenset({"down", "stuck", "failed"})


class Exporter:
    """Serves `/metrics` and `/healthz` over a watch and, where there is one, a supervisor's rows."""

    def __init__(self, settings: Settings, rows: Rows = list) -> None:
        self._settings = settings
        self._rows = rows
        self._watch: Watch | None = None
        self._groups: Mapping[str, Group] = {}
        self._endpoint: Endpoint | None = endpoint(settings.metrics_host, settings.metrics_port, (metrics.GROUPS,), self.verdict)
        self._closed = threading.Event()
        threading.Thread(target=self._keep, name="exporter", daemon=True).start()

    @property
    def address(self) -> str | None:
        """`host:port`; none when the port was taken."""
        return self._endpoint.address if self._endpoint else None

    def follow(self, watch: Watch, groups: list[Group]) -> None:
        """From now on tell of these groups."""
        self._groups = {name: (name, reads) for name, reads in groups}
        self._watch = watch

    def close(self) -> None:
        self._closed.set()
        if self._endpoint is not None:
            self._endpoint.close()

    def verdict(self) -> dict[str, Any]:
        """Unhealthy: a stage is down or stuck, or records wait in a partition of a group that has committed nothing there for `stuck_s`."""
        stages_ = {row["name"]: row["state"] for row in self._rows()}
        stuck = {name: seconds for name, seconds in self._stuck().items() if seconds > self._settings.stuck_s}
        wrong = [f"{name} is {state}" for name, state in stages_.items() if state in ILL]
        wrong += [f"{name} has committed nothing for {seconds:.0f} s in a partition where records wait" for name, seconds in stuck.items()]
        return {"healthy": not wrong, "stages": stages_, "stuck_s": {name: round(seconds, 1) for name, seconds in stuck.items()}, "wrong": wrong}

    def _stuck(self) -> dict[str, float]:
        """By group: for how long records have waited in a partition without a commit there; 0: in none."""
        found: dict[str, float] = {}
        for name, group in self._groups.items():
            standing = self._watch.standing([group]) if self._watch else None
            if standing is not None:
                found[name] = time.monotonic() - standing.stuck_since if standing.stuck_since is not None else 0.0
        return found

    def _keep(self) -> None:
        while not self._closed.wait(REFRESH_S):
            for name, seconds in self._stuck().items():
                metrics.GROUP_STUCK.labels(name).set(seconds)
                standing = self._watch.standing([self._groups[name]]) if self._watch else None
                if standing is not None:
                    metrics.GROUP_LAG.labels(name).set(standing.lag)
                    if standing.moved_at is not None:
                        metrics.GROUP_COMMIT_AGE.labels(name).set(max(0.0, time.time() - standing.moved_at))
            for row in self._rows():
                metrics.UP.labels(row["name"]).set(row["pid"] is not None)
                metrics.RESTARTS.labels(row["name"]).set(row["restarts"])


def main() -> int:
    settings = Settings()
    if settings.kafka is None:
        raise ValueError("the exporter needs the address of Kafka: set TAXIMETER_KAFKA to host:port")
    log_to_stderr(settings, "exporter")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    groups = [stages.METER_READS, stages.RATE_READS, stages.SINK_READS, stages.EVENTS_READS, stages.ALERTS_READS]
    watch = Watch(settings.kafka, groups)
    exporter = Exporter(settings)
    if exporter.address is None:
        return 1
    watch.start()
    exporter.follow(watch, groups)
    stop.wait()
    exporter.close()
    watch.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
