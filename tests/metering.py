"""A METER without Kafka for tests: messages in, what it would have written out, decoded.

Every batch is metered in both ways, with statements and event by event, and both must find the same.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.twins import original
from contracts.usage import Delta, Point
from contracts.windows import merge, of_delta
from pipelines.document_log import Documents
from pipelines.metering.batch import Limits, Metering, Outcome
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import engine
from pipelines.metering.messages import Messages
from schemas.codec import Codec

CODEC = Codec()
NOW = 1_760_000_000_000


class Reject(NamedTuple):
    offset: int
    reason: str
    record: Mapping[str, Any]


def change(catalogue: Catalogue, version: int) -> dict[str, Any]:
    """A catalogue as contract-changes has it."""
    return {"kind": "catalogue", "id": catalogue.id, "version": version, "body": msgspec.json.encode(catalogue).decode()}


def documents(catalogue: Catalogue, contracts: Iterable[Contract] = (), version: int = 1) -> Documents:
    """As METER reads them from contract-changes."""
    known = Documents()
    known.record(change(catalogue, version))
    for each in contracts:
        body = msgspec.json.encode(each).decode()
        known.record({"kind": "contract", "id": each.id, "version": 1, "root": None, "recorded_at": 0, "effective_at": None, "body": body})
    return known


class Meter:
    """One partition of usage-events and the METER that reads it."""

    def __init__(self, known: Documents, folder: Path, limits: Limits, codec: Codec = CODEC, *, both: bool = True) -> None:
        """`both`: what the statements find is asked too, of every batch."""
        self.codec = codec
        self.statements = Metering(engine(), codec, limits._replace(few=0)) if both else None
        self.metering = Metering(engine(), codec, limits)
        self.prepare(known)
        self.dedup = Dedup(folder / "dedup", 34, NOW)
        self.offset = 0

    def prepare(self, known: Documents) -> None:
        self.known = known
        if self.statements is not None:
            self.statements.prepare(known)
        self.metering.prepare(known)

    def take(self, values: Sequence[bytes | None], recorded_ms: int | Sequence[int] = NOW, offset: int | None = None) -> Outcome:
        """One batch, committed."""
        count = len(values)
        first = self.offset if offset is None else offset
        recorded = np.full(count, recorded_ms, np.int64) if isinstance(recorded_ms, int) else np.array(recorded_ms, np.int64)
        messages = Messages(values, [b"k"] * count, np.zeros(count, np.uint16), np.arange(first, first + count), recorded)
        other = None if self.statements is None else self.statements.run(messages, self.dedup)
        outcome = self.metering.run(messages, self.dedup)
        assert other is None or self.told(outcome) == self.told(other)
        self.dedup.put(outcome.fresh)
        self.dedup.know({0: first + count})
        self.offset = max(self.offset, first + count)
        return outcome

    def told(self, outcome: Outcome) -> tuple[Any, ...]:
        """All that an outcome says, however many deltas say it."""
        found = merged((as_delta(each) for each in deltas(outcome, self.codec)), *(known.catalogue for known in self.known.catalogues.values()))
        partitions = {partition for partition, value in outcome.metered if self.codec.decode("metered_usage", value)["deltas"]}
        watched = [delta["sequence"] for delta in deltas(outcome, self.codec) if delta["sequence"] is not None]
        counted = (outcome.read, outcome.accepted, outcome.duplicates, outcome.reasons)
        return found, partitions, sorted(watched), reasons(outcome, self.codec), outcome.fresh, outcome.ids, counted

    def event(
        self, transaction_id: str, properties: Mapping[str, str] | None = None, *, customer: str = "acme", event_type: str = "call", at: int = NOW
    ) -> bytes:
        value = {"transaction_id": transaction_id, "customer": customer, "event_type": event_type, "timestamp": at, "properties": dict(properties or {})}
        return self.codec.encode("usage_event", value)


@contextmanager
def meter(known: Documents, *, codec: Codec = CODEC, both: bool = True, **limits: int) -> Iterator[Meter]:
    """A METER with a store of its own."""
    folder = Path(tempfile.mkdtemp())
    made = Meter(known, folder, Limits(**({"partitions": 3} | limits)), codec, both=both)
    try:
        yield made
    finally:
        made.dedup.close()
        shutil.rmtree(folder)


def deltas(outcome: Outcome, codec: Codec = CODEC) -> list[dict[str, Any]]:
    """Of the wire, record by record."""
    return [delta for _, value in outcome.metered for delta in codec.decode("metered_usage", value)["deltas"]]


def merged(found: Iterable[Delta], *catalogues: Catalogue) -> dict[Any, Any]:
    """One aggregate for each key, arrival included."""
    known = {each.id: each for each in catalogues}
    whole: dict[Any, Any] = {}
    for each in found:
        catalogue = known[each.catalogue]
        kind = catalogue.metrics[catalogue.products[original(each.product)].metric or ""].aggregation
        key = (each.catalogue, each.product, each.customer, tuple(sorted(each.group.items())), each.window_ms, each.recorded_ms, each.sequence)
        whole[key] = merge(kind, whole.get(key), of_delta(each))
    return whole


def as_delta(wire: Mapping[str, Any]) -> Delta:
    value = None if wire["value"] is None else Decimal(wire["value"])
    points = tuple(Point(each["timestamp_ms"], each["transaction_id"], Decimal(each["value"])) for each in wire["points"])
    plain = {name: wire[name] for name in ("catalogue", "product", "customer", "group", "window_ms", "recorded_ms", "first_ms", "events", "sequence")}
    return Delta(**plain, value=value, points=points, members=frozenset(wire["members"]))


def rejects(outcome: Outcome, codec: Codec = CODEC) -> list[Reject]:
    decoded = [codec.decode("rejected_event", value) for _, value in outcome.rejected]
    return [Reject(each["offset"], each["reason"], each) for each in decoded]


def reasons(outcome: Outcome, codec: Codec = CODEC) -> dict[int, str]:
    """By offset."""
    return {each.offset: each.reason for each in rejects(outcome, codec)}
