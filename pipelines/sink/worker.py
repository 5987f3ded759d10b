"""SINK: topics to ClickHouse.

    python -m pipelines.sink.worker

Two consumers, each on its own thread: one for what is rated, metered, rejected and recorded, which must be seen within a second; one for
the raw usage events, which are many. Each: batch → rows → insert → commit. SIGTERM finishes the batch.
"""

import argparse
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from pipelines import heap
from pipelines.health import Health
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.settings import Settings
from pipelines.sink import blocks, stills
from pipelines.sink.consumer import BatchConsumer
from pipelines.sink.mappers import DOCUMENT_RECORDS, LINE_REVISIONS, REJECTED_EVENT_RECORDS, TABLES, Table, unreadable
from pipelines.sink.records import Record
from pipelines.sink.step import MAPPED, rows_of
from pipelines.sink.store import BadBlockError, StoppedError, Store
from pipelines.topology import SINK_EVENTS_GROUP, SINK_GROUP, USAGE_EVENTS
from pipelines.warehouse.client import connect
from schemas.codec import Codec
from schemas.registry import RegistryError

log = logging.getLogger("taximeter.sink")

RESULT_RECORDS = 10_000
RESULT_BYTES = 4_000_000
"""Packed: a record may hold thousands of rows."""
RESULT_LINGER_S = 0.08
EVENT_RECORDS = 100_000
EVENT_BYTES = 32_000_000
EVENT_LINGER_S = 1.0
REGISTRY_S = 1.0
RECORDED_AT = LINE_REVISIONS.columns.index("recorded_at")
STOP_S = 20.0


class Lane:
    """One consumer and its inserts."""

    def __init__(
        self, name: str, settings: Settings, consumer: BatchConsumer, write: Callable[["Lane", list[Record]], None], tables: Sequence[Table] = ()
    ) -> None:
        self.name = name
        self._tables = tables
        self._consumer = consumer
        self._write = write
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._registry: str | None = None
        self.codec = Codec.at(settings.schema_registry)
        self.store = Store(lambda: connect(settings), self._wait)
        self.records = 0
        self.unreadable = 0
        self.lag = 0
        self.last_progress_at = time.time()
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)  # one that hangs does not keep the process

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self) -> None:
        self._thread.join(STOP_S)

    def alive(self) -> bool:
        """Raise what ended the thread, if something did."""
        if self._failed is not None:
            raise self._failed
        return self._thread.is_alive()

    def passed_over(self, count: int) -> None:
        """So many records are none that can be stored."""
        self.unreadable += count
        metrics.SINK_UNREADABLE.labels(self.name).inc(count)

    @property
    def waiting_for(self) -> str | None:
        return self._registry or self.store.waiting_for or self._consumer.trouble

    def _wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._stop.is_set() and time.monotonic() < until:
            self._consumer.idle(min(0.2, seconds))
        return not self._stop.is_set()

    def _stored(self, records: list[Record]) -> None:
        """Write the records, however long the schema registry takes to come back."""
        while True:
            try:
                self._write(self, records)
            except RegistryError as error:
                if not error.transient:
                    raise
                if self._registry is None:
                    log.warning("%s: %s: waiting, nothing is lost", self.name, error)
                self._registry = "the schema registry does not answer"
                if not self._wait(REGISTRY_S):
                    raise StoppedError from error
            else:
                self._registry = None
                return

    def _run(self) -> None:
        looked_at = 0.0
        try:
            self.store.prepare(self._tables)
            while not self._stop.is_set():
                records = self._consumer.batch()
                if records:
                    started = time.monotonic()
                    with metrics.INSERT.labels(self.name).time():
                        self._stored(records)
                    self._consumer.commit(records)
                    self._consumer.stored(time.monotonic() - started)
                    self.records += len(records)
                    metrics.STORED.labels(self.name).inc(len(records))
                    self.last_progress_at = time.time()
                if time.monotonic() - looked_at > 1.0:
                    looked_at = time.monotonic()
                    self.lag = self._consumer.lag()
                    metrics.LANE_LAG.labels(self.name).set(self.lag)
        except StoppedError:
            log.warning("%s: stopped while waiting; what was not stored comes again from the topics", self.name)
        except BaseException as error:  # noqa: BLE001 - the main thread ends the process with it
            self._failed = error
        finally:
            self._consumer.close()
            self.store.close()


