"""Products that appear are metered over what had arrived before: portion by portion beside live events, which go on.

Where a product begins to be metered is decided for each partition by the batch that first is, and written to the topic `backfills` in the
transaction of that batch; so is every portion that is filled, together with its usage. Whoever reads a partition next, after a crash or on another
worker, goes on from there: the boundary is the same, and no portion counts twice.

Past events are counted by another process (`filling.py`). Here is which, and what is to be committed of it; the next portion is begun
before the transaction of the one before has ended, and thrown away when that fails.

The definition that fills a gap is that of the moment: a changed definition of a product that is metered already is for a replay, not for a backfill.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pipelines.document_log import Documents
from pipelines.metering import coverage
from pipelines.metering.batch import Metering, Outcome
from pipelines.metering.counter import Stand
from pipelines.metering.coverage import Coverage, Work
from pipelines.metering.dedup import Entries
from pipelines.metering.filling import Counted, Filling, Job
from pipelines.metering.id_log import Log, covered
from pipelines.metering.reading import filled, read, visible
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


class Backfill:
    """What the partitions of this worker are metered for. Not thread safe."""

    def __init__(self, logs: Sequence[Log], metering: Metering, filling: Filling) -> None:
        """`logs`: of what was accepted; `metering`: that of live events."""
        self._logs = logs
        self._bootstrap, self._codec = logs[0].bootstrap, logs[0].codec
        self._metering = metering
        self._filling = filling
        self._known: dict[int, dict[str, Coverage]] = {}
        self._lacking: list[tuple[int, Work]] | None = None
        """`_works`, until what is known changes."""
        self._positions: dict[int, int] = {}
        """Offset behind what is metered and committed."""
        self._asked = 1
        """Grows when documents or partitions change and may ask for what is not covered."""
        self._answered = 0
        self._pending: Changes = {}
        """What `turn` gave, while its transaction is under way."""
        self._since: float | None = None
        """When filling began."""

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
        """There may be something to commit, which `turn` tells."""
        return self._asked > self._answered or self._filling.done

    def go_on(self, documents: Documents) -> None:
        """Have counted what is missing next, and nothing else. Does not wait."""
        job, found = self._filling.job, self._next()
        if job is not None:
            if not self._fits(job):
                self._filling.drop()
        elif found is not None:
            if self._since is None:
                self._since = time.monotonic()
                log.info("backfill: %d offsets are to be read for products that are new", self.missing)
            then = next(((partition, work.span) for partition, work in self._works() if partition != found[0]), None)
            self._filling.begin(Job(*found), then, documents.behind)
        else:
            self._filling.rest()

    def turn(self) -> Task | None:
        """What is `due`; none: nothing is. Nothing may be under way."""
        nothing = Outcome([], [], Entries([], []), 0, 0, 0, {})
        task = self.beside(nothing, {})
        if task.changes:
            return task
        counted = self._filling.take() if self._filling.done else None
        if counted is None or not self._holds(counted):
            return None
        partition, work = counted.job
        done = coverage.filled(self._known[partition], work)
        self._pending = {(partition, name): each for name, each in done.items()}
        self._lacking = None
        outcome = nothing._replace(metered=counted.metered, coverage=self._records(self._pending), backfilled=counted.events)
        return Task(outcome, {partition: self._positions[partition]}, self._pending)

    def _fits(self, job: Job) -> bool:
        """Whether it is the beginning of what is missing first, for the same products, and not more than they lack."""
        found = self._next()
        if found is None or found[0] != job.partition:
            return False
        (span, wanted), lacking = job.work, found[1]
        return (lacking.wanted, lacking.span.start) == (wanted, span.start) and span.end <= lacking.span.end

    def _holds(self, counted: Counted) -> bool:
        """Whether it would come to the same now. Contracts only say who owns usage, and what METER knew of that goes along with it."""
        now = Stand.of(self._metering.documents)
        same = all(now.versions.get(name) == counted.stand.versions.get(name) for name, _ in counted.job.work.wanted)
        return same and now.steps == counted.stand.steps and self._fits(counted.job)

    def committed(self, task: Task) -> None:
        """Its transaction is on the log."""
        for partition, end in task.ends.items():
            if partition in self._positions:
                self._positions[partition] = end
        self._answered = max(self._answered, task.asked)
        self._pending = {}
        for (partition, name), each in task.changes.items():
            if partition in self._known:
                self._known[partition][name] = each
        self._lacking = None
        if self._since is not None and self._next() is None:
            log.info("backfill: nothing is missing any more, after %.1f s", time.monotonic() - self._since)
            self._since = None

    def failed(self) -> None:
        """The transaction of what was given out last was not committed."""
        self._pending, self._lacking = {}, None

    def close(self) -> None:
        self._filling.close()

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
        """What is missing first in each partition that lacks something, beyond what is given out."""
        if self._lacking is None:
            beyond = {partition: dict(known) for partition, known in self._known.items()}
            for (partition, name), each in self._pending.items():
                if partition in beyond:
                    beyond[partition][name] = each
            found = ((partition, coverage.work(known)) for partition, known in sorted(beyond.items()))
            self._lacking = [(partition, work) for partition, work in found if work is not None]
        return self._lacking

    def _records(self, changes: Changes) -> list[tuple[int, bytes, bytes]]:
        encode = self._codec.encode
        return [(partition, name.encode(), encode("backfill", coverage.to_wire(name, each))) for (partition, name), each in changes.items()]
