"""Counts the past: reads a stretch of what was accepted, slice by slice, and tells what it comes to for products that lack it."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from contracts.errors import TaximeterError
from pipelines.document_log import Documents
from pipelines.metering.batch import Metering
from pipelines.metering.coverage import Span
from pipelines.metering.past import Past
from pipelines.metering.rereading import Rereading

WAIT_S: Final = 0.05
"""A slice waits so long at most until some of it is read."""


class UnreadableError(TaximeterError):
    """The past can not be counted now; another try may."""


class Stand(NamedTuple):
    """The documents under which is counted."""

    steps: int
    """Of all generations."""
    versions: dict[str, int]
    """Of the catalogues."""

    @classmethod
    def of(cls, documents: Documents) -> "Stand":
        return cls(documents.generations.changes, {name: each.version for name, each in documents.catalogues.items()})


class Slice(NamedTuple):
    """What was gathered at a time."""

    end: int
    """Offset behind it."""
    events: int = 0
    """That were accepted once."""
    concerned: int = 0
    """Of these, what may be of the products that are asked about."""


class Counter:
    """One stretch at a time. Not thread safe. Raises KafkaException, RegistryError, CodecError, UnreadableError: another try may mend all of them."""

    def __init__(self, metering: Metering, past: Past, documents: Callable[[Mapping[int, int]], Documents]) -> None:
        """`metering`: nobody else's; `documents`: as they are when everything before these offsets of contract-changes is in, by partition."""
        self._metering = metering
        self._past = Rereading(past)
        self._documents = documents
        self._changes = -1
        self._wanted: AbstractSet[tuple[str, str]] = frozenset()

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
        """Let go of what is gathered, and know the documents up to there at least; from now on it is for these products (catalogue, product)."""
        documents = self._documents(behind)
        if documents.changes != self._changes:
            self._metering.prepare(documents)
            self._changes = documents.changes
        self._metering.forget()
        self._wanted = wanted
        return Stand.of(documents)

    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
        """A slice of `span`, of `most` events at most. None yet, when it ends where it starts.

        What follows is read meanwhile, also of `then`.
        """
        if not self._past.ready(partition, span, WAIT_S, then):
            return Slice(span.start)
        portion = self._past.take(partition, span, most)
        if portion.end == span.start:
            raise UnreadableError("Kafka has let it go, and the warehouse does not answer")
        return Slice(portion.end, len(portion.messages.values), self._metering.gather(portion.messages, self._wanted))

    def count(self) -> list[tuple[int, bytes]]:
        """What is gathered: records of metered-usage by partition."""
        return self._metering.filled(self._wanted)

    def close(self) -> None:
        self._past.close()
