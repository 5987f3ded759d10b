"""The first way: usage-events read again from Kafka, event by event, by the offline metering of the case runner. No SQL and no state of the stream.

Partitions are shared out over processes: the same id is always in the same partition, and windows merge in any order.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from multiprocessing import get_context
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.metering import Limits, Metering
from pipelines.corrected import Corrected
from pipelines.reader import at_end, reader
from pipelines.topology import REJECTED_EVENTS, USAGE_EVENTS
from pipelines.verifying.windows import Counted, Kinds, arrival, count, join
from schemas.codec import Codec, CodecError

BATCH: Final = 20_000
FEW: Final = 20
"""So many customers are looked for in the bytes of an event."""
JUDGED: Final = frozenset({"too_old", "too_far_ahead", "not_a_number", "conflict"})
"""Reasons that are found again here; what was rejected for its bytes is left out."""


class Reading(NamedTuple):
    """What is read, and how it is counted."""

    bootstrap: str
    registry: str | None
    catalogues: tuple[Catalogue, ...]
    contracts: Mapping[str, Contract]
    kinds: Kinds
    limits: Limits
    exact: frozenset[str]
    """Ids whose usage keeps its arrival, because somebody has finalized an invoice of theirs."""
    customers: frozenset[str] | None
    """Only these ids; none: all."""
    corrected: Corrected


def counted(reading: Reading, ends: Mapping[int, int], jobs: int) -> Counted:
    """The windows of all events before `ends` (by partition). Raises KafkaException."""
    partitions = sorted(partition for partition, end in ends.items() if end > 0)
    shares = [{partition: ends[partition] for partition in partitions[first::jobs]} for first in range(jobs)]
    shares = [share for share in shares if share]
    found: Counted = {}
    if len(shares) == 1:
        return _share(reading, shares[0])
    with ProcessPoolExecutor(len(shares) or 1, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_share, [reading] * len(shares), shares):
            join(found, reading.kinds, part)
    return found


def events(
    bootstrap: str, codec: Codec, ends: Mapping[int, int], starts: Mapping[int, int] | None = None, customers: Collection[str] | None = None
) -> Iterator[tuple[int, int, UsageEvent]]:
    """(partition, offset, event) of everything before `ends` that can be read as an event, a partition after the other in its order.

    `customers`: of these at least, and perhaps of some others; none: of all.
    """
    # Text stands in Avro as it is, so what does not have the name of any of a few need not be decoded.
    names = [each.encode("utf-8", "surrogatepass") for each in customers] if customers is not None and len(customers) <= FEW else None
    for message in _messages(bootstrap, USAGE_EVENTS.name, ends, starts or {}):
        body = message.value() or b""
        if names is not None and not any([name in body for name in names]):  # noqa: C419 - a list is faster here
            continue
        try:
            value = codec.decode("usage_event", body)
        except CodecError:
            continue
        yield (
            message.partition(),
            message.offset(),
            UsageEvent(value["transaction_id"], value["customer"], value["event_type"], value["timestamp"], message.timestamp()[1], value["properties"]),
        )


def rejected(bootstrap: str, codec: Codec, partitions: Iterable[int], but: frozenset[str] = frozenset()) -> set[tuple[int, int]]:
    """(partition, offset) of the events that METER rejected, except for these reasons."""
    found = set()
    for message in _messages(bootstrap, REJECTED_EVENTS.name, dict.fromkeys(partitions), {}):
        value = codec.decode("rejected_event", message.value())
        if value["topic"] == USAGE_EVENTS.name and value["reason"] not in but:
            found.add((value["partition"], value["offset"]))
    return found


class _Once(Metering):
    """Metering of events of which no id comes twice: whoever gives them has seen to it, in less room."""

    def _repeated(self, event: UsageEvent) -> str | None:  # noqa: ARG002
        return None


def _share(reading: Reading, ends: Mapping[int, int]) -> Counted:
    codec = Codec.at(reading.registry)
    refused = rejected(reading.bootstrap, codec, ends, JUDGED)
    metering = _Once(reading.limits)
    metering.prepare(reading.catalogues, reading.contracts)
    found: Counted = {}
    known: set[bytes] = set()
    for partition, offset, event in events(reading.bootstrap, codec, ends, customers=reading.customers):
        if (partition, offset) in refused or (reading.customers is not None and event.customer not in reading.customers):
            continue
        name = blake2b(event.transaction_id.encode("utf-8", "surrogatepass"), digest_size=10).digest()
        if name in known:
            continue
        if _take(reading, metering, found, event, counts=reading.corrected.counts(event.transaction_id)):
            known.add(name)
    return found


def _take(reading: Reading, metering: Metering, found: Counted, event: UsageEvent, *, counts: bool) -> bool:
    """Count an event; whether it was accepted."""
    metered = metering.take([event])
    if counts:
        for delta in metered.deltas:
            exact = delta.customer in reading.exact
            count(found, reading.kinds, delta, delta.recorded_ms if exact else arrival(delta.window_ms, event.recorded_ms, reading.limits.window_ms))
    return not metered.rejected


def _messages(bootstrap: str, topic: str, ends: Mapping[int, int | None], starts: Mapping[int, int]) -> Iterator[Any]:
    """Messages of partitions up to an offset, or to where each ends now."""
    consumer = reader(bootstrap, "taximeter-verify", {"queued.max.messages.kbytes": 32_768})
    try:
        for partition, end in ends.items():
            consumer.assign([TopicPartition(topic, partition, starts.get(partition, OFFSET_BEGINNING))])
            yield from _partition(consumer, end)
    finally:
        consumer.close()


def _partition(consumer: Consumer, end: int | None) -> Iterator[Any]:
    while True:
        found: Sequence[Any] = consumer.consume(BATCH, 0.2)
        for message in found:
            if at_end(message) or (end is not None and message.offset() >= end):
                return
            yield message
            if end is not None and message.offset() + 1 >= end:
                return
