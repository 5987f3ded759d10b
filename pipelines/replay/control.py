"""Generations from outside: begun, followed, cut over, taken back, closed. Each step is one transaction on contract-changes.

ReplayError     the step cannot be done now; nothing was published
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import AdminClient

from contracts.errors import TaximeterError
from contracts.twins import Scope
from pipelines import offsets
from pipelines.clock import WALL, standings
from pipelines.deployment import Deployment
from pipelines.document_log import Documents
from pipelines.edits import Control
from pipelines.last import behind_last
from pipelines.progress import Progress
from pipelines.publishing import Draft, Published, Publisher
from pipelines.reach import reach
from pipelines.replay.coverage import Coverages, Metered
from pipelines.replay.generations import ID, Generation, Step, reserved
from pipelines.topology import BALANCES, CONTRACT_CHANGES, METERED_USAGE, RATE_GROUP, RATED_LINE_ITEMS, SINK_EVENTS_GROUP, SINK_GROUP, USAGE_EVENTS
from pipelines.warehouse import stills

IDS_A_RECORD: Final = 5_000
"""Of transaction ids that are left out: well under Kafka's limit of a megabyte."""
LOOK_S: Final = 0.3
SOON_S: Final = 0.02
SHOWN_S: Final = 300.0
STILL_S: Final = 30.0
"""So long SINK may take to answer the control record that asks for a still."""
MOVED: Final = """
SELECT count() FROM document_records AS m INNER JOIN (
  SELECT source_partition, max(source_offset) AS began FROM document_records WHERE kind = 'replay' AND id = {id:String} AND JSONExtractString(body, 'step') = 'begin' GROUP BY source_partition
) AS b ON b.source_partition = m.source_partition WHERE m.kind = 'move' AND m.source_offset > b.began"""

ARRIVED: Final = """
SELECT count(DISTINCT transaction_id) FROM usage_event_records WHERE startsWith(transaction_id, {start:String})
 AND (source_partition, source_offset) NOT IN (SELECT partition, offset FROM rejected_event_records WHERE topic = 'usage-events')"""


class ReplayError(TaximeterError):
    """A generation is not where it should be for this."""


class Began(NamedTuple):
    number: int
    offsets: Mapping[int, int]


