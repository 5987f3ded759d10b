"""METER's process: `python -m pipelines.metering.worker [NUMBER]`.

A batch is one Kafka transaction: its metered usage, its rejects and the offsets behind it. The ids are put into the dedup store before
the transaction ends, and that they are known when it has ended; a crash in between is harmless (`dedup.py`, `relearn.py`). Documents
take effect between batches.

Three batches are under way at a time: one is fetched (`ahead.py`), one is worked on, of one the transaction ends; beside them the past is counted, when
some product lacks it (`filling.py`). The next transaction is not
begun before, and nothing is given away meanwhile: a partition that leaves waits for the transaction that has its offsets.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from pipelines.damage import damaged, opened, throw_away
from pipelines.document_log import DocumentLog
from pipelines.health import Health
from pipelines.metering import id_log, positions
from pipelines.metering.ahead import Ahead
from pipelines.metering.apart import Apart
from pipelines.metering.backfill import Backfill, Task
from pipelines.metering.batch import DAY_MS, HOUR_MS, Limits, Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.downstream import Downstream
from pipelines.metering.engine import engine
from pipelines.metering.filling import Filling
from pipelines.metering.messages import Messages
from pipelines.metering.output import Output
from pipelines.metering.pace import Pace
from pipelines.metering.patience import Patience, StoppedError
from pipelines.metering.relearn import relearn
from pipelines.metering.source import ASK_S, IDLE_S, Source
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.silence import Silence
from pipelines.topology import METER_GROUP, USAGE_EVENTS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

REPORT_S: Final = 1.0
ROTATE_S: Final = 3600.0
COUNTED_S: Final = 0.02
"""While live events do not come METER looks so often whether more of the past is counted."""
BATCHES: Final = 2
"""A transaction of the past has the events of so many batches: RATE is told one delta of a customer and window, however many events it is of."""
SWITCH_S: Final = 0.0005
"""A thread that comes back from the engine or the store waits so long at most for the one that fetches."""
GROUP_S: Final = 60.0
"""So long the group's offsets are asked for. A member that was given up meanwhile is never told them: it ends, and its successor joins anew."""
HUNG_S: Final = 25.0
"""A call of the committing half takes 10 s at most by its own word."""


class Ending(NamedTuple):
    """A transaction that is being committed."""

    answer: Future[float | None]
    """Seconds that it took; none: it was not committed."""
    task: Task


