"""Transactions that nobody ends any more: they stand open in a partition, while their coordinator knows of none.

Seen when Kafka's disk was full for a moment: the offsets that a transaction would have committed stayed undecided for ever. Who asks for committed offsets
gets no answer then, and nobody reads on behind such a place in a topic.

A coordinator knows of a transaction before anything of it is written, and until everything of it is decided. So one that is open in a partition now
and after the coordinator was asked, who knew of none, hangs. It is ended as the rest of it has: committed when it was committed in other partitions
(`transaction_marks.py`), aborted when nothing of it was.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from pipelines.kafka_requests import DescribeProducers, ListTransactions, WriteTxnMarkers
from pipelines.reach import reach_async
from pipelines.topology import TOPICS
from pipelines.transaction_marks import Part, check, committed

__all__ = ["end_hanging"]

log = logging.getLogger("taximeter.transactions")

OFFSETS: Final = "__consumer_offsets"
PATIENCE_S: Final = 10.0
UNDER_WAY: Final = frozenset({"Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"})


def end_hanging(bootstrap: str) -> list[Part]:
    """End what hangs in the partitions of all topics: these. When nobody can tell or do it the log says so, and everything stays as it was."""
    found: list[Part] = []

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


async def _end(bootstrap: str) -> list[Part]:
    client = AIOKafkaClient(**reach_async(bootstrap), client_id="taximeter-transactions")
    await client.bootstrap()
    try:
        topics = [*(topic.name for topic in TOPICS), OFFSETS]
        await client.set_topics(topics)
        before = {each for each in await _parts(client, topics) if each.start >= 0}
        if not before:
            return []
        under_way = await _under_way(client)
        parts = await _parts(client, topics)
        hanging = sorted((each for each in parts if each in before and each.producer_id not in under_way), key=_producer)
        for producer, group in groupby(hanging, _producer):
            mine = list(group)
            outcome = await committed(client, mine, [each for each in parts if each.producer_id == producer and each.start < 0])
            for each in mine:
                await _write_mark(client, each, outcome)
                did = "committed, as the rest of it was" if outcome else "aborted, and its events are read again"
                log.warning("%s[%d]: a transaction was open that nobody would have ended; it is %s", each.topic, each.partition, did)
        return hanging
    finally:
        await client.close()


def _producer(part: Part) -> int:
    return part.producer_id


async def _under_way(client: AIOKafkaClient) -> set[int]:
    """Producers of whose transactions a coordinator knows."""
    found = set()
    for broker in client.cluster.brokers():
        answer = await client.send(broker.nodeId, ListTransactions())
        check(answer.error_code)
        found |= {producer for _, producer, state, _ in answer.transactions if state in UNDER_WAY}
    return found


async def _parts(client: AIOKafkaClient, topics: Iterable[str]) -> list[Part]:
    """What any producer has in any partition."""
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
                    Part(leader, topic, partition, producer, epoch, max(coordinator_epoch, 0), start)
                    for producer, epoch, _, _, coordinator_epoch, start, _ in producers or ()
                    if not error
                ]
    return found


async def _write_mark(client: AIOKafkaClient, each: Part, outcome: bool) -> None:
    request = WriteTxnMarkers(each.producer_id, each.producer_epoch, each.coordinator_epoch, each.topic, each.partition, committed=outcome)
    answer: Any = await client.send(each.leader, request)
    for _, topics, _ in answer.markers:
        for _, partitions, _ in topics:
            for _, error, _ in partitions:
                check(error)
