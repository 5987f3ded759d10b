"""The past, read on a thread of its own: while METER works on a portion of it, or on live events, the next stretch comes from Kafka or from the archive."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, NamedTuple

from pipelines.metering.coverage import Span
from pipelines.metering.past import Past, Portion

STRETCH: Final = 50_000
"""Records that are read at once; two stretches are in memory at a time."""


class _Asked(NamedTuple):
    partition: int
    span: Span
    answer: Future[Portion]


class _Held(NamedTuple):
    """A portion, of which some events are taken."""

    partition: int
    start: int
    portion: Portion
    taken: int = 0


class Rereading:
    """One stretch ahead. For one thread, which is not the one that reads."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._thread = ThreadPoolExecutor(1, "meter-past")
        self._asked: _Asked | None = None
        self._held: _Held | None = None

    def ready(self, partition: int, span: Span, wait_s: float, then: tuple[int, Span] | None = None) -> bool:
        """Whether `take` can give a beginning of the span; reading it goes on in any case, and `then` behind it. Raises KafkaException when it has failed."""
        if self._holds(partition, span):
            return True
        self._held = None
        asked = self._asked
        if asked is None:
            asked = self._ask(partition, span)
        wait([asked.answer], wait_s)
        if not asked.answer.done():
            return False
        self._asked = None
        if (asked.partition, asked.span.start) != (partition, span.start) or asked.span.end > span.end:
            return self.ready(partition, span, 0, then)  # of a partition that has left, or of a span that is another one now
        self._held = _Held(partition, span.start, asked.answer.result())
        end = self._held.portion.end
        if span.start < end < span.end:
            self._ask(partition, Span(end, span.end))
        elif end == span.end and then is not None:
            self._ask(*then)
        return True

    def take(self, partition: int, span: Span, most: int) -> Portion:
        """`most` records of it; only when it is `ready`. One that ends where it starts: the archive does not answer."""
        held = self._held
        if held is None or not self._holds(partition, span):
            raise ValueError(f"nothing is read of partition {partition} from offset {span.start} on")
        (messages, end), first, last = held.portion, held.taken, held.taken + most
        if last >= len(messages.values):
            self._held = None
            return Portion(messages.between(first, len(messages.values)), end)
        cut = int(messages.offsets[last])
        self._held = _Held(partition, cut, held.portion, last)
        return Portion(messages.between(first, last), cut)

    def close(self) -> None:
        self._thread.shutdown()
        self._past.close()

    def _holds(self, partition: int, span: Span) -> bool:
        held = self._held
        return held is not None and (held.partition, held.start) == (partition, span.start) and held.portion.end <= span.end

    def _ask(self, partition: int, span: Span) -> _Asked:
        self._asked = _Asked(partition, span, self._thread.submit(self._past.read, partition, span, STRETCH))
        return self._asked
