"""Usage events to deltas in plain Python, event by event: what METER does in batches, for cases and previews.

The same events are accepted, the same are rejected for the same reasons, and the deltas are of the same keys; only how many events one delta
has may differ, which nothing depends on. The definition of a product is the one in force when the event arrives.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue, Expression, Metric, Product
from contracts.contract import Contract
from contracts.expressions import Node, Property, evaluate, parse
from contracts.families import roots
from contracts.matching import matches
from contracts.money import plain
from contracts.result import Reject
from contracts.usage import Delta, Point

__all__ = ["QUARTER_MS", "Limits", "Metered", "Metering"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
QUARTER_MS: Final = HOUR_MS // 4
"""Arrival is kept to the quarter hour where nobody watches a threshold."""


class Limits(NamedTuple):
    """Metering window, and accepted event times before and after arrival; a limit itself is still accepted."""

    window_ms: int = HOUR_MS
    late_ms: int = 34 * DAY_MS
    ahead_ms: int = DAY_MS


class Metered(NamedTuple):
    """What some events became, both in order of arrival."""

    deltas: list[Delta]
    rejected: list[Reject]


class _Meter(NamedTuple):
    catalogue: str
    product_id: str
    product: Product
    metric: Metric
    value: Node | None
    keys: tuple[str, ...]


class _Use(NamedTuple):
    """What one event is to one product."""

    meter: _Meter
    value: Decimal | None
    member: str


class Metering:
    """The products and ids that are known so far. Deterministic; not thread safe."""

    def __init__(self, limits: Limits | None = None, *, keeps: bool = False) -> None:
        """`keeps`: events are kept for products that appear later (`backfill`)."""
        self._keeps = keeps
        self._limits = limits or Limits()
        self._meters: list[_Meter] = []
        self._singles: frozenset[str] = frozenset()
        self._filters: dict[str, set[str]] = {}
        self._ids: frozenset[str] = frozenset()
        self._known: dict[str, tuple[object, ...]] = {}
        self._sequence = 0
        self._accepted: list[UsageEvent] = []
        self._left: dict[tuple[str, str], int | None] = {}
        """By catalogue and product: how many accepted events it is metered for; none: all."""
        self._gaps: list[tuple[_Meter, int, int]] = []

    def prepare(self, catalogues: Iterable[Catalogue], contracts: Mapping[str, Contract]) -> None:
        """Take the newest versions of all documents; they hold for all following events."""
        self._meters = [each for catalogue in catalogues for each in _meters(catalogue)]
        self._follow()
        tops = roots(contracts)
        watched = {tops[contract.customer] for contract in contracts.values() if contract.thresholds}
        self._singles = frozenset(each for each, top in tops.items() if top in watched)
        self._ids = frozenset(tops)
        self._filters = {}
        for contract in contracts.values():
            for key in contract.usage_filter.where if contract.usage_filter else ():
                owners = self._filters.setdefault(key, set())
                same = [each for each in contracts.values() if each.customer == contract.customer]
                owners.update((contract.customer, *(alias for each in same for alias in each.aliases)))

    def take(self, events: Iterable[UsageEvent]) -> Metered:
        """Meter events in the order of their arrival."""
        deltas: list[Delta] = []
        rejected: list[Reject] = []
        for event in events:
            uses = self._uses(event)
            reason = self._untimely(event) or ("not_a_number" if uses is None else None) or self._repeated(event)
            if reason == "duplicate":
                continue
            if reason is not None or uses is None:
                rejected.append(Reject(event.transaction_id, reason or ""))
                continue
            self._sequence += 1
            if self._keeps:
                self._accepted.append(event)
            deltas += [self._delta(event, use, alone=event.customer in self._singles) for use in uses]
        return Metered(deltas, rejected)

    def backfill(self) -> list[Delta]:
        """What products that have appeared since the last call had missed before, in order of arrival; nothing when events are not kept.

        An event that lacks the number which such a product needs counts for the others as it did.
        """
        gaps, self._gaps = self._gaps, []
        found = []
        for meter, start, end in gaps:
            for event in self._accepted[start:end]:
                use = self._use(meter, event)
                if isinstance(use, _Use):
                    found.append(self._delta(event, use, alone=False))
        return sorted(found, key=lambda delta: delta.recorded_ms)

    def _follow(self) -> None:
        """Products that appear have missed what they were not metered for."""
        now = {(each.catalogue, each.product_id): each for each in self._meters}
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

    def _uses(self, event: UsageEvent) -> list[_Use] | None:
        """None: some product needs a number of the event and finds none."""
        found = []
        for meter in self._meters:
            use = self._use(meter, event)
            if use == "not_a_number":
                return None
            if isinstance(use, _Use):
                found.append(use)
        return found

    @staticmethod
    def _use(meter: _Meter, event: UsageEvent) -> "_Use | Literal['not_a_number'] | None":
        """None: the event does not concern the product."""
        metric = meter.metric
        if event.event_type not in metric.event_types or not matches(metric.where, event.properties) or not matches(meter.product.where, event.properties):
            return None
        if metric.aggregation == "unique":
            text = _member(meter.value, event.properties)
            return None if text is None else _Use(meter, None, text)
        value = None if meter.value is None else evaluate(meter.value, event.properties)
        return "not_a_number" if value is None and meter.value is not None else _Use(meter, value, "")

    def _delta(self, event: UsageEvent, use: _Use, *, alone: bool) -> Delta:
        meter = use.meter
        # Nobody knows yet whose an unknown id is: its usage keeps all that some filter may ask for.
        unknown = event.customer not in self._ids
        keys = [*meter.keys, *(key for key, owners in self._filters.items() if unknown or event.customer in owners)]
        gauge = meter.metric.aggregation in {"latest", "time_weighted"}
        return Delta(
            meter.catalogue,
            meter.product_id,
            event.customer,
            {key: event.properties[key] for key in keys if key in event.properties},
            event.timestamp_ms - event.timestamp_ms % self._limits.window_ms,
            event.recorded_ms if alone else event.recorded_ms - event.recorded_ms % QUARTER_MS,
            event.timestamp_ms,
            1,
            None if gauge else use.value,
            (Point(event.timestamp_ms, event.transaction_id, use.value),) if gauge and use.value is not None else (),
            frozenset({use.member}) if meter.metric.aggregation == "unique" else frozenset(),
            self._sequence if alone else None,
        )


def _meters(catalogue: Catalogue) -> Iterable[_Meter]:
    for product_id, product in catalogue.products.items():
        metric = catalogue.metrics.get(product.metric or "")
        if product.type != "usage" or metric is None:
            continue
        value: Node | None = None
        if isinstance(metric.value, Expression):
            value = parse(metric.value.expression)
        elif metric.value is not None and metric.aggregation != "count":
            value = Property(metric.value)
        keys = tuple(dict.fromkeys([*product.pricing_group_keys, *product.presentation_group_keys]))
        yield _Meter(catalogue.id, product_id, product, metric, value, keys)


def _member(value: Node | None, properties: Mapping[str, str]) -> str | None:
    """What `unique` tells events apart by: the text of a property, or a computed number."""
    if isinstance(value, Property):
        return properties.get(value.name)
    number = None if value is None else evaluate(value, properties)
    return None if number is None else plain(number)
