"""SINK between a real broker and the embedded warehouse: killed, without a warehouse for a while, and with everything once more."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.offsets import Committed
from pipelines.settings import Settings
from pipelines.sink import consumer
from pipelines.testing import Kafka, until
from pipelines.topology import AWAITED, CONTRACT_CHANGES, PARTITIONER, RATED_LINE_ITEMS, SINK_GROUP, USAGE_EVENTS
from pipelines.warehouse.client import connect
from pipelines.warehouse.stills import Still
from schemas.codec import Codec
from tests.unit.codec.samples import VALUES

CODEC = Codec()
EVENTS = 3_000
INVOICES = 40
REVISIONS = 25
NOW = 1_759_276_800_000


class Sink:
    """`python -m pipelines.sink.worker` on the broker and the warehouse."""

    def __init__(self, kafka: Kafka, warehouse: WarehouseChild, data: Path, member: str = "one") -> None:
        self._environment = {**os.environ, "TAXIMETER_KAFKA": kafka.bootstrap, "TAXIMETER_CLICKHOUSE": warehouse.url, "TAXIMETER_DATA": str(data)}
        self._command = [sys.executable, "-m", "pipelines.sink.worker", "--member", member]
        self.log = data / "sink.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Sink":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def __enter__(self) -> "Sink":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kafka]:
    with Kafka(tmp_path / "kafka") as kafka:
        yield kafka.with_topics()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WarehouseChild]:
    with WarehouseChild(tmp_path / "house") as child:
        yield child


def send(kafka: Kafka) -> None:
    """Events, some of them garbage, and revisions of invoices in any order but the last one last for nobody in particular."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": PARTITIONER, "enable.idempotence": True})
    for number in range(EVENTS):
        event = {**VALUES["usage_event"], "transaction_id": f"t{number}", "timestamp": NOW + number}
        value = CODEC.encode("usage_event", event) if number % 100 else random.randbytes(20)
        producer.produce(USAGE_EVENTS.name, value, f"t{number}", timestamp=NOW)
    for revision in range(REVISIONS):
        for invoice in range(INVOICES):
            made = {**VALUES["rated_batch"]["invoices"][0], "id": f"i{invoice}", "total": Decimal(revision)}
            batch = {**VALUES["rated_batch"], "revision": revision, "invoices": [made], "lines": []}
            producer.produce(RATED_LINE_ITEMS.name, CODEC.encode("rated_batch", batch), f"i{invoice}", timestamp=NOW)
    assert producer.flush(60) == 0


def behind(kafka: Kafka) -> int:
    """Records behind the offsets that both lanes have committed."""
    asked = Committed(kafka.bootstrap)
    try:
        lanes = {SINK_GROUP: RATED_LINE_ITEMS.name, f"{SINK_GROUP}-events": USAGE_EVENTS.name}
        return sum(sum(asked.of(group, [(topic, number) for number in range(12)]).values()) for group, topic in lanes.items())
    finally:
        asked.close()


def check(client: Client) -> None:
    """Every event once, every invoice at its last revision."""
    good = EVENTS - EVENTS // 100
    assert client.query("SELECT count(), uniqExact(transaction_id), sum(toUnixTimestamp64Milli(timestamp)) FROM usage_events").result_rows == [
        (good, good, sum(NOW + number for number in range(EVENTS) if number % 100))
    ]
    assert client.query("SELECT count(), uniqExact(id), min(revision), max(revision), sum(total) FROM invoices").result_rows == [
        (INVOICES, INVOICES, REVISIONS - 1, REVISIONS - 1, INVOICES * (REVISIONS - 1))
    ]


def test_kills_an_absent_warehouse_and_repeats_change_nothing(broker: Kafka, house: WarehouseChild, tmp_path: Path) -> None:
    """Given results and events, when SINK is killed, the warehouse is away, and all is sunk again by a new group of names, then each is there once."""
    settings = Settings(data=tmp_path, clickhouse=house.url)
    send(broker)
    whole = EVENTS + INVOICES * REVISIONS
    with Sink(broker, house, tmp_path / "data") as sink:
        until(lambda: connect(settings).query("SELECT count() FROM usage_event_records").result_rows[0][0], "the first rows")
        sink.kill()  # between insert and commit, or anywhere else
        house.kill()
        sink.start()
        until(lambda: "does not take rows" in sink.log.read_text(), "SINK says that it waits")
        house.start()
        until(lambda: behind(broker) >= whole, "everything is committed", 120)
        check(connect(settings))

        send(broker)  # all of it again, under offsets of its own: events repeat as events, invoices as revisions
        until(lambda: behind(broker) >= 2 * whole, "the repeat is committed", 120)
        assert sink.stop() == 0
    client = connect(settings)
    assert client.command("SELECT uniqExact(transaction_id) FROM usage_events") == EVENTS - EVENTS // 100
    assert client.command("SELECT count() FROM invoices") == INVOICES
    assert sink.log.read_text().count("takes rows again") >= 1


def newest(client: Client) -> int:
    """The highest revision of the invoice, −1 while there is none."""
    found = client.query("SELECT if(count() = 0, -1, toInt64(max(revision))) FROM invoice_revisions WHERE id = 'latency'").result_rows
    return int(found[0][0])


