"""RATE's process: `python -m pipelines.rating.worker [NUMBER]`."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from typing import Final

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from pipelines import heap
from pipelines.damage import damaged, throw_away
from pipelines.health import Health
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.rating import local
from pipelines.rating.agents import SOURCES, Shell
from pipelines.rating.starting import started
from pipelines.settings import Settings

log = logging.getLogger("taximeter.rate")

REPORT_S: Final = 1.0
RECOVERING_S: Final = 10.0
"""A start that takes longer is told as what it is: reading the changelog."""
STOP_S: Final = 8.0
LOOK_AFTER: Final = (200_000, 20, 50)
"""Objects after which the collector looks at new ones, and how often it looks at those before it looks at older ones."""
SWITCH_S: Final = 0.0005
"""A thread that wants its turn gets it so soon: the client hands every record over from a thread of its own."""


class Worker:
    """One RATE. `run` returns after `stop`, with the writes under way finished."""

    def __init__(self, settings: Settings, number: int = 0) -> None:
        if settings.kafka is None:
            raise ValueError("RATE needs the address of Kafka: set TAXIMETER_KAFKA to host:port (`taximeter up` does)")
        self._settings = settings
        self._number = number
        self._recovered = 0, 0.0
        """Rows of the changelog that were read, and when that changed last."""
        self._health = Health(settings, "rate" if settings.workers == 1 else f"rate-{number}")
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Rate until `stop`. Raises what ended it: then nothing is lost, and another start goes on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        folder = self._settings.data / "rate" / f"rate-{self._number}"
        with self._health:
            self._health.report("starting")
            await asyncio.to_thread(local.prepare, self._settings, folder, self._waiting)
            shell = Shell(self._settings, self._number, folder)
            await shell.output.start()
            keeping: list[asyncio.Task[None]] = []
            try:
                if not await started(shell.app.start(), lambda: shell.recovered_rows, lambda taken_s: self._starting(shell, taken_s), self._stopping):
                    return
                keeping += [asyncio.create_task(each) for each in (shell.keep_committing(), shell.keep_time())]
                for task in keeping:
                    task.add_done_callback(shell.ended)
                while not self._stopping.is_set():
                    self._look(shell)
                    try:
                        await asyncio.wait_for(self._stopping.wait(), REPORT_S)
                    except TimeoutError:
                        continue
            except Exception as error:
                if damaged(error):
                    throw_away(folder, error)
                raise
            finally:
                log.info("stopping")
                await asyncio.wait_for(self._end(shell, keeping), STOP_S)

    async def _end(self, shell: Shell, keeping: "list[asyncio.Task[None]]") -> None:
        await shell.leave()
        for task in keeping:
            task.cancel()
        if shell.failed is None and keeping:  # else nothing was settled
            await shell.consumer.commit()
        await shell.app.stop()
        await shell.output.stop()

    def _waiting(self, reason: str) -> None:
        self._health.report("waiting", waiting_for=reason)

    def _starting(self, shell: Shell, taken_s: float) -> None:
        if taken_s < RECOVERING_S:
            self._health.report("starting")
        else:
            self._look(shell)

    def _look(self, shell: Shell) -> None:
        """Report, and raise what has failed."""
        if shell.failed is not None:
            raise shell.failed
        if shell.app.crashed:
            raise RuntimeError(f"Faust has stopped: {shell.app.crash_reason!r}") from shell.app.crash_reason
        ready = not shell.app.rebalancing and bool(shell.partitions)
        if shell.recovered_rows != self._recovered[0]:
            self._recovered = shell.recovered_rows, time.time()
        shell.table.store.stamp()
        lag = _lag(shell)
        refused = sum(runner.partition.refused for runner in shell.partitions.values())
        metrics.REFUSED.set(refused)
        metrics.PARTITIONS.set(len(shell.partitions))
        metrics.STATE_BYTES.set(shell.table.store.size())
        self._health.report(
            "running" if ready else "recovering",
            lag=lag,
            # A worker that has something to do and settles nothing makes no progress, however alive it is.
            last_progress_at=max(shell.last_settled, self._recovered[1]) if lag or not ready else time.time(),
            partitions=sorted(shell.partitions),
            last_settled_at=shell.last_settled,
            refused=refused,
            **{name.replace("-", "_"): count for name, count in shell.counts.items()},
        )


def _lag(shell: Shell) -> int:
    """Records that are on the topics and not done."""
    return sum(
        shell.consumer.unread(topic, number) + runner.unsettled(topic) for number, runner in shell.partitions.items() for topic in SOURCES
    )


def main(arguments: list[str]) -> int:
    heap.bound()
    settings = Settings()
    log_to_stderr(settings, "rate")
    for name in ("faust", "mode", "aiokafka", "pipelines.rating"):
        logging.getLogger(name).setLevel(logging.WARNING)
    number = int(arguments[0]) if arguments else 0
    sys.setswitchinterval(SWITCH_S)
    # Accounts stay for long and have no cycles; without this the collector looks at them again and again: a third of what a turn costs.
    gc.freeze()
    gc.set_threshold(*LOOK_AFTER)
    try:
        asyncio.run(Worker(settings, number).run())
    except (KafkaError, KafkaException) as error:
        log.warning("Kafka: %r; nothing is lost, starting again", error)
        time.sleep(1)
        os.execv(sys.executable, [sys.executable, "-m", "pipelines.rating.worker", *arguments])  # noqa: S606 - the same program, anew
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
