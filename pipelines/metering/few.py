"""Small batches, event by event: for some hundred events, planning METER's statements costs more than counting them in plain Python.

Only batches about which there is nothing to say go this way: every event is whole and has what the products need. Of any other, this way
wants to know nothing (`load` and `count` say so) and the statements decide, which also find the reasons. The ids and bodies are hashed as the engine
does it (`hashing.py`), so that dedup sees no difference.
"""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.case import UsageEvent
from contracts.counting import Counting, Meter, Use, meters
from contracts.money import plain
from contracts.scales import raw_value
from contracts.twins import SEPARATOR
from contracts.usage import Delta
from contracts.windows import Aggregate, group_key, merge, of_delta
from pipelines.document_log import Documents, RecordedCatalogue
from pipelines.metering import hashing, twins
from pipelines.metering.decode import Batch, Decoder, usage_event
from pipelines.metering.routing import Routing
from pipelines.metering.statements import PART
from pipelines.metering.step import row
from schemas.codec import ID_BYTES, CodecError
from schemas.packed import usage_delta

Added = tuple[Delta, Aggregate]
"""The first delta of a key, and the aggregate of several."""


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
        ids = [(each["transaction_id"], each["customer"], each["event_type"]) for each in decoded]
        if not all([first and second and not first.startswith(SEPARATOR) and _fit(*three) for three in ids for first, second, _ in [three]]):  # noqa: C419 - a list is faster here
            return None
        rows = np.zeros(len(decoded), dtype)
        rows["n"] = np.arange(len(decoded))
        rows["key"] = hashing.keys(batch.partitions.tolist(), (transaction_id for transaction_id, _, _ in ids))
        rows["body"] = hashing.bodies(decoded)
        rows["timestamp"] = [each["timestamp"] for each in decoded]
        self._events = [
            UsageEvent(*three, each["timestamp"], recorded, each["properties"])
            for three, each, recorded in zip(ids, decoded, batch.recorded_ms.tolist(), strict=True)
        ]
        return rows

    def count(self) -> bool:
        """Whether every event has what the products need of it, as they are now."""
        self._uses = []
        for event in self._events:
            uses = self._counting.uses(event)
            if uses is None or not _fit(*(use.member for use in uses)):
                return False
            self._uses.append(uses)
        return True

    def rows(self, excluded: Collection[int]) -> Iterable[bytes]:
        """Deltas of all events but those at the places `excluded`, as rows for `packs`: first what is added up, then watched events in order."""
        added: dict[tuple[Any, ...], Added] = {}
        full: list[Added] = []
        watched: list[Delta] = []
        left_out = frozenset(excluded)
        for place, (event, uses) in enumerate(zip(self._events, self._uses, strict=True)):
            if place in left_out:
                continue
            for use, delta in zip(uses, self._counting.deltas(event, uses, place), strict=True):
                if delta.sequence is not None:
                    watched.append(delta)
                    continue
                key = (delta.catalogue, delta.product, delta.customer, delta.window_ms, delta.recorded_ms, group_key(delta.group))
                first, total = added.get(key, (delta, None))
                if total is not None and len(total.points) + len(total.members) >= PART:
                    full.append((first, total))
                    total = None
                added[key] = (first, merge(use.meter.metric.aggregation, total, of_delta(delta)))
        once = (_delta(*each) for group in (full, added.values()) for each in group)
        return (row(self._routes.partition_of(each.customer), each.sequence, _body(each)) for group in (once, watched) for each in group)


def _delta(first: Delta, total: Aggregate) -> Delta:
    value = None if total.value is None else raw_value(total.value)
    return first._replace(first_ms=total.first_ms, events=total.events, value=value, points=total.points, members=total.members)


def _fit(*texts: str) -> bool:
    return all([len(text) <= ID_BYTES // 4 or len(text.encode()) <= ID_BYTES for text in texts])  # noqa: C419


def _body(delta: Delta) -> bytes:
    points = [{"timestamp_ms": each.timestamp_ms, "transaction_id": each.transaction_id, "value": plain(each.value)} for each in delta.points]
    value = None if delta.value is None else plain(delta.value)
    return usage_delta({**delta._asdict(), "value": value, "points": points, "members": sorted(delta.members)})
