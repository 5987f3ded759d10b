"""Local state that is whole: what the changelog has beyond it is read before the partition is rated.

Faust recovers tables too, but around rebalances it was seen to call a table recovered that was not, and to read on behind rows that it had passed over
(seen in 0.15.3 with two workers that took over from each other), and a row costs it three times as much. So it is told that there is nothing
to recover (`transport.py`, `Store.persisted_offset`), and all of it is done here. A partition that is rated on a part of its state loses usage for good:
its rows count as those of a stale writer later, while its offsets are committed. So nothing is rated before the changelog's end is reached, by offset.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.rating.tables import Store
from pipelines.reach import reach
from pipelines.reader import at_end, reader

log = logging.getLogger("taximeter.rate")

AT_ONCE: Final = 5_000
WAIT_S: Final = 1.0


class Row(NamedTuple):
    """A record of the changelog, as `Store.recover` takes it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Recovery:
    """Reads the changelog with a client of its own. Of several calls, on whatever threads, one works at a time."""

    def __init__(self, bootstrap: str, changelog: str) -> None:
        self.rows = 0
        """Read since the start: who watches progress sees that it goes on."""
        self._bootstrap = bootstrap
        self._changelog = changelog
        self._admin: AdminClient | None = None
        self._turn = threading.Lock()

    def complete(self, store: Store, partitions: Iterable[int], wanted: Callable[[], bool]) -> bool:
        """True when the rows of these partitions go to the end that the changelog has now; false when nobody wants that any more. Raises KafkaException."""
        with self._turn:
            return wanted() and self._complete(store, partitions, wanted)

    def _complete(self, store: Store, partitions: Iterable[int], wanted: Callable[[], bool]) -> bool:
        if self._admin is None:
            self._admin = AdminClient({**reach(self._bootstrap), "log_level": 2})
        ends = offsets.ends(self._admin, [(self._changelog, number) for number in partitions])
        missing = {}
        for (_, number), end in ends.items():
            held = store.held_offset(number)
            if end > (-1 if held is None else held) + 1:
                missing[number] = (OFFSET_BEGINNING if held is None else held + 1, end)
        return self._read(store, missing, wanted) if missing else wanted()

    def _read(self, store: Store, missing: dict[int, tuple[int, int]], wanted: Callable[[], bool]) -> bool:
        """`missing`: first offset to read and end, by partition."""
        log.info("reading the rest of the changelog of partitions %s", ", ".join(map(str, sorted(missing))))
        consumer = reader(self._bootstrap, "taximeter-rate-recovery")
        try:
            consumer.assign([TopicPartition(self._changelog, number, first) for number, (first, _) in missing.items()])
            left = set(missing)
            while left:
                if not wanted():
                    return False
                rows: dict[int, list[Any]] = {}
                for message in consumer.consume(AT_ONCE, WAIT_S):
                    number = message.partition()
                    if at_end(message):
                        left.discard(number)
                        continue
                    row = Row(self._changelog, number, message.offset(), message.key(), message.value(), message.headers())
                    rows.setdefault(number, []).append(row)
                    if row.offset + 1 >= missing[number][1]:
                        left.discard(number)
                for number, found in rows.items():
                    store.recover(number, found)
                    self.rows += len(found)
        finally:
            consumer.close()
        return wanted()
