"""Usage that flows while something else is measured: `python -m bench.background BOOTSTRAP PER_SECOND CUSTOMERS`, until SIGTERM."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from confluent_kafka import Producer

from bench.workload import Workload, events
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from schemas.codec import Codec

SLICE_S: Final = 0.02


@contextmanager
def flowing(bootstrap: str, per_second: int, customers: int) -> Iterator[subprocess.Popen[str]]:
    """The process, while something is measured."""
    command = [sys.executable, "-m", "bench.background", bootstrap, str(per_second), str(customers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def main(arguments: list[str]) -> int:
    bootstrap, per_second, customers = arguments[0], int(arguments[1]), int(arguments[2])
    codec = Codec()
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": PARTITIONER, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
    going = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    made = events(Workload(0, customers, seed=time.time_ns() & 0xFFFF))
    start, sent = time.monotonic(), 0
    while going:
        now_ms = time.time_ns() // 1_000_000
        while sent < (time.monotonic() - start) * per_second:
            name, owner, event_type, properties, _ = next(made)
            event = {"transaction_id": name, "customer": owner, "event_type": event_type, "timestamp": now_ms, "properties": properties}
            value = codec.encode("usage_event", event)
            while True:
                try:
                    producer.produce(USAGE_EVENTS.name, value, name, timestamp=now_ms)
                    break
                except BufferError:  # the broker has not answered for long
                    producer.poll(0.1)
            sent += 1
        producer.poll(0)
        time.sleep(SLICE_S)
    producer.flush(10)
    print(f"{sent / (time.monotonic() - start):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
