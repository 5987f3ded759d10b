"""METER's process: `python -m pipelines.metering.worker`.

A batch is one Kafka transaction: its metered usage, its rejects and the offsets behind it. The dedup store is written before the
transaction ends; a crash in between is harmless (`dedup.py`).
"""

import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from pipelines.document_log import DocumentLog
from pipelines.metering.batch import DAY_MS, HOUR_MS, Limits, Messages, Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import engine
from pipelines.settings import Settings
from pipelines.topology import METER_GROUP, METERED_USAGE, REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")
TRANSACTION_TIMEOUT_S: Final = 60


class Worker:
    """One METER. `run` returns after `stop`, with the batch at hand finished."""

    def __init__(self, settings: Settings, bootstrap: str, number: int = 0) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._name = f"meter-{number}"
        self._stopping = False
        self._codec = Codec.at(settings.schema_registry)
        self._metering = Metering(
            engine(),
            self._codec,
            Limits(settings.window_minutes * 60_000, settings.late_days * DAY_MS, settings.ahead_hours * HOUR_MS, settings.partitions),
        )
        self._dedup = Dedup(settings.data / "meter" / self._name, settings.dedup_days, _now_ms())
        self._log = DocumentLog(bootstrap, self._codec)
        self._changes = -1
        self._lost: set[int] = set()
        self._assigned: dict[int, int] = {}
        self.events = 0

    def stop(self) -> None:
        self._stopping = True

    def run(self) -> None:
        self._follow_documents()
        self._producer = self._new_producer()
        self._consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": METER_GROUP,
                "group.instance.id": self._name,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                "max.poll.interval.ms": 3_600_000,
                "queued.min.messages": 100_000,
                "queued.max.messages.kbytes": 131_072,
            }
        )
        self._consumer.subscribe([USAGE_EVENTS.name], on_assign=self._on_assign, on_revoke=self._on_revoke)
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._consumer.close()
            self._dedup.close()

    def _turn(self) -> None:
        first = self._consumer.consume(1, 0.5)
        if not first:
            return
        rest = self._consumer.consume(self._settings.batch_events - 1, self._settings.linger_ms / 1000)
        found = []
        for message in first + rest:
            error = message.error()
            if error is None:
                found.append(message)
            else:
                self._say(error)
        if found:
            self._follow_documents()
            self._batch(found)

    def _follow_documents(self) -> None:
        """After the batch was fetched: what was published before an event was sent holds for that event."""
        documents = self._log.catch_up()
        if documents.changes != self._changes:
            self._changes = documents.changes
            self._metering.prepare(documents)

    def _batch(self, found: list[Any]) -> None:
        count = len(found)
        messages = Messages(
            [message.value() for message in found],
            _Keys(found),
            np.fromiter([message.partition() for message in found], np.uint16, count),
            np.fromiter([message.offset() for message in found], np.int64, count),
            np.fromiter([message.timestamp()[1] for message in found], np.int64, count),
        )
        outcome = self._metering.run(messages, self._dedup)
        ends: dict[int, int] = dict(zip(messages.partitions.tolist(), (messages.offsets + 1).tolist(), strict=True))
        self._dedup.put(outcome.fresh, list(ends.items()))
        self._commit(outcome.metered, outcome.rejected, ends)
        self.events += count

    def _commit(self, metered: list[tuple[int, bytes]], rejected: list[tuple[int, bytes]], ends: dict[int, int]) -> None:
        producer = self._producer
        try:
            producer.begin_transaction()
            for topic, records in ((METERED_USAGE.name, metered), (REJECTED_EVENTS.name, rejected)):
                for partition, value in records:
                    _produce(producer, topic, partition, value)
            offsets = [TopicPartition(USAGE_EVENTS.name, partition, end) for partition, end in ends.items()]
            _patiently(lambda: producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), 30))
            _patiently(lambda: producer.commit_transaction(60))
        except KafkaException as error:
            self._recover(error)

    def _recover(self, error: KafkaException) -> None:
        """After a transaction that did not end: begin again at the committed offsets."""
        log.warning("meter: the transaction of a batch failed (%s); going on from the committed offsets", error.args[0].str())
        kafka_error: KafkaError = error.args[0]
        if kafka_error.txn_requires_abort():
            _patiently(lambda: self._producer.abort_transaction(60))
        else:
            self._producer = self._new_producer()
        assigned = self._consumer.assignment()
        for each in self._consumer.committed(assigned, 60):
            self._consumer.seek(TopicPartition(each.topic, each.partition, max(each.offset, 0)))

    def _new_producer(self) -> Producer:
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "transactional.id": f"taximeter-{self._name}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1000,
                "linger.ms": 2,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
                "message.max.bytes": 1_000_000,
            }
        )
        _patiently(lambda: producer.init_transactions(60))
        return producer

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)

    def _say(self, error: KafkaError) -> None:
        log.warning("meter: %s", error.str())


class _Keys:
    """Keys of messages, taken out when they are asked for: only rejects need them."""

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, position: Any) -> Any:
        return self._found[position].key()


def _produce(producer: Producer, topic: str, partition: int, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, f"p{partition}", partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _patiently(call: Any) -> None:
    """`call` until it succeeds; errors that another try can mend are tried again for ever. Raises KafkaException for others."""
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            time.sleep(0.2)
        else:
            return


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings()
    if settings.kafka is None:
        from pipelines.local.addresses import kafka_address

        bootstrap = kafka_address(settings)
    else:
        bootstrap = settings.kafka
    worker = Worker(settings, bootstrap, int(arguments[0]) if arguments else 0)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
