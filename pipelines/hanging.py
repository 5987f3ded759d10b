"""Transactions that nobody ends any more: they stand open in a partition, while their coordinator knows of none.

Seen when Kafka's disk was full for a moment: the coordinator lost what it had of a transaction, and the offsets that this would have committed stayed
undecided for ever. Who asks for committed offsets gets no answer then, and nobody reads on behind such a place in a topic.

A coordinator knows of a transaction before anything of it is written, and until everything of it is decided. So one that is open in a partition now
and after the coordinator was asked, who knew of none, hangs, and is aborted: what Kafka's own `kafka-transactions.sh abort` does.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code

from pipelines.kafka_requests import DescribeProducers, ListTransactions, WriteTxnMarkers
from pipelines.reach import reach_async
from pipelines.topology import TOPICS

__all__ = ["Open", "end_hanging"]

log = logging.getLogger("taximeter.transactions")

OFFSETS: Final = "__consumer_offsets"
PATIENCE_S: Final = 10.0
UNDER_WAY: Final = frozenset({"Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"})


class Open(NamedTuple):
    """A transaction that is open in a partition."""

    leader: int
    topic: str
    partition: int
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    start: int
    """Offset of its first record."""


def end_hanging(bootstrap: str) -> list[Open]:
    """Abort what hangs in the partitions of all topics: these. When nobody can tell or do it the log says so, and everything stays as it was."""
    found: list[Open] = []

    def work() -> None:
        try:
            found.extend(asyncio.run(asyncio.wait_for(_end(bootstrap), PATIENCE_S)))
        except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:  # the last: a broker of other versions
            log.warning("whether transactions hang cannot be seen (%r); if offsets stay undecided, use Kafka's kafka-transactions.sh find-hanging", error)

    # On a thread of its own: whoever asks may be in a loop.
    thread = threading.Thread(target=work, name="hanging transactions")
    thread.start()
    thread.join()
    return found


async def _end(bootstrap: str) -> list[Open]:
    client = AIOKafkaClient(**reach_async(bootstrap), client_id="taximeter-transactions")
    await client.bootstrap()
    try:
        topics = [*(topic.name for topic in TOPICS), OFFSETS]
        await client.set_topics(topics)
        before = await _open(client, topics)
        if not before:
            return []
        under_way = await _under_way(client)
        hanging = [each for each in await _open(client, topics) if each in before and each.producer_id not in under_way]
        for each in hanging:
            await _abort(client, each)
            log.warning("%s[%d]: a transaction was open that nobody would have ended; it is aborted, and its events are read again", each.topic, each.partition)
        return hanging
    finally:
        await client.close()


async def _under_way(client: AIOKafkaClient) -> set[int]:
    """Producers of whose transactions a coordinator knows."""
    found = set()
    for broker in client.cluster.brokers():
        answer = await client.send(broker.nodeId, ListTransactions())
        _check(answer.error_code)
        found |= {producer for _, producer, state, _ in answer.transactions if state in UNDER_WAY}
    return found


async def _open(client: AIOKafkaClient, topics: Iterable[str]) -> list[Open]:
    led: dict[int, dict[str, list[int]]] = {}
    for topic in topics:
        for partition in client.cluster.partitions_for_topic(topic) or ():
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            led.setdefault(leader, {}).setdefault(topic, []).append(partition)
    found = []
    for leader, places in led.items():
        answer = await client.send(leader, DescribeProducers(places))
        for topic, partitions, _ in answer.topics:
            for partition, error, _, producers, _ in partitions:
                # Of a partition whose leader is changing nothing is known now.
                found += [
                    Open(leader, topic, partition, producer, epoch, max(coordinator_epoch, 0), start)
                    for producer, epoch, _, _, coordinator_epoch, start, _ in producers or ()
                    if start >= 0 and not error
                ]
    return found


async def _abort(client: AIOKafkaClient, each: Open) -> None:
    request = WriteTxnMarkers(each.producer_id, each.producer_epoch, each.coordinator_epoch, each.topic, each.partition)
    answer: Any = await client.send(each.leader, request)
    for _, topics, _ in answer.markers:
        for _, partitions, _ in topics:
            for _, error, _ in partitions:
                _check(error)


def _check(code: int) -> None:
    if code:
        raise for_code(code)
