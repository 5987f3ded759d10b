"""How a worker does: a small JSON file, replaced as a whole, which `status` and `up` read, and `/metrics` and `/healthz` for everybody else."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from prometheus_client import ProcessCollector

from pipelines.monitoring import metrics
from pipelines.monitoring.serving import Endpoint, endpoint
from pipelines.settings import Settings

SILENT_S: Final = 60.0
"""Every stage tells at least every few seconds how it does; only a call that hangs is longer."""


class Health:
    """Writes `<data>/run/health-<stage>.json`; removes it at a clean end, so a file whose pid is gone tells of a crash.

    From `with` to its end `/metrics` and `/healthz` are served at `metrics_host` and `metrics_port`; the file says where (`metrics`).
    """

    def __init__(self, settings: Settings, stage: str, **fixed: object) -> None:
        self._settings = settings
        self._stage = stage
        self._path = settings.data / "run" / f"health-{stage}.json"
        self._fixed = {"stage": stage, "pid": os.getpid(), **fixed}
        self._told: Mapping[str, Any] = {}
        self._told_at = time.monotonic()
        self._endpoint: Endpoint | None = None

    def __enter__(self) -> "Health":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        metrics.REPORT_AGE.set_function(lambda: time.monotonic() - self._told_at)
        metrics.PROGRESS_AGE.set_function(self._progress_age_s)
        with contextlib.suppress(ValueError):  # in one process it is there already
            ProcessCollector(registry=metrics.EVERY)
        served = (metrics.EVERY, metrics.OWN[self._stage.partition("-")[0]])
        self._endpoint = endpoint(self._settings.metrics_host, self._settings.metrics_port, served, self.verdict)
        if self._endpoint is not None:
            self._fixed["metrics"] = self._endpoint.address
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
        if kind is None:
            self._path.unlink(missing_ok=True)
        else:
            self.report("failed", error=str(error))

    def report(self, state: str, **more: object) -> None:
        """Replace the file; `last_progress_at` is now unless `more` names it (UTC, epoch seconds). On a full disk the old one stays."""
        whole: dict[str, Any] = {**self._fixed, "state": state, "last_progress_at": time.time(), **more}
        self._told, self._told_at = whole, time.monotonic()
        metrics.STATE.state(state)
        if whole.get("lag") is not None:
            metrics.LAG.set(whole["lag"])
        draft = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(whole), encoding="utf-8")
            draft.replace(self._path)

    def verdict(self) -> dict[str, Any]:
        """What `/healthz` says: unhealthy is who has failed, who has not told anything for a minute, and who has work and settles none of it.

        Who waits for Kafka or ClickHouse is healthy: starting it again would not help. The exporter's verdict goes by the broker, partition by partition.
        """
        told, silent_s = self._told, time.monotonic() - self._told_at
        state = str(told.get("state", "starting"))
        wrong = None
        if state == "failed":
            wrong = f"it has failed: {told.get('error')}"
        elif silent_s > SILENT_S:
            wrong = f"it has not told anything for {silent_s:.0f} s"
        elif state == "running" and told.get("lag") and self._progress_age_s() > self._settings.stuck_s:
            wrong = f"{told['lag']} records wait, and nothing was committed for {self._progress_age_s():.0f} s"
        return {
            "healthy": wrong is None,
            "stage": self._stage,
            "state": state,
            "lag": told.get("lag"),
            "last_progress_age_s": round(self._progress_age_s(), 1),
            "waiting_for": told.get("waiting_for") or None,
            "wrong": wrong,
        }

    def _progress_age_s(self) -> float:
        at = self._told.get("last_progress_at")
        return 0.0 if at is None else max(0.0, time.time() - float(at))
