"""How a transaction ended, as the marks tell that it has in some partitions when they are missing in others.

Kafka writes a mark into each partition of a transaction; all of them say the same. A broker that starts again may pass over some of them for good
("partitions are likely deleted already and hence can be skipped"), so what is missing must be made up for by what the others say.
"""

import struct
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.control_record import ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch

__all__ = ["Part", "check", "committed"]

FETCH_BYTES: Final = 4 << 20
MOST_BYTES: Final = 256 << 20
"""Of one partition; a mark comes within moments of its records."""
SKEW_MS: Final = 10
"""A mark has the broker's time, records may have that of a client. Between the marks of a transaction and the records of the next one of the same producer is more."""
CONTROL: Final = 0x20
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""Of a batch: base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and last timestamp, producer id and epoch, sequence, count."""
_PREFIX: Final = 12
"""Base offset and length, which the length does not count."""


class Part(NamedTuple):
    """What a producer has in a partition."""

    leader: int
    topic: str
    partition: int
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    start: int
    """Offset of the first record of the transaction that is open there; negative: none is."""


class Batch(NamedTuple):
    """The head of a batch, as the log has it."""

    behind: int
    """Offset behind it."""
    ms: int
    """Of its first record; of a mark, when the broker wrote it."""
    producer_id: int
    mark: bool | None
    """A mark, that says whether its transaction was committed; none: records."""


async def committed(client: AIOKafkaClient, hanging: Iterable[Part], beside: Iterable[Part]) -> bool:
    """Whether the transaction that is open in the places `hanging` was committed, by its marks in places `beside` where the producer has none open.

    No mark at all: nobody has read anything of it, so it can be aborted as a whole. Raises KafkaError.
    """
    parts = list(hanging)
    begun = [each.ms for part in parts if (each := await _first(client, part)) is not None]
    if not begun:
        return False
    # What is written last tells best: the offsets of a group, in the broker's own time.
    since_ms = max(begun) - SKEW_MS
    marks = []
    for part in beside:
        offset = await _offset(client, part, since_ms)
        if offset is not None:
            async for batch in _batches(client, part, offset):
                if batch.producer_id == part.producer_id and batch.mark is not None and batch.ms >= since_ms:
                    marks.append((batch.ms, not batch.mark))
                    break
    return bool(marks) and not min(marks)[1]


async def _first(client: AIOKafkaClient, part: Part) -> Batch | None:
    async for batch in _batches(client, part, part.start):
        if batch.producer_id == part.producer_id:
            return batch
    return None


async def _offset(client: AIOKafkaClient, part: Part, since_ms: int) -> int | None:
    """Of the first record from that time on; none: there is none."""
    answer: Any = await client.send(part.leader, OffsetRequest(-1, 0, [(part.topic, [(part.partition, since_ms)])]))
    found = answer.topics[0][1][0]
    check(found[1])
    offset = int(found[3])
    return None if offset < 0 else offset


async def _batches(client: AIOKafkaClient, part: Part, start: int) -> AsyncIterator[Batch]:
    """From an offset to where the partition ends now, what is not decided included."""
    offset, read = start, 0
    while read < MOST_BYTES:
        request = FetchRequest(0, 0, FETCH_BYTES, 0, [(part.topic, [(part.partition, offset, FETCH_BYTES)])])
        answer: Any = await client.send(part.leader, request)
        found = answer.topics[0][1][0]
        check(found[1])
        data = bytes(found[-1] or b"")
        read += len(data)
        before = offset
        for batch in _heads(data):
            if batch.behind > offset:
                offset = batch.behind
                yield batch
        if offset == before:
            return


def _heads(data: bytes) -> Iterable[Batch]:
    """Of the batches that are there as a whole."""
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, _, _, attributes, last, first_ms, _, producer_id, _, _, _ = _HEADER.unpack_from(data, at)
        end = at + _PREFIX + length
        if end > len(data):
            return
        mark = None
        if attributes & CONTROL:
            record = next(iter(DefaultRecordBatch(data[at:end])))
            mark = ControlRecord.parse(record.key or b"").type_ == 1
        yield Batch(base + last + 1, first_ms, producer_id, mark)
        at = end


def check(code: int) -> None:
    """Raises KafkaError for the error code of an answer."""
    if code:
        error: KafkaError = for_code(code)()
        raise error
