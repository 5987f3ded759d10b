"""METER as a process of its own on a real broker, and what must be on metered-usage, worked out from what the broker acknowledged."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.catalogue import Catalogue
from pipelines import offsets
from pipelines.backfills import Backfills
from pipelines.edits import Edit
from pipelines.offsets import Committed
from pipelines.publishing import Publisher
from pipelines.testing import until
from pipelines.topology import METER_GROUP, METERED_USAGE, PARTITIONER, REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec
from tests import oracle

PARTITIONS: Final = 12
CODEC: Final = Codec()
CATALOGUE: Final = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call"], "aggregation": "count"},
            "tokens": {"event_types": ["call"], "aggregation": "sum", "value": "n"},
            "users": {"event_types": ["call"], "aggregation": "unique", "value": "user"},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls"},
            "tokens": {"name": "Tokens", "metric": "tokens", "pricing_group_keys": ["model"]},
            "users": {"name": "Users", "metric": "users"},
        },
    },
    Catalogue,
    strict=False,
)


class Broker(Protocol):
    """A Kafka with the pipeline's topics, the embedded one or another."""

    @property
    def bootstrap(self) -> str: ...


METER: Final = ("-m", "pipelines.metering.worker")


class Process:
    """`python -m pipelines.metering.worker NUMBER` on a data folder."""

    def __init__(self, kafka: Broker, data: Path, number: int = 0, workers: int = 1, program: Sequence[str] = METER) -> None:
        told = {"TAXIMETER_KAFKA": kafka.bootstrap, "TAXIMETER_DATA": str(data), "TAXIMETER_BATCH_EVENTS": "1000", "TAXIMETER_WORKERS": str(workers)}
        self._command = [sys.executable, *program, str(number)]
        self._environment = {**os.environ, **told}
        self.log = data / f"meter-{number}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Process":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        return self

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(60)

    def ended(self) -> int | None:
        return None if self.process is None else self.process.poll()


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Killed at the end, whatever happened."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def publish(kafka: Broker, catalogue: Catalogue = CATALOGUE) -> None:
    publisher = Publisher(kafka.bootstrap, CODEC)
    publisher.publish(Edit(catalogues=[catalogue], recorded_ms={"wall": 0}))
    publisher.close()


class Flow:
    """Events on a thread of their own: repeats, conflicts and garbage among them. `good` is what must count, `bad` what must not."""

    def __init__(self, kafka: Broker, seed: int, per_second: int) -> None:
        print(f"seed {seed}")
        self._dice = random.Random(seed)
        self._seed = seed
        self._pause_s = 100 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": PARTITIONER, "enable.idempotence": True, "linger.ms": 5})
        self.good: dict[str, dict[str, Any]] = {}
        self.bad = 0

    def start(self) -> "Flow":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Everything is acknowledged then."""
        self.halt()
        assert self._producer.flush(60) == 0

    def halt(self) -> None:
        """No more events, whatever becomes of those that were sent."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            for _ in range(100):
                self._one(number)
                number += 1
            self._producer.poll(0)
            self._stop.wait(self._pause_s)

    def _one(self, number: int) -> None:
        kind = self._dice.random()
        if kind < 0.03 and self.good:
            event = self.good[self._dice.choice(list(self.good)[-500:])]
        elif kind < 0.04 and self.good:
            event = {**self.good[self._dice.choice(list(self.good)[-500:])], "event_type": f"other-{number}"}
            self.bad += 1
        elif kind < 0.05:
            self.bad += 1
            self._send(f"garbage-{self._seed}-{number}", self._dice.randbytes(30))
            return
        else:
            event = self._made(f"{self._seed}-{number}")
            self.good[event["transaction_id"]] = event
        self._send(event["transaction_id"], CODEC.encode("usage_event", event))

    def _made(self, name: str) -> dict[str, Any]:
        dice = self._dice
        properties = {"n": str(dice.randrange(1000)), "model": dice.choice("ab"), "user": f"u{dice.randrange(50)}"}
        at = time.time_ns() // 1_000_000 - dice.randrange(3 * 3_600_000)
        return {"transaction_id": name, "customer": f"customer-{dice.randrange(40)}", "event_type": "call", "timestamp": at, "properties": properties}

    def _send(self, key: str, value: bytes) -> None:
        self._producer.produce(USAGE_EVENTS.name, value, key)


def committed(kafka: Broker) -> int:
    """Events behind the group."""
    asked = Committed(kafka.bootstrap)
    try:
        return sum(asked.of(METER_GROUP, _places(USAGE_EVENTS.name)).values())
    finally:
        asked.close()


def lose_offsets(kafka: Broker) -> None:
    """The group's offsets are gone in every second partition, and half as far in the others. Of a group without members."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    asked = Committed(kafka.bootstrap)
    known = asked.of(METER_GROUP, _places(USAGE_EVENTS.name))
    asked.close()

    def empty() -> bool:
        return not admin.describe_consumer_groups([METER_GROUP])[METER_GROUP].result(30).members

    until(empty, "a group without members")  # a static member leaves when its session is over
    admin.delete_consumer_groups([METER_GROUP])[METER_GROUP].result(30)
    back = [TopicPartition(topic, number, known[topic, number] // 2) for topic, number in _places(USAGE_EVENTS.name) if number % 2]
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(METER_GROUP, back)])[METER_GROUP].result(30)


def caught_up(kafka: Broker, patience_s: float = 120) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    end = sum(offsets.ends(admin, _places(USAGE_EVENTS.name)).values())
    until(lambda: committed(kafka) >= end, f"METER at {end}", patience_s)


def records(kafka: Broker, topic: str) -> list[Any]:
    """Everything on a topic that is committed."""
    config = {"bootstrap.servers": kafka.bootstrap, "group.id": "test", "enable.auto.commit": False, "enable.partition.eof": True, "isolation.level": "read_committed"}
    consumer = Consumer(config)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    found: list[Any] = []
    ended: set[int] = set()
    while len(ended) < PARTITIONS:
        for message in consumer.consume(1000, 1):
            if message.error() is None:
                found.append(message)
            else:
                ended.add(message.partition())
    consumer.close()
    return found


class Filling:
    """How a backfill gets on, seen from outside."""

    def __init__(self, kafka: Broker) -> None:
        self._backfills = Backfills(kafka.bootstrap, CODEC)

    def missing(self) -> int:
        """Offsets that are still to be read; never fewer once the documents are published, but by filling."""
        return self._backfills.missing(range(PARTITIONS))

    def done(self, patience_s: float = 120) -> None:
        until(lambda: self.missing() == 0, "nothing missing for new products", patience_s)

    def close(self) -> None:
        self._backfills.close()


def check(kafka: Broker, flow: Flow, catalogue: Catalogue = CATALOGUE) -> None:
    """What is on the topics is exactly what must be."""
    flow_names = {event["customer"] for event in flow.good.values()}
    deltas = [delta for message in records(kafka, METERED_USAGE.name) for delta in CODEC.decode("metered_usage", message.value())["deltas"]]
    mine = [delta for delta in deltas if delta["customer"] in flow_names]
    assert oracle.merged(mine, catalogue) == oracle.totals(flow.good.values(), catalogue)
    rejects: list[Mapping[str, Any]] = [CODEC.decode("rejected_event", message.value()) for message in records(kafka, REJECTED_EVENTS.name)]
    assert len({(each["partition"], each["offset"]) for each in rejects}) == len(rejects) == flow.bad


def _places(topic: str) -> list[tuple[str, int]]:
    return [(topic, number) for number in range(PARTITIONS)]
