"""A `Counter` in a process of its own, which goes after everybody else: of a full machine the past gets what live usage leaves.

The process is started when there is something to count and ends when there has been nothing for a while, or when METER does.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from pipelines.document_log import DocumentLog
from pipelines.metering import id_log
from pipelines.metering.archive import Archive
from pipelines.metering.batch import Limits, Metering
from pipelines.metering.counter import Counter, Slice, Stand, UnreadableError
from pipelines.metering.coverage import Span
from pipelines.metering.engine import engine
from pipelines.metering.past import Past
from pipelines.monitoring.logs import log_to_stderr
from pipelines.settings import Settings
from schemas.codec import Codec

NICENESS: Final = 5
KEPT_S: Final = 60.0
"""So long the process stays when it has nothing to do: its start takes a second or two."""

Result = TypeVar("Result")


class Apart:
    """For one thread. Its calls are those of `Counter`; they raise UnreadableError also when the process has ended."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._told = settings, limits
        self._process: ProcessPoolExecutor | None = None
        self._used = 0.0

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
        return self._call(_begin, dict(behind), wanted)

    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
        return self._call(_gather, partition, span, most, then)

    def count(self) -> list[tuple[int, bytes]]:
        return self._call(_count)

    def rest(self) -> None:
        """Nothing is to be done now."""
        if time.monotonic() - self._used > KEPT_S:
            self.close()

    def close(self) -> None:
        """End the process, after the call at hand."""
        if self._process is not None:
            self._process.shutdown(cancel_futures=True)
            self._process = None

    def _call(self, function: Callable[..., Result], *arguments: object) -> Result:
        if self._process is None:
            self._process = ProcessPoolExecutor(1, get_context("spawn"), _start, self._told)
        try:
            return self._process.submit(function, *arguments).result()
        except BrokenProcessPool:
            self.close()
            raise UnreadableError("the process that counts it has ended") from None
        finally:
            self._used = time.monotonic()


# In the process

_settings: Settings
_limits: Limits
_counter: Counter | None = None


def _start(settings: Settings, limits: Limits) -> None:
    global _settings, _limits
    _settings, _limits = settings, limits
    log_to_stderr(settings, "meter")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: METER ends this process itself
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    # Where the kernel groups processes by session, niceness counts within the group alone, and the group has one of its own.
    os.setsid()
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), encoding="ascii")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _begin(behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
    global _counter  # noqa: PLW0603
    if _counter is None:
        bootstrap, codec = str(_settings.kafka), Codec.at(_settings.schema_registry)
        try:
            log = DocumentLog(bootstrap, codec)
            past = Past(id_log.logs(bootstrap, codec), Archive(_settings, codec))
        except KafkaException as error:
            raise UnreadableError(str(error)) from None
        _counter = Counter(Metering(engine(), codec, _limits), past, log.read_to)
    return _counter.begin(behind, wanted)


def _known() -> Counter:
    if _counter is None:
        raise UnreadableError("the process that counts it has begun anew")
    return _counter


def _gather(partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
    return _known().gather(partition, span, most, then)


def _count() -> list[tuple[int, bytes]]:
    return _known().count()
