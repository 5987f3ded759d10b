"""Usage that flows while something else is measured: `python -m bench.background BOOTSTRAP PER_SECOND CUSTOMERS SEED DUPLICATES`, until SIGTERM.

The same seed makes the same events in the same order, so who knows how many were new can add them up again.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple

from confluent_kafka import Producer

from bench.workload import RECENT, Workload, events
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from schemas.codec import Codec

SLICE_S: Final = 0.02
LINGER_MS: Final = 50
"""Events gather for so long. This client sends a request for each partition, where others send one for all: with 5 ms it asked the broker four hundred
times a second for 800 events, which was more than the pipeline did and is not what is measured."""


class Flowed(NamedTuple):
    """What flowed."""

    per_s: int
    events: int
    accepted: int
    """All but the duplicates."""


@contextmanager
def flowing(bootstrap: str, per_second: int, customers: int, seed: int | None = None, duplicates: float = 0.0) -> Iterator[subprocess.Popen[str]]:
    """The process, while something is measured; `seed` by the clock where none is given; `duplicates`: share of events that repeat an earlier one."""
    chosen = time.time_ns() & 0xFFFF if seed is None else seed
    command = [sys.executable, "-m", "bench.background", bootstrap, *map(str, (per_second, customers, chosen, duplicates))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(flow: subprocess.Popen[str], patience_s: float = 60) -> Flowed:
    """End it; what it had sent is in Kafka. Raises ValueError when it had failed, subprocess.TimeoutExpired."""
    flow.terminate()
    told = flow.communicate(timeout=patience_s)[0]
    if flow.returncode != 0:
        raise ValueError(f"the usage beside ended with {flow.returncode}; its words are above")
    return Flowed(**json.loads(told))


def main(arguments: list[str]) -> int:
    bootstrap, per_second, customers, seed, duplicates = arguments[0], int(arguments[1]), int(arguments[2]), int(arguments[3]), float(arguments[4])
    codec = Codec()
    producer = Producer(
        {"bootstrap.servers": bootstrap, "partitioner": PARTITIONER, "enable.idempotence": True, "linger.ms": LINGER_MS, "compression.type": "lz4"}
    )
    going = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    made = events(Workload(0, customers, seed=seed))
    dice = random.Random(seed)
    recent: list[tuple[str, bytes]] = []
    start, sent, accepted = time.monotonic(), 0, 0
    while going:
        now_ms = time.time_ns() // 1_000_000
        while sent < (time.monotonic() - start) * per_second:
            if duplicates and recent and dice.random() < duplicates:
                name, value = dice.choice(recent)
            else:
                name, owner, event_type, properties, _ = next(made)
                event = {"transaction_id": name, "customer": owner, "event_type": event_type, "timestamp": now_ms, "properties": properties}
                value = codec.encode("usage_event", event)
                if duplicates and len(recent) < RECENT:
                    recent.append((name, value))
                elif duplicates:
                    recent[accepted % RECENT] = (name, value)
                accepted += 1
            while True:
                try:
                    producer.produce(USAGE_EVENTS.name, value, name, timestamp=now_ms)
                    break
                except BufferError:  # the broker has not answered for long
                    producer.poll(0.1)
            sent += 1
        producer.poll(0)
        time.sleep(SLICE_S)
    if left := producer.flush(30):
        raise RuntimeError(f"{left} events did not reach Kafka in 30 seconds")
    print(json.dumps(Flowed(round(sent / (time.monotonic() - start)), sent, accepted)._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
