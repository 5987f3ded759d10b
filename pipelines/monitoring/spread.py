"""A histogram that takes many values at once: a batch of METER has 50,000, and prometheus-client's own takes one at a time."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCIES_S: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
DURATIONS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LIVE_MS: Final = 86_400_000


class Spread(Collector):
    """Counts values by bucket (upper bounds, inclusive), as a Prometheus histogram. Safe for several threads."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._about = about
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def take(self, values: npt.ArrayLike) -> None:
        """Count all of them."""
        given = np.asarray(values, np.float64)
        found = np.bincount(np.searchsorted(self._bounds, given), minlength=len(self._counts))
        with self._lock:
            self._counts += found
            self._sum += float(given.sum())

    def since(self, arrived_ms: npt.ArrayLike, now_ms: int) -> None:
        """Count the seconds from each of these instants until now. What arrived more than a day ago is left out: it is played, not live."""
        waited = now_ms - np.asarray(arrived_ms, np.int64)
        self.take(np.maximum(waited[waited < LIVE_MS], 0) / 1000)

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self._name, self._about)]

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            reached, total = np.cumsum(self._counts).tolist(), self._sum
        bounds: list[Any] = [*map(str, self._bounds.tolist()), "+Inf"]
        return [HistogramMetricFamily(self._name, self._about, buckets=list(zip(bounds, reached, strict=True)), sum_value=total)]
