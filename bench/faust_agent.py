"""The reference of `bench rate` and `bench pipeline`: `python -m bench.faust_agent BOOTSTRAP PARTITIONS FOLDER FIRST LAST`.

What one would write with Faust: an agent that takes an event a record and adds it to a table (RocksDB, with its changelog), at Faust's own settings. It
has no dedup, no windows, no prices and no output, and it counts wrong after a crash. Tells what the events between the FIRST-th and the LAST-th cost.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
import time
from decimal import Decimal
from typing import Any, Final

import faust

from pipelines.topology import USAGE_EVENTS
from schemas.codec import Codec

PATIENCE_S: Final = 380.0


def agent(bootstrap: str, partitions: int, folder: str, marks: list[tuple[int, float, float]], wanted: list[int], done: asyncio.Event) -> faust.App:
    app = faust.App(
        f"bench-faust-{os.getpid()}",
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=folder,
        topic_partitions=partitions,
        autodiscover=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
        logging_config=None,
    )
    decode = Codec().decode
    totals = app.Table("totals", default=str, partitions=partitions)
    topic = app.topic(USAGE_EVENTS.name, value_type=bytes, value_serializer="raw", key_serializer="raw")
    read = 0

    async def add(events: Any) -> None:
        nonlocal read
        async for value in events:
            event = decode("usage_event", value)
            properties = event["properties"]
            quantity = properties.get("calls") or properties.get("tokens") or properties.get("images")
            key = f"{event['customer']}/{event['event_type']}/{properties.get('model', '')}/{event['timestamp'] // 3_600_000}"
            totals[key] = str(Decimal(totals[key] or 0) + Decimal(quantity))
            read += 1
            if wanted and read >= wanted[0]:
                wanted.pop(0)
                marks.append((read, time.perf_counter(), time.process_time()))
                if not wanted:
                    done.set()

    app.agent(topic)(add)
    return app


async def run(arguments: list[str]) -> dict[str, Any]:
    bootstrap, partitions, folder, first, last = arguments
    marks: list[tuple[int, float, float]] = []
    done = asyncio.Event()
    app = agent(bootstrap, int(partitions), folder, marks, [int(first), int(last)], done)
    async with app:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), PATIENCE_S)
    if len(marks) < 2:
        raise TimeoutError(f"the Faust agent has read {marks} of {last} events in {PATIENCE_S:.0f} s")
    (begun, wall, cpu), (ended, wall_end, cpu_end) = marks
    return {
        "events": ended - begun,
        "wall_s": wall_end - wall,
        "cpu_s": cpu_end - cpu,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(arguments: list[str]) -> int:
    print(json.dumps(asyncio.run(run(arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
