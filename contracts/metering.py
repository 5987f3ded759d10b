"""Usage events to deltas in plain Python, event by event: what METER does in batches, for cases and previews.

The same events are accepted, the same are rejected for the same reasons, and the deltas are of the same keys; only how many events one delta
has may differ, which nothing depends on. The definition of a product is the one in force when the event arrives.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.counting import QUARTER_MS, Counting, Meter, meters, owners
from contracts.families import Families
from contracts.result import Reject
from contracts.usage import Delta

__all__ = ["QUARTER_MS", "Limits", "Metered", "Metering"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class Limits(NamedTuple):
    """Metering window, and accepted event times before and after arrival; a limit itself is still accepted."""

    window_ms: int = HOUR_MS
    late_ms: int = 34 * DAY_MS
    ahead_ms: int = DAY_MS


class Metered(NamedTuple):
    """What some events became, both in order of arrival."""

    deltas: list[Delta]
    rejected: list[Reject]


class Metering:
    """The products and ids that are known so far. Deterministic; not thread safe."""

    def __init__(self, limits: Limits | None = None, *, keeps: bool = False) -> None:
        """`keeps`: events are kept for products that appear later (`backfill`)."""
        self._keeps = keeps
        self._limits = limits or Limits()
        self._counting = Counting((), owners(Families()), self._limits.window_ms)
        self._known: dict[str, tuple[object, ...]] = {}
        self._sequence = 0
        self._accepted: list[UsageEvent] = []
        self._left: dict[tuple[str, str], int | None] = {}
        """By catalogue and product: how many accepted events it is metered for; none: all."""
        self._gaps: list[tuple[Meter, int, int]] = []

    def prepare(self, catalogues: Iterable[Catalogue], contracts: Mapping[str, Contract]) -> None:
        """Take the newest versions of all documents; they hold for all following events."""
        self._counting = Counting([each for catalogue in catalogues for each in meters(catalogue)], owners(Families(contracts.values())), self._limits.window_ms)
        self._follow()

    def take(self, events: Iterable[UsageEvent]) -> Metered:
        """Meter events in the order of their arrival."""
        deltas: list[Delta] = []
        rejected: list[Reject] = []
        for event in events:
            uses = self._counting.uses(event)
            reason = self._untimely(event) or ("not_a_number" if uses is None else None) or self._repeated(event)
            if reason == "duplicate":
                continue
            if reason is not None or uses is None:
                rejected.append(Reject(event.transaction_id, reason or ""))
                continue
            self._sequence += 1
            if self._keeps:
                self._accepted.append(event)
            deltas += self._counting.deltas(event, uses, self._sequence)
        return Metered(deltas, rejected)

    def backfill(self) -> list[Delta]:
        """What products that have appeared since the last call had missed before, in order of arrival; nothing when events are not kept.

        An event that lacks the number which such a product needs counts for the others as it did.
        """
        gaps, self._gaps = self._gaps, []
        found = []
        for meter, start, end in gaps:
            for event in self._accepted[start:end]:
                use = meter.use(event) if event.event_type in meter.metric.event_types and meter.concerns(event.properties) else None
                if use is not None and use != "not_a_number":
                    found.append(self._counting.delta(event, use, None))
        return sorted(found, key=lambda delta: delta.recorded_ms)

    def _follow(self) -> None:
        """Products that appear have missed what they were not metered for."""
        now = {(each.catalogue, each.product_id): each for each in self._counting.meters}
        for key, meter in now.items():
            start = self._left.get(key, 0)
            if start is not None and start < len(self._accepted):
                self._gaps.append((meter, start, len(self._accepted)))
            self._left[key] = None
        for key, left in self._left.items():
            if left is None and key not in now:
                self._left[key] = len(self._accepted)

    def _untimely(self, event: UsageEvent) -> str | None:
        if event.timestamp_ms < max(event.recorded_ms - self._limits.late_ms, 0):  # METER counts no time before 1970
            return "too_old"
        return "too_far_ahead" if event.timestamp_ms > event.recorded_ms + self._limits.ahead_ms else None

    def _repeated(self, event: UsageEvent) -> str | None:
        """The first of an id counts; the same body again is a duplicate, another one a conflict."""
        body = (event.customer, event.event_type, event.timestamp_ms, tuple(sorted(event.properties.items())))
        first = self._known.setdefault(event.transaction_id, body)
        if first is body:
            return None
        return "duplicate" if first == body else "conflict"
