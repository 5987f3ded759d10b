"""RATE's real process between real topics, without METER and without a warehouse: metered usage in, results out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import read_documents
from pipelines import offsets
from pipelines.edits import Edit
from pipelines.partitioning import partition_of
from pipelines.publishing import Publisher
from pipelines.testing import Kafka, until
from pipelines.topology import BALANCE_THRESHOLDS, BALANCES, CLOCK, CONTRACT_CHANGES, METERED_USAGE, RATE_GROUP, RATED_LINE_ITEMS
from schemas.codec import Codec

PARTITIONS = 4
OCTOBER_MS = 1_759_276_800_000
HOUR_MS = 3_600_000
CATALOGUE = """
catalogue:
  id: calls
  currency: USD
  metrics:
    calls: {event_types: [call], aggregation: sum, value: calls}
    bytes: {event_types: [byte], aggregation: sum, value: bytes}
  products:
    calls: {name: Calls, metric: calls}
    bytes: {name: Bytes, metric: bytes}
  rate_cards:
    list:
      rates:
        - {product: calls, price: {per_unit: "0.01"}}
        - {product: bytes, price: {per_unit: "0.002"}}
"""
PRICES = {"calls": Decimal("0.01"), "bytes": Decimal("0.002")}


def documents(*texts: str) -> list[Catalogue | Contract]:
    return list(read_documents([(text, f"text {number}") for number, text in enumerate(texts)], None))


def contract(customer: str, *, clock: str = "october", extra: str = "") -> str:
    """A contract from October 2025 on; `extra`: more keys, indented by two."""
    return (
        f"contract:\n  id: {customer}-c\n  customer: {customer}\n  catalogue: calls\n  rate_card: list\n  starting_at: 2025-10-01\n"
        f"  clock: {clock}\n{extra}"
    )


def delta(customer: str, product: str, value: str, *, hour: int = 0, recorded_ms: int = OCTOBER_MS, sequence: int | None = None) -> dict[str, Any]:
    window = OCTOBER_MS + hour * HOUR_MS
    return {
        "catalogue": "calls",
        "product": product,
        "customer": customer,
        "group": {},
        "window_ms": window,
        "recorded_ms": recorded_ms,
        "first_ms": window,
        "events": 1,
        "value": value,
        "points": [],
        "members": [],
        "sequence": sequence,
    }


class Rig:
    """Topics, publisher, and RATE workers by number."""

    def __init__(self, data: Path, kafka: Kafka, partitions: int = PARTITIONS) -> None:
        self.data = data
        self.kafka = kafka.with_topics(partitions=partitions)
        self.partitions = partitions
        self.codec = Codec()
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.publisher = Publisher(kafka.bootstrap, self.codec)
        self.ends: dict[tuple[str, int], int] = {}
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        self._committed = offsets.Committed(kafka.bootstrap)
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "enable.idempotence": True, "log_level": 0})

    # -- the process -------------------------------------------------------------------------------------------------------------------

    def start(self, number: int = 0, *, workers: int = 1) -> None:
        environment = os.environ | {
            "TAXIMETER_KAFKA": self.kafka.bootstrap,
            "TAXIMETER_DATA": str(self.data),
            "TAXIMETER_PARTITIONS": str(self.partitions),
            "TAXIMETER_WORKERS": str(workers),
        }
        command = os.environ.get("RATE_COMMAND", f"{sys.executable} -m pipelines.rating.worker").split()
        with (self.data / f"rate-{number}.log").open("ab") as log:
            self.workers[number] = subprocess.Popen([*command, str(number)], env=environment, stdout=log, stderr=log)

    def kill(self, number: int = 0) -> None:
        worker = self.workers.pop(number)
        worker.kill()
        worker.wait()
        for path in (self.data / "run").glob("health-rate*.json"):
            if json.loads(path.read_text())["pid"] == worker.pid:
                path.unlink()

    def stop(self, number: int = 0) -> int:
        worker = self.workers.pop(number)
        worker.send_signal(signal.SIGTERM)
        return worker.wait(20)

    def close(self) -> None:
        self._committed.close()
        for number in list(self.workers):
            self.kill(number)
        self.publisher.close()

    def health(self, name: str = "rate") -> dict[str, Any]:
        try:
            found = json.loads((self.data / "run" / f"health-{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return dict(found)

    def alive(self) -> bool:
        """Raises AssertionError with the log of a worker that has ended."""
        for number, worker in self.workers.items():
            if worker.poll() is not None:
                log = (self.data / f"rate-{number}.log").read_text()[-3000:]
                raise AssertionError(f"worker {number} ended with {worker.returncode}:\n{log}")
        return True

    # -- inputs ------------------------------------------------------------------------------------------------------------------------

    def publish(self, *texts: str, at_ms: int = OCTOBER_MS, effective_ms: int | None = None) -> None:
        found = documents(*texts)
        edit = Edit(
            [each for each in found if isinstance(each, Catalogue)],
            [each for each in found if isinstance(each, Contract)],
            "test",
            {"wall": time.time_ns() // 1_000_000, "october": at_ms},
            effective_ms,
        )
        for partition, offset in self.publisher.publish(edit).offsets.items():
            self._sent(CONTRACT_CHANGES.name, partition, offset)

    def meter(self, deltas: Iterable[Mapping[str, Any]], partition: int | None = None, ahead: int = 0) -> None:
        """Metered records, one a partition, as METER writes them. `ahead`: METER knew so many documents of the partition that are still to be published."""
        by_partition: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for each in deltas:
            by_partition[partition_of(each["customer"], self.partitions) if partition is None else partition].append(each)
        for number, some in by_partition.items():
            behind = self.publisher.present().behind.get(number, -1)
            value = self.codec.encode("metered_usage", {"deltas": some, "documents": behind + ahead})
            self._produce(METERED_USAGE.name, value, number)

    def tick(self, clock: str, now_ms: int) -> None:
        for number in range(self.partitions):
            self._produce(CLOCK.name, self.codec.encode("clock_tick", {"clock": clock, "now": now_ms}), number)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def _produce(self, topic: str, value: bytes, partition: int) -> None:
        self._producer.produce(topic, value, b"k", partition, on_delivery=self._delivered)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        assert error is None, error
        self._sent(message.topic(), message.partition(), message.offset() + 1)

    def _sent(self, topic: str, partition: int, behind: int) -> None:
        self.ends[topic, partition] = max(self.ends.get((topic, partition), 0), behind)

    # -- outcome -----------------------------------------------------------------------------------------------------------------------

    def done(self, patience_s: float = 240.0) -> None:
        """Wait until RATE has committed everything that was sent."""
        self.flush()

        def look() -> bool:
            self.alive()
            committed = self._committed.of(RATE_GROUP, self.ends)
            return all(committed[place] >= end for place, end in self.ends.items())

        until(look, "RATE has committed everything that was sent", patience_s)

    def read(self, topic: str) -> list[dict[str, Any]]:
        """All values of a topic, partition by partition."""
        schema = {RATED_LINE_ITEMS.name: "rated_batch", BALANCES.name: "balance", BALANCE_THRESHOLDS.name: "crossing", METERED_USAGE.name: "metered_usage"}
        places = [(topic, number) for number in range(self.partitions)]
        left = {number: end for (_, number), end in offsets.ends(self._admin, places).items() if end > 0}
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "test", "enable.partition.eof": True, "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        while left:
            for message in consumer.consume(1000, 0.1):
                if message.error() is not None:
                    left.pop(message.partition(), None)
                else:
                    found[message.partition()].append(self.codec.decode(schema[topic], message.value()))
        consumer.close()
        return [value for number in sorted(found) for value in found[number]]

    def lines(self) -> dict[str, dict[str, Any]]:
        """Lines as a reader of the warehouse sees them: of one identity the highest revision."""
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        for batch in self.read(RATED_LINE_ITEMS.name):
            for line in batch["lines"]:
                if line["id"] not in found or found[line["id"]][0] <= batch["revision"]:
                    found[line["id"]] = (batch["revision"], line)
        return {name: line for name, (_, line) in found.items() if not line["deleted"]}

    def invoices(self) -> dict[str, dict[str, Any]]:
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        for batch in self.read(RATED_LINE_ITEMS.name):
            for invoice in batch["invoices"]:
                if invoice["id"] not in found or found[invoice["id"]][0] <= batch["revision"]:
                    found[invoice["id"]] = (batch["revision"], invoice)
        return {name: invoice for name, (_, invoice) in found.items() if invoice["status"] != "deleted"}

    def quantities(self) -> dict[tuple[str, str], Decimal]:
        """Quantity by customer and product."""
        found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in self.lines().values():
            if line["kind"] == "usage":
                found[line["customer"], line["product"]] += Decimal(line["quantity"])
        return {key: value for key, value in found.items() if value}
