"""The pure part of RATE: the records of one partition, applied in order, become rows to write and results to publish.

Inputs wait in line (`documents`, `metered`, `tick`); `work` applies a bounded part of them; `take` gives what must be written, as one write, and
what may be published after it. Rows, position and the outbox are in the same write, so at every moment the table holds the state after
some prefix of what was applied: after a crash the records behind the position are applied again, to a state that has not seen them,
and what the outbox still names is published again. Nothing counts twice and no result is lost, whatever the sources' interleaving.

Order: contract-changes and metered-usage are applied as they arrive, but a metered record that METER made with knowledge of a document waits until
the document is applied. A tick is applied when whoever drives the step knows that all usage that arrived before it is (`mark`, `release`):
else an invoice could become final without usage that came in time.

What is applied where: `changes` (contracts, moves), `catalogues` and `sweeps`, `turns` and `beside` (generations), `usage` and `routes`, `clocks`;
`memory` has the accounts that they touch, `results` what comes of it.
"""

import logging
import math
from itertools import islice, takewhile
from typing import Final

from contracts.errors import TaximeterError
from pipelines.rating import keys, rows
from pipelines.rating.beside import LAST, Beside
from pipelines.rating.catalogues import Catalogues
from pipelines.rating.cells import Cells, Rows
from pipelines.rating.changes import Changes, Place
from pipelines.rating.clocks import Clocks
from pipelines.rating.inputs import Input
from pipelines.rating.memory import ROOM, Accounts
from pipelines.rating.results import Results, Write
from pipelines.rating.routes import Routes
from pipelines.rating.rows import Position
from pipelines.rating.sweeps import Sweeps
from pipelines.rating.turns import Turns
from pipelines.rating.usage import TOGETHER, Usage, compact
from pipelines.replay.generations import KIND as REPLAY
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METERED_USAGE

__all__ = ["Input", "Partition", "Write"]

log = logging.getLogger("taximeter.rate")

WRITE_BYTES: Final = 1_000_000
"""A write ends when about so much has changed: what one Kafka request carries well."""
LITTLE: Final = 2_000
"""Deltas."""
WRITE_ACCOUNTS: Final = 64
"""And when so many accounts are touched: their results are worked out before anything is published, so more would be felt as delay."""


