"""Ingest over HTTP: events a second that one console process takes, all of them in Kafka before each answer.

    python -m bench.ingest [--json] [--events N]

Workload: batches of 100 events by the paths of Metronome's API, four connections. The figure is per second of the process's own CPU (one core), and
by the wall clock; the reference in the same run is a plain loop of the SDK's producer, which has no HTTP, no checks and no answer to wait for.
"""

import argparse
import asyncio
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
from fastapi import FastAPI

from bench.report import percentile
from console.app import create
from console.books import Change
from console.services import start
from pipelines.deployment import Deployment
from pipelines.ingest.producer import UsageProducer
from pipelines.keys import new
from pipelines.local.kafka_child import KafkaChild
from pipelines.local.topics import ensure
from pipelines.settings import Settings

BATCH = 100
CONNECTIONS = 4
STAMP = "2025-10-01T12:00:00Z"


def bodies(events: int, tag: str) -> list[bytes]:
    """Batches, ready to be sent: making them is not measured."""
    return [
        json.dumps(
            [
                {
                    "transaction_id": f"{tag}-{start + number}",
                    "customer_id": f"customer-{number % 50}",
                    "event_type": "completion",
                    "timestamp": STAMP,
                    "properties": {"model": "a", "region": "eu", "tokens": 1234 + number},
                }
                for number in range(BATCH)
            ]
        ).encode()
        for start in range(0, events, BATCH)
    ]


async def sent(address: str, key: str | None, batches: Sequence[bytes]) -> list[float]:
    """Send them over a few connections; seconds of each request."""
    queue, took = list(reversed(batches)), []
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def connection() -> None:
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
            while queue:
                body = queue.pop()
                began = time.perf_counter()
                answer = await client.post("/v1/ingest", content=body)
                answer.raise_for_status()
                took.append(time.perf_counter() - began)

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return took


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def plain(kafka: str, events: int) -> float:
    """Events a second of the producer alone."""
    with UsageProducer(kafka) as producer:
        began = time.perf_counter()
        for number in range(events):
            producer.send(f"plain-{number}", f"customer-{number % 50}", "completion", 1_759_320_000_000, {"model": "a", "region": "eu", "tokens": 1234})
        producer.flush()
        return events / (time.perf_counter() - began)


def run(events: int) -> dict[str, Any]:
    """The server runs in this process and the clients in another, so that the process's CPU is the server's."""
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - the workers import this module too
    from multiprocessing import get_context  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, KafkaChild(Path(folder) / "kafka", Settings().cache) as broker:
        settings = Settings(data=Path(folder), kafka=broker.bootstrap, clickhouse="http://127.0.0.1:9/none", requests_per_second=1_000_000)
        ensure(settings)
        services = start(Deployment(settings))
        text, found = new("ingest", "bench")
        services.books.commit(lambda _: Change(objects=[found]), "bench")
        try:
            with serving(create(services)) as address, ProcessPoolExecutor(1, get_context("spawn")) as pool:
                pool.submit(clients, address, text, BATCH * 20, "warm").result()
                process = psutil.Process()
                cpu = _cpu(process)
                took, wall_s = pool.submit(clients, address, text, events, "run").result()
                cpu_s = _cpu(process) - cpu
            reference = plain(broker.bootstrap, events)
        finally:
            services.close()
    latencies = sorted(took)
    return {
        "bench": "ingest",
        "workload": {"events": events, "batch": BATCH, "connections": CONNECTIONS},
        "machine": {"cores": psutil.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 2**30, 1), "load_1m": round(psutil.getloadavg()[0], 1)},
        "figures": [
            {"name": "events_per_cpu_s", "value": round(events / cpu_s), "unit": "1/s"},
            {"name": "events_per_s", "value": round(events / wall_s), "unit": "1/s"},
            {"name": "request_p50_ms", "value": round(percentile(latencies, 50) * 1000, 1), "unit": "ms"},
            {"name": "request_p99_ms", "value": round(percentile(latencies, 99) * 1000, 1), "unit": "ms"},
        ],
        "reference": {"name": "producer_events_per_s", "value": round(reference), "unit": "1/s"},
        "ratio": round(events / cpu_s / reference, 2),
    }


def clients(address: str, key: str | None, events: int, tag: str) -> tuple[list[float], float]:
    """Latencies of the requests, and the seconds that all of them took; without a key as the owner of a console on loopback."""
    batches = bodies(events, tag)
    began = time.perf_counter()
    took = asyncio.run(sent(address, key, batches))
    return took, time.perf_counter() - began


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args()
    found = run(given.events)
    if given.json:
        print(json.dumps(found))
        return
    for figure in (*found["figures"], found["reference"]):
        print(f"{figure['name']:24} {figure['value']:>10,} {figure['unit']}")


if __name__ == "__main__":
    main()
