"""A `Counter` in a process of its own, which goes after everybody else: of a full machine the past gets what live usage leaves.

The process is started when there is something to count and ends when there has been nothing for a while, or when METER does.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
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
from schemas.codec import Codec, CodecError
from schemas.registry import RegistryError

NICENESS: Final = 5
CALL_S: Final = 900.0
"""A call of a process that is well takes seconds at most, or minutes while it asks a busy warehouse for what Kafka has let go."""
KEPT_S: Final = 60.0
"""So long the process stays when it has nothing to do: its start takes a second or two."""

Result = TypeVar("Result")


class Apart:
    """The calls of a `Counter`, for one thread; `rest` and `close` are for any. Raises UnreadableError for what another try may mend."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._told = settings, limits
        self._process: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None
        self._used = 0.0
        self._closed = False

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
        return self._call(_begin, dict(behind), wanted)

    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
        return self._call(_gather, partition, span, most, then)

    def count(self) -> list[tuple[int, bytes]]:
        return self._call(_count)

    def rest(self) -> None:
        """Nothing is to be done now."""
        if time.monotonic() - self._used > KEPT_S:
            self._end()

    def close(self) -> None:
        """End the process and the call at hand."""
        self._closed = True
        self._end()

    def _call(self, function: Callable[..., Result], *arguments: object) -> Result:
        try:
            return self._at_work().submit(function, *arguments).result(CALL_S)
        except BrokenProcessPool:
            self._end()
            raise UnreadableError("the process that counts it has ended") from None
        except TimeoutError:
            self._end()
            raise UnreadableError(f"the process that counts it has not answered for {CALL_S:.0f} s and was ended") from None
        except OSError as error:
            self._end()
            raise UnreadableError(f"the process that counts it can not be started: {error}") from None
        finally:
            self._used = time.monotonic()

    def _at_work(self) -> ProcessPoolExecutor:
        if self._closed:
            raise UnreadableError("METER ends")
        if self._process is None:
            self._process = ProcessPoolExecutor(1, get_context("spawn"), _start, self._told)
            # The process comes from a thread that goes after others already: what it loads first is half of what a short stretch costs.
            with ThreadPoolExecutor(1, initializer=_yielding) as starting:
                self._pid = starting.submit(self._process.submit, os.getpid).result()
        return self._process

    def _end(self) -> None:
        """At once: it owns nothing, and whatever it waits for, nobody should wait for it."""
        process, pid = self._process, self._pid
        self._process = self._pid = None
        if process is None:
            return
        if pid is not None and pid.done() and not pid.cancelled() and pid.exception() is None:
            with suppress(ProcessLookupError):
                os.kill(pid.result(), signal.SIGKILL)
        process.shutdown(wait=False, cancel_futures=True)


def _yielding() -> None:
    """Of the thread that calls it, where threads have a niceness of their own."""
    if sys.platform == "linux":
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + NICENESS)


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
    if sys.platform != "linux":  # there it has come from a thread that has this niceness
        os.nice(NICENESS)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _begin(behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
    global _counter  # noqa: PLW0603
    with _said_plainly():
        if _counter is None:
            bootstrap, codec = str(_settings.kafka), Codec.at(_settings.schema_registry)
            past = Past(id_log.logs(bootstrap, codec), Archive(_settings, codec))
            _counter = Counter(Metering(engine(), codec, _limits), past, DocumentLog(bootstrap, codec).read_to)
        try:
            return _counter.begin(behind, wanted)
        except BaseException:
            _counter = None  # what it knows of the documents may have a hole
            raise


def _gather(partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
    with _said_plainly():
        return _known().gather(partition, span, most, then)


def _count() -> list[tuple[int, bytes]]:
    return _known().count()


def _known() -> Counter:
    if _counter is None:
        raise UnreadableError("the process that counts it has begun anew")
    return _counter


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Errors of the clients can not be sent to another process."""
    try:
        yield
    except (KafkaException, RegistryError, CodecError) as error:
        raise UnreadableError(str(error)) from None
