"""Small batches, event by event: for some hundred events, planning METER's statements costs more than counting them in plain Python.

Only batches about which there is nothing to say go this way: every event is whole and has what the products need. Of any other, this way
wants to know nothing (`load` and `count` say so) and the statements decide, which also find the reasons. The ids and bodies are hashed as the engine
does it (`hashing.py`), so that dedup sees no difference.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.case import UsageEvent
from contracts.counting import QUARTER_MS, Counting, Meter, Use, meters
from contracts.money import plain
from contracts.scales import raw_atoms, raw_value
from contracts.twins import SEPARATOR
from contracts.usage import Delta
from contracts.windows import Aggregate, merge, of_delta
from pipelines.document_log import Documents, RecordedCatalogue
from pipelines.metering import hashing, twins
from pipelines.metering.decode import Batch, Decoder, usage_event
from pipelines.metering.routing import Routing
from pipelines.metering.statements import PART
from pipelines.metering.step import row
from schemas.codec import ID_BYTES, CodecError
from schemas.packed import usage_delta

USES: Final = 2_400
"""Where more products want something of a batch's events, taken together, the statements are quicker."""
PLACES: Final = 18
"""Digits behind the point that count."""


class Few:
    """One batch at a time: `load`, then `count`, then `rows`. Not thread safe."""

    def __init__(self, decoder: Decoder, window_ms: int) -> None:
        self._decoder = decoder
        self._window_ms = window_ms
        self._products: dict[str, tuple[int, list[Meter]]] = {}
        """By catalogue and its version."""
        self._events: list[UsageEvent] = []
        self._uses: list[list[Use]] = []

    def prepare(self, documents: Documents, routes: Routing) -> None:
        """Take the documents as they are now."""
        self._routes = routes
        self._products = {name: self._known(name, each) for name, each in documents.catalogues.items()}
        beside = twins.counted({name: found for name, (_, found) in self._products.items()}, documents.generations)
        self._counting = Counting([*(each for _, found in self._products.values() for each in found), *beside], routes.owners, self._window_ms)

    def _known(self, name: str, catalogue: RecordedCatalogue) -> tuple[int, list[Meter]]:
        before = self._products.get(name)
        return before if before is not None and before[0] == catalogue.version else (catalogue.version, list(meters(catalogue.catalogue)))

    def load(self, batch: Batch, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
        """Rows as the statement of identities gives them, for all messages; none: some message is no usage event, or an unusual one, or one that a
        correction has brought."""
        whole, bad = self._decoder.uniform(batch)
        if bad:
            return None
        try:
            decoded = [usage_event(value, whole.header) for value in whole.values]
        except CodecError:
            return None
        events = [
            UsageEvent(each["transaction_id"], each["customer"], each["event_type"], each["timestamp"], recorded, each["properties"])
            for each, recorded in zip(decoded, batch.recorded_ms.tolist(), strict=True)
        ]
        if not all([_usual(each) for each in events]):  # noqa: C419 - a list is faster here
            return None
        rows = np.zeros(len(events), dtype)
        rows["n"] = np.arange(len(events))
        rows["key"] = hashing.keys(batch.partitions.tolist(), [each.transaction_id for each in events])
        rows["body"] = hashing.bodies(decoded)
        rows["timestamp"] = [each.timestamp_ms for each in events]
        self._events = events
        return rows

    def count(self) -> bool:
        """Whether every event has what the products need of it, as they are now, and not too many want something of it."""
        self._uses = []
        left = USES
        for event in self._events:
            uses = self._counting.uses(event)
            if uses is None or not _fit(*(use.member for use in uses)):
                return False
            left -= len(uses)
            if left < 0:
                return False
            self._uses.append(uses)
        return True

    def rows(self, excluded: Collection[int]) -> Iterable[bytes]:
        """Deltas of all events but those at the places `excluded`, as rows for `packs`: first what is added up, then watched events in order."""
        counting, window_ms = self._counting, self._window_ms
        alike: dict[tuple[Any, ...], list[tuple[UsageEvent, Use]]] = {}
        watched: list[Delta] = []
        left_out = frozenset(excluded)
        for place, (event, uses) in enumerate(zip(self._events, self._uses, strict=True)):
            if place in left_out:
                continue
            _, customer, _, at_ms, recorded_ms, properties = event
            if counting.watched(customer):
                watched += counting.deltas(event, uses, place)
                continue
            when = at_ms - at_ms % window_ms, recorded_ms - recorded_ms % QUARTER_MS
            for use in uses:
                meter = use.meter
                key = (id(meter), customer, when, *map(properties.get, counting.keys(meter, customer)))
                known = alike.get(key)
                if known is None:
                    alike[key] = [(event, use)]
                else:
                    known.append((event, use))
        once = (delta for each in alike.values() for delta in self._added(each))
        return (row(self._routes.partition_of(each.customer), each.sequence, _body(each)) for group in (once, watched) for each in group)

    def _added(self, alike: Sequence[tuple[UsageEvent, Use]]) -> Iterable[Delta]:
        """What events of one key come to: one delta, or several of at most `PART` points or members."""
        (event, use), *more = alike
        first = self._counting.delta(event, use, None)
        if not more:
            return (first,)
        kind = use.meter.metric.aggregation
        if kind in {"count", "sum"}:  # what nearly all usage is
            value = None if kind == "count" else raw_value(sum([raw_atoms(each.value) for _, each in alike if each.value is not None]))
            return (first._replace(first_ms=min([each.timestamp_ms for each, _ in alike]), events=len(alike), value=value),)
        found = []
        total = of_delta(first)
        for each, its in more:
            one = of_delta(self._counting.delta(each, its, None))
            if len(total.points) + len(total.members) >= PART:
                found.append(total)
                total = one
            else:
                total = merge(kind, total, one)
        return [_with(first, each) for each in (*found, total)]


def _with(first: Delta, total: Aggregate) -> Delta:
    value = None if total.value is None else raw_value(total.value)
    return first._replace(first_ms=total.first_ms, events=total.events, value=value, points=total.points, members=total.members)


def _usual(event: UsageEvent) -> bool:
    """Whether its ids are there, no longer than they may be, and none of a correction's."""
    transaction_id, customer, event_type, *_ = event
    return bool(transaction_id and customer) and transaction_id[0] != SEPARATOR and _fit(transaction_id, customer, event_type)


def _fit(*texts: str) -> bool:
    return all([len(text) <= ID_BYTES // 4 or len(text.encode()) <= ID_BYTES for text in texts])  # noqa: C419


def _body(delta: Delta) -> bytes:
    catalogue, product, customer, group, window_ms, recorded_ms, first_ms, events, value, points, members, sequence = delta
    counted = None if value is None else _cut(value)
    read = [(at_ms, name, plain(each)) for at_ms, name, each in points] if points else ()
    return usage_delta(
        catalogue, product, customer, group, window_ms, recorded_ms, first_ms, events, counted, read, sorted(members) if members else (), sequence
    )


def _cut(value: Decimal) -> str:
    """Without the digits that nobody counts (`raw_atoms`)."""
    text = plain(value)
    point = text.find(".")
    return text if point < 0 or len(text) - point <= PLACES + 1 else plain(raw_value(raw_atoms(value)))