class Replays:
    """The generations of a deployment. Not thread safe; close it at the end."""

    def __init__(self, stack: Deployment) -> None:
        self.stack = stack
        self._publisher = Publisher(stack.kafka, stack.codec)
        self._coverages: Coverages | None = None
        self.took_s = 0.0
        """Of the last step: seconds from its first record on the log until the warehouse showed the effect."""
        self._admin = AdminClient({**reach(stack.kafka), "log_level": 2})

    def close(self) -> None:
        self._publisher.close()
        if self._coverages is not None:
            self._coverages.close()

    def present(self) -> Documents:
        """The documents and generations as they are now."""
        return self._publisher.present()

    def current(self) -> Generation:
        """The generation that is open. Raises ReplayError."""
        found = self.present().generations.current
        if found is None:
            raise ReplayError("no generation is open: begin one with `taximeter replay run`")
        return found

    def begin(
        self,
        scope: Scope,
        *,
        note: str = "",
        author: str = "",
        left_out: Sequence[str] = (),
        added: int = 0,
        undoes: int | None = None,
        correction: bool = False,
        number: int | None = None,
        rate: int = 0,
    ) -> Began:
        """Begin a generation, `number` when it must be that one; of the past `rate` events a second at most (0: no bound). Raises ReplayError while another one is open."""
        chosen: list[int] = []

        def draft(present: Documents) -> Draft:
            known = present.generations
            if known.current is not None:
                raise ReplayError(f"generation {known.current.number} is open: cut it over and close it, or abort it (`taximeter replay status`)")
            if number is not None and known.next_number != number:
                raise ReplayError("another generation was begun meanwhile: nothing was done; try again")
            chosen[:] = [known.next_number]
            portions = [left_out[start : start + IDS_A_RECORD] for start in range(0, len(left_out), IDS_A_RECORD)]
            steps = [Step("more", chosen[0], left_out=list(portion)) for portion in portions]
            begin = Step(
                "begin",
                chosen[0],
                scope,
                corrections=known.in_force(),
                correction=correction,
                undoes=undoes,
                left_out_count=len(left_out),
                added_count=added,
                catalogues={name: present.catalogues[name].version for name in scope.products},
                note=note,
                rate=rate,
            )
            return Draft(controls=[_control(step, place, author) for place, step in enumerate([*steps, begin], start=1)])

        published = self._publisher.update(draft)
        return Began(chosen[0], published.offsets)

    @property
    def partitions(self) -> int:
        """Partitions of every customer-keyed topic."""
        return self._publisher.partitions

    @property
    def window_ms(self) -> int:
        return self.stack.settings.window_minutes * 60_000

    def ends(self) -> list[int]:
        """How many offsets each partition of usage-events has."""
        return list(offsets.ends(self._admin, [(USAGE_EVENTS.name, number) for number in self._partitions()]).values())

    def shown(self) -> None:
        """Return when the warehouse has everything that METER and RATE had written by the call. Raises StalledError."""
        through = Progress(self.stack.kafka, before=True)
        try:
            through.shown(SHOWN_S)
        finally:
            through.close()

    def progress(self, generation: Generation) -> Metered:
        """How far METER is with it. Raises KafkaException."""
        if self._coverages is None:
            self._coverages = Coverages(self.stack.kafka, self.stack.codec)
        return self._coverages.metered(generation.scope, generation.number)

    def wait(self, generation: Generation, tell: Callable[[Metered], None], timeout_s: float) -> Metered:
        """Return when all of the past is metered for it. Raises ReplayError."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.progress(generation)).complete:
            tell(found)
            if time.monotonic() > deadline:
                raise ReplayError(f"METER still has {found.missing} offsets to read for generation {generation.number}: it goes on; `taximeter replay status` tells")
            time.sleep(LOOK_S)
        tell(found)
        return found

    def step(self, what: str, author: str = "", number: int | None = None) -> Published:
        """`cutover`, `back`, `close` or `abort` the open generation; returns when the warehouse shows the effect. Raises ReplayError, StalledError."""
        allowed = {"cutover": ("open", "back"), "back": ("live",), "close": ("live",), "abort": ("open", "back")}[what]
        generation = self.current()
        if number not in (None, generation.number):
            raise ReplayError(f"generation {number} is not open; generation {generation.number} is")
        if generation.state not in allowed:
            raise ReplayError(f"generation {generation.number} is {_said(generation)}: {what} needs one that is {' or '.join(allowed)}")
        if what == "cutover":
            found = self.progress(generation)
            if not found.complete:
                raise ReplayError(f"generation {generation.number} is not complete: METER still has {found.missing} offsets to read in {found.partitions} partitions")
            self._check_definitions(generation)
        if what in ("cutover", "back"):
            self._check_moves(generation)
        if what == "cutover" and generation.added_count:
            self._check_events(generation)
        step = Step(what, generation.number, metered=behind_last(self.stack.kafka, METERED_USAGE.name), clocks=standings(self.stack.kafka, self.stack.codec))  # type: ignore[arg-type]

        def draft(present: Documents) -> Draft:
            now = present.generations.by_number[generation.number]
            if now.state not in allowed:
                raise ReplayError(f"generation {now.number} is {_said(now)} meanwhile: nothing was done")
            return Draft(controls=[_control(step, 1_000 + len(now.steps), author)])

        if what in ("cutover", "back"):
            self._applied(step.metered)
        with closing(self.stack.warehouse()) as client:
            began = time.monotonic()
            if what in ("cutover", "back"):
                with self._still(client, generation, author) as still:
                    published = self._publisher.update(draft)
                    self._followed(published.offsets, still.prolong)
            else:
                published = self._publisher.update(draft)
                self._followed(published.offsets)
                stills.forget(client)
        self.took_s = time.monotonic() - began
        return published

    def _applied(self, metered: Mapping[int, int]) -> None:
        """Return when RATE has applied usage so far, which it must before the step: nobody stands still for that."""
        committed = offsets.Committed(self.stack.kafka)
        try:
            self._until(committed, RATE_GROUP, {(METERED_USAGE.name, number): end for number, end in metered.items() if end}, lambda: None)
        finally:
            committed.close()

    @contextmanager
    def _still(self, client: Client, generation: Generation, author: str) -> Iterator[stills.Still]:
        """What readers see stands still until the end of the block, and changes at once then. Raises ReplayError when SINK does not answer."""
        asked = time.time_ns() // 1_000_000
        self._publisher.update(lambda _: Draft(controls=[_control(Step("still", generation.number), asked, author)]))
        still = stills.Still(client, generation.number, asked)
        deadline = time.monotonic() + STILL_S
        while not still.begun():
            if time.monotonic() > deadline:
                raise ReplayError("SINK has not answered: nothing was done; `taximeter status` shows whether it runs, and its log whether ClickHouse refuses")
            time.sleep(SOON_S)
        try:
            yield still
        finally:
            still.end()

    def _followed(self, offsets_told: Mapping[int, int], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return when RATE has done what it was told, and SINK has stored all that RATE had written by then: usage that goes on is not waited for."""
        committed = offsets.Committed(self.stack.kafka)
        try:
            self._until(committed, RATE_GROUP, {(CONTRACT_CHANGES.name, number): end for number, end in offsets_told.items()}, meanwhile)
            # RATE writes these without transactions, so there is nothing behind the last record.
            places = [(topic, number) for topic in (RATED_LINE_ITEMS.name, BALANCES.name) for number in self._partitions()]
            written = offsets.ends(self._admin, places)
            told = {(CONTRACT_CHANGES.name, number): end for number, end in offsets_told.items()}
            self._until(committed, SINK_GROUP, told | {place: end for place, end in written.items() if end}, meanwhile)
        finally:
            committed.close()

    def _until(self, committed: offsets.Committed, group: str, goal: Mapping[offsets.Place, int], meanwhile: Callable[[], None]) -> None:
        deadline = time.monotonic() + SHOWN_S
        while any(committed.of(group, goal)[place] < end for place, end in goal.items()):
            if time.monotonic() > deadline:
                raise ReplayError(f"{group} has not come through in {SHOWN_S:.0f} s: it goes on, and so does a step that is on the log; `taximeter status` shows whether it runs")
            meanwhile()
            time.sleep(SOON_S)

    def _check_moves(self, generation: Generation) -> None:
        with closing(self.stack.warehouse()) as client:
            moved = client.query(MOVED, parameters={"id": f"{ID}{generation.number}"}).result_rows[0][0]
        if moved:
            raise ReplayError(f"customer ids have moved to other families since generation {generation.number} was begun: abort or close it, and begin another one")

    def _check_definitions(self, generation: Generation) -> None:
        if generation.state != "open":
            return
        for name, version in generation.catalogues.items():
            now = self.present().catalogues[name].version
            if now != version:
                raise ReplayError(
                    f"catalogue {name} was changed since generation {generation.number} was begun (version {version}, now {now}): a part of the past is metered"
                    " under the earlier one; abort it and begin another one"
                )

    def _check_events(self, generation: Generation) -> None:
        with closing(self.stack.warehouse()) as client, closing(offsets.Committed(self.stack.kafka)) as committed:
            arrived = _arrived(client, generation)
            if arrived != generation.added_count:
                # Raw events come by a lane of their own, which may be behind that of the results.
                last = {(USAGE_EVENTS.name, number): end for number, end in behind_last(self.stack.kafka, USAGE_EVENTS.name).items() if end}
                self._until(committed, SINK_EVENTS_GROUP, last, lambda: None)
                arrived = _arrived(client, generation)
        if arrived != generation.added_count:
            missing = generation.added_count - arrived
            raise ReplayError(f"{missing} of {generation.added_count} events that generation {generation.number} brings do not count: `taximeter rejects` may tell why; abort it")

    def _partitions(self) -> list[int]:
        return sorted(self._admin.list_topics(USAGE_EVENTS.name, timeout=offsets.REQUEST_S).topics[USAGE_EVENTS.name].partitions)

def _control(step: Step, version: int, author: str) -> Control:
    return Control(f"{ID}{step.number}", version, msgspec.json.encode(step).decode(), time.time_ns() // 1_000_000, author, step.step != "more")


def _arrived(client: Client, generation: Generation) -> int:
    """How many of the events that it brings the warehouse has."""
    return int(client.query(ARRIVED, parameters={"start": reserved(generation.number)}).result_rows[0][0])


def _said(generation: Generation) -> str:
    return {"open": "being metered", "live": "billed", "back": "taken back"}.get(generation.state or "", str(generation.state))


__all__ = ["WALL", "Began", "ReplayError", "Replays"]
