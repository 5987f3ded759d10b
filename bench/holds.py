"""Holds: how long a decision takes, on the log included: `python -m bench.holds [--json]`.

One desk on a real broker: reservations one after the other, and sixteen at once.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from pipelines.holds.desk import Book, Desk
from pipelines.holds.step import Hold, reserve
from pipelines.local.kafka_child import KafkaChild
from pipelines.local.topics import ensure
from pipelines.settings import Settings
from pipelines.topology import BALANCES
from schemas.codec import Codec

ONE_BY_ONE = 300
AT_ONCE = 16
TOGETHER = 2_000
LEFT = Decimal(1_000_000)


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, KafkaChild(Path(folder) / "kafka", Settings().cache) as broker:
        settings = Settings(data=Path(folder), kafka=broker.bootstrap)
        ensure(settings)
        codec = Codec.at(None)
        _balance(broker.bootstrap, codec)
        desk = Desk(broker.bootstrap, codec, settings.partitions)
        try:
            for _ in range(20):
                decided(desk)
            alone = sorted(decided(desk) for _ in range(ONE_BY_ONE))
            with ThreadPoolExecutor(AT_ONCE) as pool:
                began = time.perf_counter()
                together = sorted(pool.map(lambda _: decided(desk), range(TOGETHER)))
                took_s = time.perf_counter() - began
        finally:
            desk.close()
    return {
        "bench": "holds",
        "workload": {"one_by_one": ONE_BY_ONE, "together": TOGETHER, "at_once": AT_ONCE},
        "machine": {"cores": psutil.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 2**30, 1), "load_1m": round(psutil.getloadavg()[0], 1)},
        "figures": [
            *_figures("decision", alone),
            *_figures("decision_16_at_once", together),
            {"name": "decisions_per_s", "value": round(TOGETHER / took_s), "unit": "1/s"},
        ],
    }


def decided(desk: Desk) -> float:
    """Seconds of one reservation."""
    name = str(uuid.uuid4())

    def decide(book: Book) -> Hold:
        new = Hold(name, "acme", "acme", Decimal(1), Decimal(1), "USD", book.now_ms, book.now_ms + 600_000, book.now_ms)
        return reserve(new, book.balances, book.holds, book.now_ms)

    began = time.perf_counter()
    desk.decide("acme", "acme", name, {}, decide)
    return time.perf_counter() - began


def _balance(bootstrap: str, codec: Codec) -> None:
    zero = Decimal(0)
    value = {
        "id": "prepaid", "customer": "acme", "contract": "k", "type": "credit", "currency": "USD", "granted": LEFT, "applied": zero, "expired": zero,
        "remaining": LEFT, "revision": 1, "as_of": 0, "deleted": False,
    }  # fmt: skip
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(BALANCES.name, codec.encode("balance", value), "acme")
    producer.flush()


def _figures(name: str, took_s: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {"name": f"{name}_p50_ms", "value": round(took_s[len(took_s) // 2] * 1000, 1), "unit": "ms"},
        {"name": f"{name}_p99_ms", "value": round(took_s[len(took_s) * 99 // 100] * 1000, 1), "unit": "ms"},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    found = run()
    if given.json:
        print(json.dumps(found))
        return
    for figure in found["figures"]:
        print(f"{figure['name']:32} {figure['value']:>10,} {figure['unit']}")


if __name__ == "__main__":
    main()
