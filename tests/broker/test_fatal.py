"""A consumer that was fenced off by another with its name does not live on in silence."""

import threading
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from pipelines.metering.source import Source
from pipelines.settings import Settings
from pipelines.silence import Silence, SilentClientError
from pipelines.sink.consumer import BatchConsumer
from pipelines.testing import Kafka, until
from pipelines.topology import METER_GROUP, USAGE_EVENTS


def takes_over(kafka: Kafka, group: str, instance: str) -> Consumer:
    """Another process with the same name, as after a restart that was not noticed."""
    other = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "group.instance.id": instance,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "log_level": 2,
        }
    )
    other.subscribe([USAGE_EVENTS.name])
    return other


def test_a_meter_that_was_fenced_off_ends(kafka: Kafka) -> None:
    # given: a METER that has its partitions
    name = f"meter-{uuid.uuid4().hex}"
    source = Source(kafka.bootstrap, name)
    wanted = threading.Event()
    wanted.set()

    def assigned() -> bool:
        source.fetch(10, 0.02, 0.5, wanted)
        return bool(source.assigned())

    until(assigned, "partitions")
    # when
    other = takes_over(kafka, METER_GROUP, name)

    # then
    def fetch() -> bool:
        other.consume(1, 0.1)
        source.fetch(10, 0.02, 0.5, wanted)
        return False

    with pytest.raises(KafkaException, match="fenced"):
        until(fetch, "the end of METER")
    source.consumer.close()
    other.close()


def test_a_sink_that_was_fenced_off_ends(kafka: Kafka, tmp_path: Path) -> None:
    group = f"sink-{uuid.uuid4().hex}"
    settings = Settings(data=tmp_path, kafka=kafka.bootstrap)
    consumer = BatchConsumer(settings, group, [USAGE_EVENTS.name], member="one", most_records=10, most_bytes=1000, linger_s=0.1)

    def assigned() -> bool:
        consumer.batch()
        return bool(consumer._consumer.assignment())

    until(assigned, "partitions")
    other = takes_over(kafka, group, f"{group}-one")

    def batch() -> bool:
        other.consume(1, 0.1)
        consumer.batch()
        return False

    with pytest.raises(KafkaException, match="fenced"):
        until(batch, "the end of SINK's consumer")
    consumer.close()
    other.close()


class Deaf:
    """A client that says that nobody answers, and gives nothing."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, count: int, timeout: float) -> list[Message]:
        self._consumer.pause(self._consumer.assignment())
        given: list[Message] = self._consumer.consume(count, timeout)
        return given

    def list_topics(self, *_: object, **__: object) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def committed(self, *_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize("deaf", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_sink_whose_client_gives_nothing_though_records_wait_ends(kafka: Kafka, tmp_path: Path, deaf: bool) -> None:
    # given: one that has read everything, the mark of a transaction behind it
    group = f"sink-{uuid.uuid4().hex}"
    settings = Settings(data=tmp_path, kafka=kafka.bootstrap)
    consumer = BatchConsumer(settings, group, [USAGE_EVENTS.name], member="one", most_records=10, most_bytes=1000, linger_s=0.1)
    consumer._silence = Silence(kafka.bootstrap, group, 0.1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": group})
    producer.init_transactions(30)

    def send(name: str) -> None:
        producer.begin_transaction()
        producer.produce(USAGE_EVENTS.name, b"whatever", name, 0)
        producer.commit_transaction(30)

    def read(name: str) -> bool:
        records = consumer.batch()
        if records:
            consumer.commit(records)
        return any(record.key == name.encode() for record in records)

    send("heard")
    until(lambda: read("heard"), "the event")
    # when nothing waits, then nothing is wrong, as often as it looks
    before = consumer._silence._since
    looks = set()

    def looked() -> bool:
        read("")
        looks.add(consumer._silence._since)
        return len(looks - {before}) >= 3

    until(looked, "three looks")
    # when its client gives nothing any more
    if deaf:
        consumer._consumer = cast("Consumer", Deaf(consumer._consumer))
    else:
        consumer._consumer.pause(consumer._consumer.assignment())
    send("unheard")
    # then
    with pytest.raises(SilentClientError, match=r"usage-events\[0\]"):
        until(lambda: read("unheard"), "the end of SINK's consumer")
    consumer.close()


def test_a_record_that_comes_while_it_is_asked_is_no_silence(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a consumer that is well, and a record that comes at the very moment of each look
    silence = Silence(kafka.bootstrap, f"group-{uuid.uuid4().hex}", 0.0)
    consumer = cast("Consumer", SimpleNamespace(assignment=lambda: [TopicPartition(USAGE_EVENTS.name, 0)]))
    monkeypatch.setattr(silence, "_committed", lambda *_: {(USAGE_EVENTS.name, 0): 7})
    monkeypatch.setattr("pipelines.silence.waiting", lambda _, still: next(iter(still), None))
    # when it is given the record before the next look
    for _ in range(3):
        silence.check(consumer, ())
        silence.check(consumer, ())
        silence.broken()
    # then only one that is not given raises
    silence.check(consumer, ())
    silence.check(consumer, ())
    with pytest.raises(SilentClientError):
        silence.check(consumer, ())