class Partition:
    """State machine of one partition. Not thread safe."""

    def __init__(self, number: int, partitions: int, table: Rows, claim: int, room: int = ROOM) -> None:
        """`claim`: higher than that of every earlier owner of the partition. It is the upper half of every revision. `room`: bytes of memory for accounts, about."""
        self.number = number
        self._cells = cells = Cells(table)
        stored = table.get(keys.POSITION)
        self._position = rows.decode_position(stored) if stored else Position()
        self._line: list[Input] = []
        self.documents = 0
        """Records of contract-changes in line."""
        self._deltas = 0
        """Of the records in line that are not begun."""
        self._awaited = False
        """Since the last write something was applied that somebody did, and looks at: a document, the time of a test clock."""
        self._settled: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._beside = Beside(cells, table)
        self._catalogues = Catalogues(cells, table)
        self._accounts = Accounts(cells, self._catalogues, self._beside, room)
        self._sweeps = Sweeps(cells, table, self._catalogues, self._accounts)
        self._turns = Turns(number, self._beside, self._accounts)
        self._clocks = Clocks(table, self._accounts, self._sweeps)
        self._results = Results(number, cells, self._position, self._accounts, self._catalogues, self._clocks, claim)
        routes = Routes(cells)
        self._usage = Usage(cells, self._position, self._accounts, routes, self._beside, self._results.send)
        self._changes = Changes(Place(number, partitions), cells, self._accounts, routes, self._sweeps, self._turns, self._clocks, self._results.send)
        self._results.resume(table)
        self.refused = 0
        """Records that could not be applied since the start."""

    def put(self, record: Input) -> None:
        """Stand in line. What is applied already is settled at once, after what is under way."""
        if record.topic == CLOCK.name:
            self._clocks.put(record)
        elif record.offset < self.applied(record.topic):
            self._settle(record.topic, record.offset + 1)
        elif record.topic == METERED_USAGE.name:
            self._line.append(compact(record))
            self._deltas += len(record.value["deltas"])
        else:
            self._line.append(record)
            self.documents += 1

    def mark(self) -> int | None:
        """The last tick that waits; none: no tick does."""
        return self._clocks.mark()

    def release(self, mark: int) -> None:
        """All usage that arrived before the tick `mark` is applied: the ticks up to it can be."""
        self._clocks.release(mark)

    def applied(self, topic: str) -> int:
        """Offset behind the last record of a topic that is applied as a whole."""
        return self._position.applied.get(topic, 0)

    @property
    def busy(self) -> bool:
        """There is something that `work` can do, or that `take` has to give."""
        return bool(
            self._accounts.touched
            or self._clocks.running
            or self._sweeps
            or self._beside.working
            or self._cells.weight
            or self._settleable()
            or self._next() is not None
        )

    @property
    def begun(self) -> bool:
        """What was begun is not done: more than one turn takes."""
        return bool(self._accounts.touched or self._clocks.running or self._sweeps or self._beside.working or self._usage.closed)

    @property
    def waiting(self) -> int:
        """Records in line."""
        return len(self._line)

    @property
    def hungry(self) -> bool:
        """More usage in line could be applied together with what stands there."""
        return self._unapplied < TOGETHER

    @property
    def light(self) -> bool:
        """Little usage stands in line."""
        return self._unapplied < LITTLE

    @property
    def _unapplied(self) -> float:
        """Deltas with which what comes next could be applied; of records that can be joined by no more, any number."""
        return math.inf if self._usage.closed else self._deltas + self._usage.deltas

    def work(self, *, watched: bool = False) -> bool:
        """Apply a bounded part of what waits; of usage what is of `watched` accounts alone, if the rest may be left: it is little, and nothing else needs
        it to be applied. Whether it may be comes back."""
        watched = watched and self.light and not self.documents and not self.begun
        while not self._full():
            place = self._next()
            if place is None:
                break
            record = self._line[place]
            if record.topic == METERED_USAGE.name:
                if not self._metered(place, watched):
                    break
            else:
                self._awaited = True
                self._document(record)
                del self._line[place]
                self.documents -= 1
                self._done(record)
        self._awaited = self._awaited or self._clocks.moved or bool(self._sweeps) or self._beside.working is not None
        for offset in self._clocks.run(self._full):
            self._settle(CLOCK.name, offset + 1)
        self._sweeps.run(self._full)
        self._turns.run(lambda: self._full(LAST))
        return watched

    def take(self) -> Write | None:
        """What the work since the last call has changed; none: nothing. The caller writes it before the next `work`."""
        write = self._results.write()
        settled = self._settleable()
        if write is None and not settled:
            return None
        self._reported |= settled
        awaited, self._awaited = self._awaited, False
        return (write or Write({}, [], [], [], [], None, {}))._replace(settled=settled, awaited=awaited)

    def published(self, outbox: bytes) -> None:
        """Everything of that write is on the topics."""
        self._results.published(outbox)

    @property
    def leftovers(self) -> bool:
        """Outbox rows wait to be deleted with the next write."""
        return self._results.leftovers

    def tidy(self) -> dict[bytes, bytes | None]:
        """Rows to delete when there is nothing else to write."""
        return self._results.tidy()

    def _full(self, more: int = 0) -> bool:
        return self._accounts.outdated or self._cells.weight >= WRITE_BYTES or len(self._accounts.touched) >= WRITE_ACCOUNTS + more

    def _next(self) -> int | None:
        """Place in line of the next record that can be applied."""
        if not self._line:
            return None
        held_back = documents_wait = False
        for place, record in enumerate(self._line):
            if record.topic == CONTRACT_CHANGES.name:
                documents_wait = documents_wait or self._early(record)
                if not documents_wait:
                    return place
                continue
            if not held_back:
                if self._usage.under_way or (record.value["documents"] <= self.applied(CONTRACT_CHANGES.name) and self._understood(record)):
                    return place
                held_back = True
        return None

    def _early(self, record: Input) -> bool:
        """A step of a generation that must wait."""
        return record.value["kind"] == REPLAY and self._turns.early(record.value, self.applied(METERED_USAGE.name))

    def _understood(self, record: Input) -> bool:
        """A transfer comes from a partition that may have known a catalogue earlier than this one."""
        return not record.transfer or all(each.catalogue in self._catalogues for each in record.value["deltas"])

    def _metered(self, place: int, watched: bool) -> bool:
        """Go on with the metered usage from there on; whether records of it are done."""
        if not self._usage.closed:
            standing = place + self._usage.records
            begun = self._usage.take_in(takewhile(lambda each: each.topic == METERED_USAGE.name, islice(self._line, standing, None)))
            self._deltas -= sum(len(each.value["deltas"]) for each in self._line[standing : standing + len(begun)])
            self._line[standing : standing + len(begun)] = begun
        # What cannot be taken in may be awaited as well, and stands behind.
        applied = self._usage.apply(self._full, watched=watched and not self._deltas)
        if applied:
            del self._line[place : place + len(applied)]
            self._done(applied[-1])
        return bool(applied)

    def _document(self, record: Input) -> None:
        try:
            self._changes.apply(record)
        except TaximeterError as error:
            self.refused += 1
            kind, name = record.value["kind"], record.value["id"]
            log.error("%s %s (offset %d of %s[%d]) is not applied: %s", kind, name, record.offset, record.topic, self.number, error)  # noqa: TRY400

    def _done(self, record: Input) -> None:
        """A record is applied as a whole, and all of its topic before it."""
        self._position.applied[record.topic] = record.offset + 1
        self._settle(record.topic, record.offset + 1)

    def _settle(self, topic: str, offset: int) -> None:
        self._settled[topic] = max(self._settled.get(topic, 0), offset)

    def _settleable(self) -> dict[str, int]:
        """What is done by topic; a catalogue is when every account knows it."""
        running = self._sweeps.offsets
        if self._beside.working is not None:
            running.append(self._beside.working.offset)
        found = dict(self._settled)
        for topic, offsets in ((CONTRACT_CHANGES.name, running), (CLOCK.name, self._clocks.offsets)):
            if offsets and topic in found:
                found[topic] = min(found[topic], *offsets)
        return {topic: offset for topic, offset in found.items() if offset > self._reported.get(topic, -1)}
