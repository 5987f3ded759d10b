"""Products that appear are metered over what had arrived before: portion by portion between the batches, while live events go on.

Where a product begins to be metered is decided for each partition by the batch that first is, and written to the topic `backfills` in the
transaction of that batch; so is every portion that is filled, together with its usage. Whoever reads a partition next, after a crash or on another
worker, goes on from there: the boundary is the same, and no portion counts twice.

Past events are gathered in slices, which live events wait for, and counted many slices at a time: RATE is told one delta of a customer and window,
however many events it is of.

The definition that fills a gap is that of the moment: a changed definition of a product that is metered already is for a replay, not for a backfill.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pipelines.metering import coverage
from pipelines.metering.batch import Metering, Outcome
from pipelines.metering.coverage import Coverage, Span, Work
from pipelines.metering.dedup import Entries
from pipelines.metering.id_log import Log, covered
from pipelines.metering.past import Past
from pipelines.metering.reading import filled, read, visible
from pipelines.metering.rereading import Rereading
from pipelines.topology import BACKFILLS

log = logging.getLogger("taximeter.meter")

Changes = Mapping[tuple[int, str], Coverage]
"""Coverage by partition and catalogue, as it will be when a transaction is committed."""


class Task(NamedTuple):
    """What is to be committed: the outcome, the offsets to commit with it, and what is covered then."""

    outcome: Outcome
    ends: Mapping[int, int]
    changes: Changes
    asked: int = 0
    """The newest question that it answers."""


class Gathered(NamedTuple):
    """Slices that are in the engine and not counted yet."""

    partition: int
    work: Work
    end: int
    """Offset behind them."""
    events: int


class Backfill:
    """What the partitions of this worker are metered for. Not thread safe."""

    def __init__(self, logs: Sequence[Log], metering: Metering, past: Past, whole: int) -> None:
        """`logs`: of what was accepted; `whole`: about so many events are counted together, in one transaction."""
        self._logs = logs
        self._bootstrap, self._codec = logs[0].bootstrap, logs[0].codec
        self._metering = metering
        self._whole = whole
        self._past = Rereading(past)
        self._known: dict[int, dict[str, Coverage]] = {}
        self._lacking: list[tuple[int, Work]] | None = None
        """`_works`, until what is known changes."""
        self._positions: dict[int, int] = {}
        """Offset behind what is metered and committed."""
        self._asked = 1
        """Grows when documents or partitions change and may ask for what is not covered."""
        self._answered = 0
        self._filling: float | None = None
        self._gathered: Gathered | None = None

    def load(self, committed: Mapping[int, int | None]) -> None:
        """Partitions come, with the group's offsets of them: what is covered is as their last owner has left it. Raises KafkaException."""
        known: dict[int, dict[str, Coverage]] = {partition: {} for partition in committed}
        written = filled(visible(self._bootstrap, BACKFILLS.name, committed))
        for batch in read(self._bootstrap, BACKFILLS.name, {partition: (start, None) for partition, (start, _) in written.items()}):
            for message in batch:
                value = self._codec.decode("backfill", message.value())
                known[message.partition()][value["catalogue"]] = coverage.from_wire(value)
        positions = {partition: offset or 0 for partition, offset in committed.items()}
        older = [partition for partition, offset in positions.items() if offset and not known[partition]]
        logged = covered(self._logs, older)
        for partition in older:
            if partition not in logged:
                log.warning("partition %d was metered before coverage was written: what is metered now counts as metered from the beginning", partition)
                # Version 0 is none, so the next batch writes it.
                known[partition] = {name: coverage.follow(None, 0, products, 0) for name, (_, products) in self._metering.meters().items()}
        self._known |= known
        self._positions |= positions
        self._lacking = None
        self._asked += 1

    def keep(self, partitions: Collection[int]) -> None:
        """Only these are still ours."""
        for gone in self._known.keys() - set(partitions):
            del self._known[gone], self._positions[gone]
            self._lacking = None

    def quiet(self, ends: Mapping[int, int]) -> dict[int, int]:
        """Offsets behind what is metered, of the partitions that are not among `ends`."""
        return {partition: at for partition, at in self._positions.items() if partition not in ends}

    def follow(self) -> None:
        """The documents have changed."""
        self._asked += 1

    @property
    def waits(self) -> bool:
        """There is something to do, whether events come or not."""
        return self._asked > self._answered or self._next() is not None

    @property
    def missing(self) -> int:
        """Offsets that are still to be read."""
        return sum(coverage.missing(known) for known in self._known.values())

    def beside(self, outcome: Outcome, ends: Mapping[int, int]) -> Task:
        """The same with what must be in its transaction: from where on the products that are new are metered. Nothing may be under way."""
        changes = self._begun() if self._asked > self._answered else {}
        if not changes:
            self._answered = self._asked
            return Task(outcome, ends, {})
        outcome = outcome._replace(coverage=self._records(changes))
        return Task(outcome, {partition: self._positions[partition] for partition, _ in changes} | dict(ends), changes, self._asked)

    @property
    def due(self) -> bool:
        """There is something to commit; whether that is `turn` to tell."""
        found = self._present()
        return self._asked > self._answered or (found is not None and self._complete(found))

    def ready(self, wait_s: float) -> bool:
        """Whether `gather` has something to take; what it takes next is read meanwhile. Raises KafkaException."""
        found = self._next_slice()
        if found is None:
            return False
        then = next(((partition, work.span) for partition, work in self._works() if partition != found[0]), None)
        return self._past.ready(*found, wait_s, then)

    def gather(self, most: int) -> int:
        """Take a slice of what is missing, of `most` events at most, when it is `ready`; how many it had."""
        found = self._next_slice()
        if found is None:
            return 0
        partition, span = found
        portion = self._past.take(partition, span, most)
        if portion.end == span.start:
            return 0  # it is in the archive, which does not answer
        if self._filling is None:
            self._filling = time.monotonic()
            log.info("backfill: %d offsets are to be read for products that are new", self.missing)
        gathered, count = self._present(), len(portion.messages.values)
        if gathered is None:
            self._metering.forget()
        if count:
            self._metering.gather(portion.messages)
        events = count if gathered is None else gathered.events + count
        work = coverage.work(self._known[partition])
        self._gathered = None if work is None else Gathered(partition, work, portion.end, events)
        return count

    def turn(self) -> Task | None:
        """What is `due`; none: nothing is. Nothing may be under way. Raises KafkaException."""
        nothing = Outcome([], [], Entries([], []), 0, 0, 0, {})
        task = self.beside(nothing, {})
        if task.changes:
            return task
        found = self._present()
        if found is None or not self._complete(found):
            return None
        self._gathered = None
        metered = self._metering.filled(found.work.wanted) if found.events else []
        done = coverage.filled(self._known[found.partition], Work(Span(found.work.span.start, found.end), found.work.wanted))
        changes = {(found.partition, name): each for name, each in done.items()}
        outcome = nothing._replace(metered=metered, coverage=self._records(changes), backfilled=found.events)
        return Task(outcome, {found.partition: self._positions[found.partition]}, changes)

    def _next_slice(self) -> tuple[int, Span] | None:
        found, gathered = self._next(), self._present()
        if found is None:
            return None
        partition, work = found
        return partition, work.span if gathered is None else Span(gathered.end, work.span.end)

    def _present(self) -> Gathered | None:
        """What is gathered, while it is the beginning of what is missing first; when it is not any more it is let go, and read again."""
        gathered = self._gathered
        if gathered is not None:
            found = self._next()
            begun = found is not None and found[0] == gathered.partition and _begins(gathered, found[1])
            self._gathered = gathered._replace(work=found[1]) if found is not None and begun else None
        return self._gathered

    def committed(self, task: Task) -> None:
        """Its transaction is on the log."""
        for partition, end in task.ends.items():
            if partition in self._positions:
                self._positions[partition] = end
        self._answered = max(self._answered, task.asked)
        for (partition, name), each in task.changes.items():
            if partition in self._known:
                self._known[partition][name] = each
                self._lacking = None
        if self._filling is not None and self._next() is None:
            log.info("backfill: nothing is missing any more, after %.1f s", time.monotonic() - self._filling)
            self._filling = None

    def close(self) -> None:
        self._past.close()

    def _complete(self, gathered: Gathered) -> bool:
        return gathered.events >= self._whole or gathered.end == gathered.work.span.end

    def _begun(self) -> Changes:
        meters = self._metering.meters()
        changes = {}
        for partition, position in self._positions.items():
            known = self._known[partition]
            for name, (version, products) in meters.items():
                each = coverage.follow(known.get(name), version, products, position)
                if each != known.get(name):
                    changes[partition, name] = each
        return changes

    def _next(self) -> tuple[int, Work] | None:
        return next(iter(self._works()), None)

    def _works(self) -> list[tuple[int, Work]]:
        """What is missing first in each partition that lacks something."""
        if self._lacking is None:
            found = ((partition, coverage.work(known)) for partition, known in sorted(self._known.items()))
            self._lacking = [(partition, work) for partition, work in found if work is not None]
        return self._lacking

    def _records(self, changes: Changes) -> list[tuple[int, bytes, bytes]]:
        encode = self._codec.encode
        return [(partition, name.encode(), encode("backfill", coverage.to_wire(name, each))) for (partition, name), each in changes.items()]


def _begins(gathered: Gathered, work: Work) -> bool:
    """Whether it is of the same products from the same offset on, and not of more than they lack."""
    return (gathered.work.wanted, gathered.work.span.start) == (work.wanted, work.span.start) and gathered.end <= work.span.end