def test_a_result_is_in_the_warehouse_within_a_second(broker: Kafka, house: WarehouseChild, tmp_path: Path) -> None:
    """Given a SINK at rest, when a revision is sent, then an analyst sees it soon; the median of several is told and bounded."""
    settings = Settings(data=tmp_path, clickhouse=house.url)
    client = connect(settings)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": PARTITIONER, "linger.ms": 0})
    took = []
    with Sink(broker, house, tmp_path / "data") as sink:
        for revision in range(10):
            made = {**VALUES["rated_batch"]["invoices"][0], "id": "latency"}
            batch = {**VALUES["rated_batch"], "revision": revision, "invoices": [made], "lines": []}
            started = time.monotonic()
            producer.produce(RATED_LINE_ITEMS.name, CODEC.encode("rated_batch", batch), "latency")
            producer.flush(30)
            until(lambda: newest(client) >= revision, "the revision")  # noqa: B023 - asked at once
            took.append(time.monotonic() - started)
        assert sink.stop() == 0
    took = sorted(took[1:])  # the first one waited for SINK to start
    print(f"result to warehouse: median {took[len(took) // 2] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms")
    assert took[len(took) // 2] < 1.0


def test_a_step_of_a_generation_is_not_gathered_for(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a batch that would be gathered for hours, when a step comes, then it ends there; and what comes next is hardly gathered for."""
    monkeypatch.setattr(consumer, "MOST_REST_S", 36_000.0)
    settings = Settings(kafka=broker.bootstrap)
    batches = consumer.BatchConsumer(settings, SINK_GROUP, [CONTRACT_CHANGES.name], member="one", most_records=1_000, most_bytes=1_000_000, linger_s=0.08)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})

    def put(key: str) -> None:
        producer.produce(CONTRACT_CHANGES.name, CODEC.encode("contract_change", VALUES["contract_change"]), key, 0)
        producer.flush(30)

    put("ann")
    assert [each.key for each in until(batches.batch, "the first record")] == [b"ann"]
    batches.stored(36_000)
    put("generation-1")
    assert [each.key for each in batches.batch()] == [b"generation-1"]
    put("bob")
    assert [each.key for each in until(batches.batch, "the last record")] == [b"bob"]
    batches.close()


def test_results_of_an_edit_are_not_gathered_for(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a batch that would be gathered for hours, when results come that follow from a document, then it ends there with all that came before."""
    monkeypatch.setattr(consumer, "MOST_REST_S", 36_000.0)
    settings = Settings(kafka=broker.bootstrap)
    batches = consumer.BatchConsumer(settings, SINK_GROUP, [RATED_LINE_ITEMS.name], member="one", most_records=1_000, most_bytes=1_000_000, linger_s=0.08)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})

    def put(key: str, headers: list[tuple[str, bytes]]) -> None:
        producer.produce(RATED_LINE_ITEMS.name, CODEC.encode("rated_batch", VALUES["rated_batch"]), key, 0, headers=headers)
        producer.flush(30)

    put("ann", [])
    assert [each.key for each in until(batches.batch, "the first record")] == [b"ann"]
    batches.stored(36_000)
    put("bob", [])
    put("cy", [(AWAITED, b"")])
    assert [each.key for each in batches.batch()] == [b"bob", b"cy"]
    batches.close()


def test_a_control_record_makes_readers_stand_still(broker: Kafka, house: WarehouseChild, tmp_path: Path) -> None:
    """Given a revision that is shown, when a still is asked for, then later revisions are stored and not shown until it is over."""
    client = connect(Settings(data=tmp_path, clickhouse=house.url))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": PARTITIONER, "linger.ms": 0})

    def rated(revision: int) -> None:
        made = {**VALUES["rated_batch"]["invoices"][0], "id": "latency", "total": Decimal(revision)}
        batch = {**VALUES["rated_batch"], "revision": revision, "invoices": [made], "lines": []}
        producer.produce(RATED_LINE_ITEMS.name, CODEC.encode("rated_batch", batch), "latency")
        producer.flush(30)
        until(lambda: newest(client) >= revision, "the revision")

    def ask(version: int, recorded_ms: int) -> None:
        change = {**VALUES["contract_change"], "kind": "replay", "id": "generation-1", "version": version, "recorded_at": recorded_ms}
        value = CODEC.encode("contract_change", change | {"body": '{"step": "still", "number": 1}'})
        producer.produce(CONTRACT_CHANGES.name, value, "generation-1", 0)
        producer.flush(30)

    def shown() -> int:
        return int(client.query("SELECT total FROM invoices WHERE id = 'latency'").result_rows[0][0])

    with Sink(broker, house, tmp_path / "data") as sink:
        rated(1)
        now_ms = time.time_ns() // 1_000_000
        ask(1, now_ms - 3_600_000)  # of an hour ago: nobody waits for it
        ask(2, now_ms)
        until(Still(client, 1, 2).begun, "the still")
        rated(2)
        assert shown() == 1
        Still(client, 1, 2).end()
        assert shown() == 2
        assert not Still(client, 1, 1).begun()
        assert sink.stop() == 0
