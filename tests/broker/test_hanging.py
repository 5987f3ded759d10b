"""A transaction that its coordinator has forgotten is ended, as the rest of it has when some of it has; one that is under way is not."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import TxnOffsetCommitRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from pipelines import offsets
from pipelines.hanging import end_hanging
from pipelines.kafka_requests import WriteTxnMarkers
from pipelines.testing import Kafka, until
from pipelines.topology import METERED_USAGE

LOST, GOING_ON, MARKED = 3, 5, 7
"""Partitions."""
GROUP = "hung"
FORGOTTEN = 4_711
"""A producer id that no coordinator knows."""


def test_only_what_no_coordinator_knows_is_ended(tmp_path: Path) -> None:
    with Kafka(tmp_path) as broker:
        broker.with_topics()
        # given: a transaction under way; records of another one that no coordinator knows, as a lost disk leaves them
        going_on = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "going-on"})
        going_on.init_transactions(30)
        going_on.begin_transaction()
        going_on.produce(METERED_USAGE.name, b"later", partition=GOING_ON)
        going_on.flush(30)
        _unverified(broker.bootstrap)
        asyncio.run(_write_unknown(broker.bootstrap, LOST))
        behind = Producer({"bootstrap.servers": broker.bootstrap})
        behind.produce(METERED_USAGE.name, b"behind", partition=LOST)
        behind.flush(30)
        assert _readable(broker.bootstrap, LOST) == 0, "nobody reads on behind it"

        # when
        ended = end_hanging(broker.bootstrap)

        # then
        assert [(each.topic, each.partition, each.producer_id) for each in ended] == [(METERED_USAGE.name, LOST, FORGOTTEN)]
        assert end_hanging(broker.bootstrap) == []
        until(lambda: _readable(broker.bootstrap, LOST) == 3, "what hung, its end, and what came behind", 30)
        going_on.commit_transaction(30)
        # The answer to a commit does not wait for its marks in the partitions.
        until(lambda: _readable(broker.bootstrap, GOING_ON) == 2, "the transaction that went on", 30)


@pytest.mark.parametrize("committed", (True, False))
def test_what_hangs_ends_as_the_rest_of_its_transaction_has(tmp_path: Path, committed: bool) -> None:
    with Kafka(tmp_path) as broker:
        broker.with_topics()
        # given: a transaction over three partitions and a group's offset, whose mark was written in one partition only
        assert _offset(broker.bootstrap) == 0
        _unverified(broker.bootstrap)
        asyncio.run(_write_part(broker.bootstrap, committed))
        assert [_readable(broker.bootstrap, each) for each in (MARKED, LOST, GOING_ON)] == [2, 0, 0]

        # when
        ended = end_hanging(broker.bootstrap)

        # then
        assert {(each.topic, each.partition) for each in ended} >= {(METERED_USAGE.name, LOST), (METERED_USAGE.name, GOING_ON)}
        assert {each.topic for each in ended} == {METERED_USAGE.name, "__consumer_offsets"}
        assert _values(broker.bootstrap) == ({(each, b"value") for each in (MARKED, LOST, GOING_ON)} if committed else set())
        assert _offset(broker.bootstrap) == (47 if committed else 0)


def test_a_broker_that_is_gone_stops_nobody(kafka: Kafka) -> None:
    assert end_hanging(kafka.bootstrap) == []
    assert end_hanging("127.0.0.1:1") == []


def _readable(bootstrap: str, partition: int) -> int:
    """The last stable offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "looks", "isolation.level": "read_committed"})
    _, end = consumer.get_watermark_offsets(TopicPartition(METERED_USAGE.name, partition), timeout=30)
    consumer.close()
    return int(end)


def _unverified(bootstrap: str) -> None:
    """Let the broker take what a coordinator has not heard of; else it could not come to this by a client."""
    entry = ConfigEntry("transaction.partition.verification.enable", "false", incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": bootstrap})  # held: its answers do not come when it is gone
    for answer in admin.incremental_alter_configs([ConfigResource("broker", "1", incremental_configs=[entry])]).values():
        answer.result(30)


async def _write_unknown(bootstrap: str, *partitions: int) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    await client.set_topics([METERED_USAGE.name])
    broker = next(iter(client.cluster.brokers()))
    for partition in partitions:
        builder = DefaultRecordBatchBuilder(2, 0, 1, FORGOTTEN, 0, 0, 1_000)
        builder.append(0, time.time_ns() // 1_000_000, b"key", b"value", [])
        request = ProduceRequest("forgotten", -1, 10_000, [(METERED_USAGE.name, [(partition, bytes(builder.build()))])])
        await _until(client, broker.nodeId, request, lambda answer: answer.topics[0][1][0][1])
    await client.close()


async def _until(client: AIOKafkaClient, node: int, request: Any, error: Callable[[Any], int]) -> None:
    """A partition, a setting and a group's coordinator are there a moment after they are asked for."""
    deadline = time.monotonic() + 60
    while code := error(await client.send(node, request)):
        assert time.monotonic() < deadline, f"the broker answers with error {code}"


async def _write_part(bootstrap: str, committed: bool) -> None:
    await _write_unknown(bootstrap, MARKED, LOST, GOING_ON)
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    broker = next(iter(client.cluster.brokers()))

    offset = TxnOffsetCommitRequest("forgotten", GROUP, FORGOTTEN, 0, [(METERED_USAGE.name, [(LOST, 47, "")])])
    await _until(client, broker.nodeId, offset, lambda answer: answer.errors[0][1][0][1])
    marked = await client.send(broker.nodeId, WriteTxnMarkers(FORGOTTEN, 0, 0, METERED_USAGE.name, MARKED, committed=committed))
    assert marked.markers[0][1][0][1][0][1] == 0, marked
    await client.close()


def _values(bootstrap: str) -> set[tuple[int, bytes]]:
    """What readers of what is committed see."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reads", "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(METERED_USAGE.name, each, 0) for each in (MARKED, LOST, GOING_ON)])
    found: set[tuple[int, bytes]] = set()
    ended: set[int | None] = set()
    while len(ended) < 3:
        message = consumer.poll(30)
        assert message is not None
        if message.error() is None:
            found.add((message.partition() or 0, message.value() or b""))
        else:
            ended.add(message.partition())
    consumer.close()
    return found


def _offset(bootstrap: str) -> int:
    """What the group has committed; 0: nothing."""
    asked = offsets.Committed(bootstrap)
    try:
        return asked.of(GROUP, [(METERED_USAGE.name, LOST)])[METERED_USAGE.name, LOST]
    finally:
        asked.close()
