"""The writing end of RATE: whole batches to the changelog, packed records to the topics.

ForeignWriteError     somebody else has written to this partition's changelog
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from contracts.errors import TaximeterError
from pipelines.partitioning import partition_of
from pipelines.rating.step import Write
from pipelines.rating.tables import MESSAGE_BYTES, Claim
from pipelines.reach import reach_async
from pipelines.topology import AWAITED, BALANCE_THRESHOLDS, BALANCES, METERED_USAGE, RATED_LINE_ITEMS
from schemas.codec import Codec

REQUEST_S: Final = 300
"""A broker that is gone comes back, or the group's session ends first and everything is read again."""
PORTION_BYTES: Final = 700_000
RECORD_BYTES: Final = 100
"""What a record takes in a batch beside key and value: at most, with the headers of a claim."""


class ForeignWriteError(TaximeterError):
    """Another worker owns the partition, or did a moment ago."""


class Output:
    """Sends for all partitions of a worker. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec, partitions: int, changelog: str) -> None:
        self._codec = codec
        self._partitions = partitions
        self._changelog = changelog
        self._producer = AIOKafkaProducer(
            **reach_async(bootstrap),
            client_id="taximeter-rate",
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=MESSAGE_BYTES - 100_000,
            max_request_size=MESSAGE_BYTES,
            request_timeout_ms=REQUEST_S * 1000,
            retry_backoff_ms=100,
        )

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def write(self, partition: int, rows: Mapping[bytes, bytes | None], claim: Claim, behind: int) -> tuple[int, int]:
        """Append rows to the changelog as one batch, expected at the offset `behind`: offsets of the first and the last. Raises KafkaError."""
        headers = claim.headers(behind, len(rows))
        first: int = (await (await self._send(self._changelog, partition, list(rows.items()), headers))).offset
        return first, first + len(rows) - 1

    async def publish(self, partition: int, write: Write) -> None:
        """Send the results of a write; returns when all are acknowledged. Raises KafkaError."""
        encode = self._codec.encode
        # Crossings first, because somebody waits for them.
        crossings = [(each["customer"].encode(), encode("crossing", each)) for each in write.crossings]
        rated = [(each["customer"].encode(), encode("rated_batch", each)) for each in write.rated]
        # The topic is compacted: a key for each balance.
        balances = [(f"{each['customer']}/{each['contract']}/{each['id']}".encode(), encode("balance", each)) for each in write.balances]
        sent = []
        told = repeat([(AWAITED, b"")] if write.awaited else [])
        for topic, records in ((BALANCE_THRESHOLDS, crossings), (RATED_LINE_ITEMS, rated), (BALANCES, balances)):
            sent += [await self._send(topic.name, partition, portion, told) for portion in portions(records)]
        for each in write.transfers:
            value = encode("metered_usage", {name: field for name, field in each.items() if name != "root"})
            target = partition_of(each["root"], self._partitions)
            sent.append(await self._send(METERED_USAGE.name, target, [(each["root"].encode(), value)]))
        await asyncio.gather(*sent)

    async def _send(self, topic: str, partition: int, records: Sequence[tuple[bytes, bytes | None]], headers: Iterable[list[tuple[str, bytes]]] = repeat([])) -> Any:
        """Queue records as one batch, each with its headers; the awaitable that tells where it is."""
        batch = self._producer.create_batch()
        for (key, value), told in zip(records, headers, strict=False):
            if batch.append(key=key, value=value, timestamp=None, headers=told) is None:
                size = sum(len(each or b"") for _, each in records)
                raise ValueError(f"{len(records)} records with {size} bytes are too much for one batch of {topic}")
        batch.close()
        return await self._producer.send_batch(batch, topic, partition=partition)


def portions(records: Iterable[tuple[bytes, bytes | None]], most: int = PORTION_BYTES) -> Iterator[list[tuple[bytes, bytes | None]]]:
    """All of them in order, no portion with more than `most` bytes as a batch counts them, but for one record that has more by itself."""
    portion: list[tuple[bytes, bytes | None]] = []
    size = 0
    for key, value in records:
        takes = len(key) + len(value or b"") + RECORD_BYTES
        if portion and size + takes > most:
            yield portion
            portion, size = [], 0
        portion.append((key, value))
        size += takes
    if portion:
        yield portion
