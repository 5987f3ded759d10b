"""`taximeter bench holds`: how long the decision about a hold takes, on the log included.

One desk on a real broker: reservations one after the other, and `at_once` at a time; beside them a plain record that is produced and acknowledged.
"""

import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench.report import Figure, report, spread
from pipelines.holds.desk import Book, Desk
from pipelines.holds.step import Hold, reserve
from pipelines.local.kafka_child import KafkaChild
from pipelines.local.topics import ensure
from pipelines.settings import Settings
from pipelines.topology import BALANCES, USAGE_EVENTS
from schemas.codec import Codec

WARM = 20
LEFT = Decimal(1_000_000)


def run(one_by_one: int = 300, together: int = 2_000, at_once: int = 16) -> dict[str, Any]:
    """Measure. Raises KafkaException."""
    with tempfile.TemporaryDirectory() as folder, KafkaChild(Path(folder) / "kafka", Settings().cache) as broker:
        settings = Settings(data=Path(folder), kafka=broker.bootstrap)
        ensure(settings)
        codec = Codec.at(None)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
        _balance(producer, codec)
        desk = Desk(broker.bootstrap, codec, settings.partitions)
        try:
            for _ in range(WARM):
                decided(desk)
                _produced(producer)
            plain = [_produced(producer) for _ in range(one_by_one)]
            alone = [decided(desk) for _ in range(one_by_one)]
            with ThreadPoolExecutor(at_once) as pool:
                began = time.perf_counter()
                crowded = list(pool.map(lambda _: decided(desk), range(together)))
                took_s = time.perf_counter() - began
        finally:
            desk.close()
    figures = [*spread("decision", alone), *spread("decision_at_once", crowded), Figure("decisions_per_s", together / took_s, "1/s")]
    workload = {"one_by_one": one_by_one, "together": together, "at_once": at_once}
    reference = spread("plain_record", plain)[1]
    return report("holds", workload, figures, reference, figures[1].value / reference.value)


def decided(desk: Desk) -> float:
    """Milliseconds of one reservation."""
    name = str(uuid.uuid4())

    def decide(book: Book) -> Hold:
        new = Hold(name, "acme", "acme", Decimal(1), Decimal(1), "USD", book.now_ms, book.now_ms + 600_000, book.now_ms)
        return reserve(new, book.balances, book.holds, book.now_ms)

    began = time.perf_counter()
    desk.decide("acme", "acme", name, {}, decide)
    return (time.perf_counter() - began) * 1000


def _produced(producer: Producer) -> float:
    """Milliseconds until a plain record is acknowledged."""
    began = time.perf_counter()
    producer.produce(USAGE_EVENTS.name, bytes(200), "acme")
    producer.flush()
    return (time.perf_counter() - began) * 1000


def _balance(producer: Producer, codec: Codec) -> None:
    zero = Decimal(0)
    value = {
        "id": "prepaid", "customer": "acme", "contract": "k", "type": "credit", "currency": "USD", "granted": LEFT, "applied": zero, "expired": zero,
        "remaining": LEFT, "revision": 1, "as_of": 0, "deleted": False,
    }  # fmt: skip
    producer.produce(BALANCES.name, codec.encode("balance", value), "acme")
    producer.flush()