def write_results(lane: Lane, records: list[Record]) -> None:
    """Rows of the records, table by table."""
    rows = rows_of(records, lane.codec.decode)
    lane.passed_over(rows.unreadable)
    still = stills.asked(rows.tables.get(DOCUMENT_RECORDS, ()))
    if still is not None:
        lane.store.call(still.begin)
    for table, part in rows.tables.items():
        lane.store.rows(table, part)
        if table is LINE_REVISIONS:
            metrics.EVENT_TO_LINE.since([row[RECORDED_AT] for row in part], time.time_ns() // 1_000_000)


def write_events(lane: Lane, records: list[Record]) -> None:
    """Raw usage events as blocks. Events that are none are left out: METER rejects them, with the reason."""
    try:
        for block in blocks.blocks(records, lane.codec.writer_of):
            lane.store.block(block)
    except BadBlockError:
        whole = blocks.whole_events(records, lane.codec.decode)
        lane.passed_over(len(records) - len(whole))
        _write_apart(lane, whole)


def _write_apart(lane: Lane, records: list[Record]) -> None:
    """Events that are whole, in blocks that get smaller until what the warehouse refuses is alone: that one is shown among the rejected."""
    try:
        for block in blocks.blocks(records, lane.codec.writer_of):
            lane.store.block(block)
    except BadBlockError as error:
        if len(records) > 1:
            middle = len(records) // 2
            _write_apart(lane, records[:middle])
            _write_apart(lane, records[middle:])
            return
        lane.passed_over(1)
        lane.store.rows(REJECTED_EVENT_RECORDS, [unreadable(records[0], "refused", f"the warehouse does not take it: {str(error)[:500]}")])


def lanes(settings: Settings, member: str) -> list[Lane]:
    """Results and raw events."""
    results = BatchConsumer(settings, SINK_GROUP, list(MAPPED), member=member, most_records=RESULT_RECORDS, most_bytes=RESULT_BYTES, linger_s=RESULT_LINGER_S)
    events = BatchConsumer(
        settings, SINK_EVENTS_GROUP, [USAGE_EVENTS.name], member=member, most_records=EVENT_RECORDS, most_bytes=EVENT_BYTES, linger_s=EVENT_LINGER_S
    )
    return [Lane("results", settings, results, write_results, TABLES), Lane("events", settings, events, write_events)]


def run(settings: Settings, member: str) -> int:
    """Until SIGTERM; 1 when a lane broke."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    working = lanes(settings, member)
    for lane in working:
        lane.start()
    with Health(settings, "sink") as health:
        try:
            while not stop.wait(1.0):
                if not all([lane.alive() for lane in working]):  # noqa: C419 - every lane is asked, so the one that failed raises
                    break
                waiting = {lane.name: lane.waiting_for for lane in working if lane.waiting_for}
                health.report(
                    "waiting" if waiting else "running",
                    waiting_for=waiting,
                    lag=sum(lane.lag for lane in working),
                    records=sum(lane.records for lane in working),
                    unreadable=sum(lane.unreadable for lane in working),
                    last_progress_at=max(lane.last_progress_at for lane in working),
                )
        finally:  # also when one broke: the process ends only when the others do
            for lane in working:
                lane.stop()
            for lane in working:
                lane.join()
    return 0 if stop.is_set() else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.sink.worker", description="SINK: topics to ClickHouse.")
    parser.add_argument("--member", default=socket.gethostname(), help="name of this process in the group: another for each SINK on one machine")
    heap.bound()
    settings = Settings()
    log_to_stderr(settings, "sink")
    for chatty in ("urllib3", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what they complain about is said once, by `Store`
    return run(settings, parser.parse_args().member)


if __name__ == "__main__":
    sys.exit(main())