class Worker:
    """One METER. `run` returns after `stop`, with the batch at hand finished."""

    def __init__(self, settings: Settings, number: int = 0) -> None:
        if settings.kafka is None:
            raise ValueError("METER needs the address of Kafka: set TAXIMETER_KAFKA to host:port (`taximeter up` does)")
        self._settings = settings
        self._bootstrap = settings.kafka
        self._name = f"meter-{number}"
        self._stopping = False
        self._codec = Codec.at(settings.schema_registry)
        self._patience = Patience(self._waiting)
        self._committing = Patience(self._waiting)
        self._commits = ThreadPoolExecutor(1, "meter-commit")
        self._ending: Ending | None = None
        self._ended_s = 0.0
        """The last one took so long."""
        self._failed = False
        self._started = False
        self._health = Health(settings, "meter" if settings.workers == 1 else self._name)
        self._untold = 0
        """Transactions since partitions came; now and then one tells of those of which nothing comes."""
        self._reported = 0.0
        self._rotated = time.monotonic()
        self._changes = -1
        self._rate = 0
        """Events of the past a second that the open generation allows, over all workers; 0: no bound."""
        self._progress = time.time()
        self._arrived_ms: npt.NDArray[np.int64] = np.empty(0, np.int64)
        """Of the events whose transaction is being committed."""
        self.counts: Counter[str] = Counter()
        """Events read, accepted, duplicate, and rejected by reason, since the start."""

    def stop(self) -> None:
        """Finish the batch at hand, then end. Safe in a signal handler."""
        self._stopping = True
        self._patience.stopping_since = self._committing.stopping_since = time.monotonic()

    def run(self) -> None:
        """Meter until `stop`. Raises KafkaException when another process has taken this worker's place."""
        settings = self._settings
        self._limits = Limits(settings.window_minutes * 60_000, settings.late_days * DAY_MS, settings.ahead_hours * HOUR_MS, settings.partitions)
        with self._health:
            self._report("starting")
            self._metering = Metering(engine(), self._codec, self._limits)
            folder = settings.data / "meter" / self._name
            self._dedup = opened(folder, lambda: Dedup(folder, settings.dedup_days, _now_ms()))
            try:
                self._work()
            except StoppedError:
                log.warning("stopped while waiting for Kafka: the batch at hand is read again at the next start")
            except Exception as error:
                if damaged(error):
                    throw_away(folder, error)
                raise
            finally:
                self._dedup.close()
                engine().close()

    def _work(self) -> None:
        self._dedup.belong_to(self._patience(lambda: _topic_id(self._bootstrap)), _now_ms())
        self._log = self._patience(lambda: DocumentLog(self._bootstrap, self._codec, ASK_S))
        self._ids = self._patience(lambda: id_log.logs(self._bootstrap, self._codec))
        self._pace = Pace(self._settings.batch_events)
        self._output = Output(self._bootstrap, self._name, self._committing, self._ids[-1])
        self._downstream = Downstream(self._bootstrap, lambda: self._output.written)
        filling = Filling(Apart(self._settings, self._limits), self._pace, BATCHES * self._settings.batch_events, self._downstream.lag_s)
        self._backfill = Backfill(self._ids, self._metering, filling)
        self._follow_documents()
        self._source = Source(self._bootstrap, self._name)
        self._silence = Silence(self._bootstrap, METER_GROUP)
        self._ahead = Ahead(self._source, self._settings.batch_events, self._settings.linger_ms / 1000)
        self._started = True
        log.info("metering %d catalogues", len(self._log.documents.catalogues))
        # A batch makes many objects and no cycles; without this the collector looks at all of them again and again.
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(200_000, 20, 50)
        try:
            while not self._stopping:
                self._turn()
            self._settle()
        finally:
            self._backfill.close()
            self._commits.shutdown()
            self._ahead.close()
            self._source.consumer.close()
            self._downstream.close()
            self._log.close()

    def _turn(self) -> None:
        self._ahead.begin(IDLE_S)
        found, trouble = self._ahead.take(self._settle)
        self._backfill.keep(set(self._source.assigned()) - self._source.new)
        if self._ending is not None and (found is None or self._ending.answer.done()):
            self._settle()
        if self._failed:
            self._failed, found = False, None
            told = self._patience(lambda: self._source.committed(self._source.read()), GROUP_S)
            later = self._patience(lambda: positions.later(self._ids, told), GROUP_S)
            self._source.seek(later)
            # Nobody knows whether it was committed after all: what is covered is as the log says.
            self._patience(lambda: self._backfill.load(later))
        elif trouble is not None:
            self._patience.wait(trouble)
        elif found is None:
            self._listen()
        if self._source.new:
            self._welcome(sorted(self._source.new))
        self._pace.bound(self._rate * len(self._source.assigned()) / self._settings.partitions)
        self._ahead.begin(COUNTED_S if self._backfill.waits else IDLE_S)
        if found is not None:
            self._silence.broken()
            self._patience.over()
            self._pace.live(time.monotonic())
            self._batch(found)
        else:
            self._follow_documents()
        self._fill()
        self._report_again("running")
        now = time.monotonic()
        if now - self._rotated > ROTATE_S:
            self._rotated = now
            self._dedup.rotate(_now_ms())

    def _listen(self) -> None:
        """Nothing comes: because nothing is there, because nobody answers, or because the client has come to stand still?"""
        self._patience(self._hear)

    def _hear(self) -> None:
        """Raises KafkaException while nobody answers the client, SilentClientError when it is the client that stands still."""
        try:
            if self._patience.waiting:
                self._source.ask()
        finally:
            self._silence.check(self._source.consumer, ())

    def _batch(self, messages: Messages) -> None:
        self._log.ask()
        began = time.monotonic()
        outcome = self._patience(lambda: self._metering.run(messages, self._dedup, self._follow_documents))
        self._ahead.gather(max(time.monotonic() - began, self._ended_s))
        ends: dict[int, int] = dict(zip(messages.partitions.tolist(), (messages.offsets + 1).tolist(), strict=True))
        self._settle()
        if self._failed:
            return  # its transaction would leave out the events of the one before
        self._arrived_ms, self._output.arrived_ms = messages.recorded_ms, int(messages.recorded_ms.min())
        self._commit(self._backfill.beside(outcome, ends))

    def _fill(self) -> None:
        """What is missing for products that are new: commit what has been counted of it, and have the next counted."""
        if self._backfill.due:
            self._settle()
            task = None if self._failed else self._backfill.turn()
            if task is not None:
                self._commit(task)
        self._backfill.go_on(self._log.documents)

    def _commit(self, task: Task) -> None:
        if self._untold % id_log.OFTEN == 0:
            told = id_log.nothing(self._codec, self._backfill.quiet(task.ends))
            task = task._replace(outcome=task.outcome._replace(ids=[*task.outcome.ids, *told]))
        self._untold += 1
        self._dedup.expect()
        self._ending = Ending(self._commits.submit(self._end, task, self._source.group), task)

    def _end(self, task: Task, group: Any) -> float | None:
        """On the thread that commits: the ids, then the transaction. As `Ending.answer`."""
        began = time.monotonic()
        self._dedup.put(task.outcome.fresh)
        return time.monotonic() - began if self._output.commit(task.outcome, task.ends, group) else None

    def _settle(self) -> None:
        """Wait for the transaction that is being committed. `_failed` when it was not: all that was read since is read again."""
        if self._ending is None:
            return
        ending, self._ending = self._ending, None
        while not ending.answer.done():
            wait([ending.answer], REPORT_S)
            self._end_if_hung()
        arrived_ms, self._arrived_ms, self._output.arrived_ms = self._arrived_ms, np.empty(0, np.int64), None
        took_s = ending.answer.result()
        if took_s is None:
            metrics.TRANSACTIONS_FAILED.inc()
            self._failed = True
            self._backfill.failed()
            return
        self._ended_s = took_s
        self._dedup.know(ending.task.ends)
        self._backfill.committed(ending.task)
        outcome = ending.task.outcome
        rejected = sum(outcome.reasons.values())
        self.counts.update(read=outcome.read, accepted=outcome.accepted, duplicate=outcome.duplicates, rejected=rejected, backfilled=outcome.backfilled)
        self.counts.update(outcome.reasons)
        self._progress = time.time()
        for name, count in (("accepted", outcome.accepted), ("duplicate", outcome.duplicates), ("rejected", rejected)):
            metrics.EVENTS.labels(name).inc(count)
        for reason, count in outcome.reasons.items():
            metrics.REJECTS.labels(reason).inc(count)
        if outcome.read:
            metrics.BATCH_EVENTS.observe(outcome.read)
        metrics.PAST_EVENTS.inc(outcome.backfilled)
        metrics.EVENT_TO_METERED.since(arrived_ms, _now_ms())

    def _end_if_hung(self) -> None:
        """librdkafka's `send_offsets_to_transaction` may never return when the transaction has timed out while its coordinator moved (2.16 does not).

        No thread can be ended, so the process is. Its successor fences the transaction off and reads the batch again.
        """
        since = self._committing.calling_since
        if since is not None and time.monotonic() - since > HUNG_S:
            log.critical("the Kafka client has not returned for %.0f s from a call of at most 10 s: ending, to be started again; nothing is lost", HUNG_S)
            self._health.report("failed", error="the Kafka client hangs")
            os._exit(1)

    def _welcome(self, partitions: list[int]) -> None:
        """Make partitions ready that were assigned: their ids must be known up to where reading begins."""
        self._settle()  # the store takes ids from one thread at a time
        told = self._patience(lambda: self._source.committed(partitions), GROUP_S)
        committed = self._patience(lambda: positions.later(self._ids, told), GROUP_S)
        gaps = {}
        for partition, offset in committed.items():
            known = self._dedup.position(partition) or 0
            if offset is not None and known < offset:
                gaps[partition] = (known, offset)
        if gaps:
            since_ms = _now_ms() - self._settings.dedup_days * DAY_MS
            self._patience(
                lambda: relearn(self._ids, self._metering, self._dedup, gaps, since_ms, lambda: self._report_again("learning", partitions=sorted(gaps)))
            )
        self._patience(lambda: self._backfill.load(committed))
        self._untold = 0
        self._source.ready(partitions, {number: end for number, end in committed.items() if end is not None and end != told[number]})

    def _follow_documents(self) -> None:
        """After the batch was fetched: what was published before an event was sent holds for that event."""
        documents = self._patience(self._log.catch_up)
        if documents.changes != self._changes:
            self._changes = documents.changes
            self._metering.prepare(documents)
            self._backfill.follow()
            current = documents.generations.current
            self._rate = current.rate if current is not None else 0

    def _waiting(self, reason: str | None) -> None:
        self._report_again("waiting" if reason else "running" if self._started else "starting", waiting_for=reason)

    def _report_again(self, state: str, **more: object) -> None:
        """Once the last report is old enough."""
        if time.monotonic() - self._reported > REPORT_S:
            self._report(state, **more)

    def _report(self, state: str, **more: object) -> None:
        self._reported = time.monotonic()
        lag = self._source.lag if state == "running" else None
        if lag == 0:
            self._progress = time.time()
        missing = self._backfill.missing if state == "running" else None
        if state == "running":
            metrics.PAST_MISSING.set(missing or 0)
            metrics.DEDUP_IDS.set(self._dedup.count())
            metrics.DEDUP_BYTES.set(self._dedup.size())
        self._health.report(state, lag=lag, backfill=missing, last_progress_at=self._progress, **self.counts, **more)


def _topic_id(bootstrap: str) -> str:
    """Kafka's own id of usage-events: another one after the topic was made anew."""
    admin = AdminClient(reach(bootstrap))
    asked = admin.describe_topics(TopicCollection([USAGE_EVENTS.name]), request_timeout=10)
    return str(asked[USAGE_EVENTS.name].result().topic_id)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main(arguments: list[str]) -> int:
    settings = Settings()
    log_to_stderr(settings, "meter")
    worker = Worker(settings, int(arguments[0]) if arguments else 0)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
