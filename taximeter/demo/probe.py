"""How long from an event to its threshold record: real events at a fixed rate, each of which crosses a threshold.

A probe customer has a threshold that repeats at every unit of spend and a product at a price of one, so event n is crossing n. All events
go to one partition of usage-events, which keeps their order.
"""

import threading
import time
from decimal import Decimal
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from contracts.catalogue import Catalogue, Metric, Price, Product, Rate, RateCard
from contracts.contract import Contract, Threshold
from contracts.errors import TaximeterError
from pipelines.partitioning import partition_of
from pipelines.reach import reach
from pipelines.topology import BALANCE_THRESHOLDS, USAGE_EVENTS
from schemas.codec import Codec

PATIENCE_S: Final = 60.0


class ProbeError(TaximeterError):
    """Not every event led to its crossing."""


class Latency(NamedTuple):
    """Milliseconds from handing the event to the producer until its crossing was read from Kafka."""

    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def documents(name: str, starting_at: str) -> tuple[Catalogue, Contract]:
    """Catalogue and contract of the probe customer `name`; the contract starts at that date and lives in wall time."""
    catalogue = Catalogue(
        id=name,
        metrics={"probes": Metric(event_types=[name], aggregation="count")},
        products={"probe": Product(name="Probe", metric="probes")},
        rate_cards={"list": RateCard(rates=[Rate(product="probe", price=Price(per_unit=Decimal(1)))])},
    )
    every = Threshold(id="every-unit", measure="spend", at=Decimal(1), repeat=Decimal(1))
    return catalogue, Contract(id=name, customer=name, catalogue=name, rate_card="list", starting_at=starting_at, thresholds=[every])


class Probe:
    """Sends the probe's events and reads its crossings. Make it before the first event."""

    def __init__(self, bootstrap: str, codec: Codec, name: str, partitions: int) -> None:
        self._codec = codec
        self._name = name
        self._source = partition_of(name, partitions)
        self._producer = Producer({**reach(bootstrap), "linger.ms": 0, "enable.idempotence": True, "log_level": 2})
        self._consumer = Consumer(
            {
                **reach(bootstrap),
                "group.id": "taximeter-probe",
                "log_level": 2,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
            }
        )
        where = TopicPartition(BALANCE_THRESHOLDS.name, partition_of(name, partitions))
        self.seen: dict[int, float] = {}
        """When the crossing of each number was read, counted from one."""
        self.sent: list[float] = []
        """When each event was handed to the producer, by number (`time.perf_counter`)."""
        self._stopped = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        # The position must be known before the first event, or its crossing may lie before it.
        low, high = self._consumer.get_watermark_offsets(where, timeout=30)
        self._consumer.assign([TopicPartition(where.topic, where.partition, max(low, high))])
        self._reader.start()

    def run(self, events: int, per_second: int) -> Latency:
        """Send that many events at that rate, wait for their crossings, and close. Raises ProbeError."""
        try:
            return self.measure(events, per_second)
        finally:
            self.close()

    def measure(self, events: int, per_second: int) -> Latency:
        """The same, and may be called again. Raises ProbeError."""
        before = len(self.sent)
        self._send(events, per_second)
        deadline = time.perf_counter() + PATIENCE_S
        while len(self.seen) < before + events and time.perf_counter() < deadline:
            time.sleep(0.01)
        if (seen := len(self.seen) - before) < events:
            raise ProbeError(f"{events} events were sent, but only {seen} crossings came within {PATIENCE_S:.0f} s; see `taximeter status`")
        took = sorted((self.seen[number] - sent) * 1000 for number, sent in enumerate(self.sent[before:], start=before + 1))
        return Latency(events, took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)], took[-1])

    def close(self) -> None:
        self._stopped.set()
        self._reader.join()
        self._consumer.close()

    def _send(self, events: int, per_second: int) -> None:
        start = time.perf_counter()
        first = len(self.sent)
        for number in range(events):
            due = start + number / per_second
            while (ahead := due - time.perf_counter()) > 0:
                time.sleep(ahead)
            now_ms = time.time_ns() // 1_000_000
            name = f"{self._name}-{first + number:06d}"
            value = {"transaction_id": name, "customer": self._name, "event_type": self._name, "timestamp": now_ms, "properties": {}}
            data = self._codec.encode("usage_event", value)
            self.sent.append(time.perf_counter())
            self._producer.produce(USAGE_EVENTS.name, data, name, self._source, timestamp=now_ms)
            self._producer.poll(0)
        self._producer.flush(30)

    def _read(self) -> None:
        while not self._stopped.is_set():
            message = self._consumer.poll(0.1)
            now = time.perf_counter()
            if message is None or message.error() is not None:
                continue
            crossing: dict[str, Any] = self._codec.decode("crossing", message.value())
            if crossing["customer"] == self._name and crossing["state"] == "in_alarm":
                self.seen.setdefault(crossing["crossing"], now)
