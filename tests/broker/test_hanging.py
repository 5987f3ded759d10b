"""A transaction that its coordinator has forgotten is ended, one that is under way is not."""

import asyncio
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from pipelines.hanging import end_hanging
from pipelines.testing import Kafka, until
from pipelines.topology import METERED_USAGE

LOST, GOING_ON = 3, 5
"""Partitions."""
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
        asyncio.run(_write_unknown(broker.bootstrap))
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


async def _write_unknown(bootstrap: str) -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 1, FORGOTTEN, 0, 0, 1_000)
    builder.append(0, None, b"key", b"value", [])
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    await client.set_topics([METERED_USAGE.name])
    broker = next(iter(client.cluster.brokers()))
    answer = await client.send(broker.nodeId, ProduceRequest("forgotten", -1, 10_000, [(METERED_USAGE.name, [(LOST, bytes(builder.build()))])]))
    assert answer.topics[0][1][0][1] == 0, answer
    await client.close()
