"""The two sides of `bench meter`, each a process of its own: `python -m bench.meter_sides meter|loop FIRST LAST`.

Both read usage-events from where the other began, and tell what the events between the FIRST-th and the LAST-th cost. What comes before
warms them up. Prints one JSON object.
"""

import io
import json
import resource
import sys
import threading
import time
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, Final, NamedTuple

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from pipelines.metering.worker import Worker
from pipelines.settings import Settings
from pipelines.topology import USAGE_EVENTS
from schemas.codec import SINGLE_OBJECT_HEADER, current

LOOK_S: Final = 0.005
IDLE_S: Final = 300.0


class Mark(NamedTuple):
    events: int
    wall_s: float
    cpu_s: float


def mark(events: int) -> Mark:
    return Mark(events, time.perf_counter(), time.process_time())


def told(start: Mark, end: Mark, **more: Any) -> str:
    events = end.events - start.events
    figures = {
        "events": events,
        "wall_s": end.wall_s - start.wall_s,
        "cpu_s": end.cpu_s - start.cpu_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return json.dumps(figures | more)


def meter(first: int, last: int) -> str:
    """METER itself: the worker's own process, looked at from a second thread."""
    worker = Worker(Settings())
    marks: list[Mark] = []

    def look() -> None:
        read, deadline = 0, time.monotonic() + IDLE_S
        for wanted in (first, last):
            while read < wanted and time.monotonic() < deadline:
                time.sleep(LOOK_S)
                if worker.counts["read"] > read:
                    read, deadline = worker.counts["read"], time.monotonic() + IDLE_S
            marks.append(mark(worker.counts["read"]))
        worker.stop()

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    worker.run()
    watcher.join()
    counts: Counter[str] = worker.counts
    return told(marks[0], marks[1], accepted=counts["accepted"], duplicates=counts["duplicate"], read=counts["read"])


def loop(first: int, last: int, partitions: int, starts: dict[int, int], number: type[Decimal] | type[int]) -> str:
    """The plain loop: consume, decode with fastavro, add up in a dict. It forgets nothing, commits nothing and writes nothing."""
    consumer = Consumer(
        {
            "bootstrap.servers": Settings().kafka,
            "group.id": "taximeter-bench-loop",
            "enable.auto.commit": False,
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 131_072,
        }
    )
    consumer.assign([TopicPartition(USAGE_EVENTS.name, number, starts.get(number, OFFSET_BEGINNING)) for number in range(partitions)])
    schema = current("usage_event").parsed
    sums: dict[tuple[str, str, str | None, int], Any] = defaultdict(number)
    read, marks = 0, []
    wanted = [last, first]
    deadline = time.monotonic() + IDLE_S
    while wanted and time.monotonic() < deadline:
        for message in consumer.consume(10_000, 0.1):
            if message.error() is not None:
                continue
            body = io.BytesIO(message.value())
            body.seek(SINGLE_OBJECT_HEADER)
            event: Any = fastavro.schemaless_reader(body, schema, None)
            properties = event["properties"]
            value = properties.get("calls") or properties.get("tokens") or properties.get("images")
            sums[event["customer"], event["event_type"], properties.get("model"), event["timestamp"] // 3_600_000] += number(value)
            read += 1
        if wanted and read >= wanted[-1]:
            wanted.pop()
            marks.append(mark(read))
    consumer.close()
    return told(marks[0], marks[1], sums=len(sums))


def main(arguments: list[str]) -> int:
    side, first, last, *more = arguments
    if side == "meter":
        print(meter(int(first), int(last)))
    else:
        starts = {int(key): value for key, value in json.loads(more[1]).items()}
        print(loop(int(first), int(last), int(more[0]), starts, int if more[2] == "int" else Decimal))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
