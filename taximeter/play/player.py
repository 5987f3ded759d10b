"""A case through the running pipeline, and its results as they come back from the warehouse.

What is recorded goes to the topics in the order of recording. Between documents and usage the pipeline is waited for, because
only records of one partition have an order; what waits is by offsets, so it takes as long as it takes and no longer.
"""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from contracts.case import Action, Case, Edit, UsageEvent, contracts_of, events
from contracts.offline import Look, beginning_ms, period_start_ms, steps
from contracts.rendering import ordered
from contracts.result import Reject, Result
from pipelines import clock
from pipelines.clock import WALL
from pipelines.edits import Edit as Together
from pipelines.progress import Progress
from pipelines.publishing import Publisher
from pipelines.topology import CLOCK, CONTRACT_CHANGES, USAGE_EVENTS
from pipelines.warehouse import reads
from schemas.codec import Codec
from taximeter.outbox import Outbox
from taximeter.play.disguise import Disguise

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from taximeter.deployment import Deployment

AUTHOR: Final = "taximeter play"
PATIENCE_S: Final = 60.0


class Lines(NamedTuple):
    """Connections to one stack."""

    kafka: str
    codec: Codec
    publisher: Publisher
    outbox: Outbox
    warehouse: "Client"


class Player:
    """Plays any number of cases, one after the other. Not thread safe; several players share a stack. Close it at the end."""

    def __init__(self, stack: "Deployment") -> None:
        kafka, codec = stack.kafka, stack.codec
        self._lines = Lines(kafka, codec, Publisher(kafka, codec), Outbox(kafka, codec), stack.warehouse())

    def play(self, case: Case) -> list[Result]:
        """The result at each reading of a checked case, under its own names.

        Invoices and lines keep the ids under which the warehouse has them. Raises StalledError, KafkaException, clickhouse-connect's errors.
        """
        progress = Progress(self._lines.kafka)
        try:
            return _Performance(self._lines, case, progress).run()
        finally:
            progress.close()

    def close(self) -> None:
        self._lines.publisher.close()
        self._lines.warehouse.close()


class _Performance:
    """One case under fresh names."""

    def __init__(self, lines: Lines, case: Case, progress: Progress) -> None:
        self._lines = lines
        self._case = case
        self._progress = progress
        self._names = Disguise(f"play-{uuid.uuid4().hex[:12]}")
        self._partitions = lines.publisher.partitions
        self._partition = uuid.uuid4().int % self._partitions
        """Of usage-events: all events of the case go there, so they keep their order."""

    def run(self) -> list[Result]:
        start_ms = beginning_ms(self._case)
        contracts = [self._names.contract(each) for each in self._case.contracts]
        self._publish(Together([self._names.catalogue(self._case.catalogue)], contracts, AUTHOR, self._times(start_ms)))
        results: dict[int, Result] = {}
        for at_ms, what in steps(self._case):
            if isinstance(what, Look):
                results[what.number] = self._look(at_ms)
            elif isinstance(what, Edit):
                self._edit(what, at_ms)
            elif isinstance(what, Action):
                self._act(what, at_ms)
            else:
                self._send(what)
        return [result for _, result in sorted(results.items())]

    def _times(self, now_ms: int) -> dict[str, int]:
        return {WALL: now_ms, self._names.clock: now_ms}

    def _edit(self, edit: Edit, at_ms: int) -> None:
        catalogues = [] if edit.catalogue is None else [self._names.catalogue(edit.catalogue)]
        contracts = [] if edit.contract is None else [self._names.contract(edit.contract)]
        self._publish(Together(catalogues, contracts, AUTHOR, self._times(at_ms)))

    def _publish(self, edit: Together) -> None:
        self._progress.rated(PATIENCE_S)
        self._progress.sent(CONTRACT_CHANGES.name, self._lines.publisher.publish(edit).offsets)
        self._progress.rated(PATIENCE_S)

    def _act(self, action: Action, at_ms: int) -> None:
        self._progress.rated(PATIENCE_S)
        starting_ms = period_start_ms(action, contracts_of(self._case))
        published = self._lines.publisher.act(action.name, self._names.name(action.target.contract), starting_ms, at_ms, AUTHOR)
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._progress.rated(PATIENCE_S)

    def _send(self, run: Iterable[UsageEvent]) -> None:
        outbox = self._lines.outbox
        for event in run:
            outbox.send(*self._names.event(event, self._partition, self._partitions))
        self._progress.sent(USAGE_EVENTS.name, outbox.flush())

    def _look(self, at_ms: int) -> Result:
        self._progress.rated(PATIENCE_S)
        behind = clock.move(self._lines.outbox.producer, self._lines.codec, self._names.clock, at_ms, self._partitions)
        self._progress.sent(CLOCK.name, behind)
        self._progress.shown(PATIENCE_S)
        return self._read()

    def _read(self) -> Result:
        """Everything that the warehouse shows of the case, under the real names."""
        names, client = self._names, self._lines.warehouse
        owners = sorted({names.name(contract.customer) for contract in contracts_of(self._case)})
        senders = sorted({names.name(event.customer) for event in events(self._case)})
        invoices = (invoice for owner in owners for invoice in reads.invoices_of(client, owner))
        balances = (balance for owner in owners for balance in reads.balances_of(client, owner))
        alerts = (alert for owner in owners for alert in reads.alerts(client, customer=owner))
        rejected = (reject for sender in senders for reject in reads.rejected_events(client, customer=sender))
        return ordered(
            Result(
                tuple(each._replace(customer=names.real(each.customer), contract=names.real(each.contract)) for each in invoices),
                tuple(each._replace(customer=names.real(each.customer), contract=names.real(each.contract)) for each in balances),
                tuple(each._replace(customer=names.real(each.customer), contract=names.real(each.contract)) for each in alerts),
                tuple(Reject(names.real_transaction(each.transaction_id or ""), each.reason) for each in rejected),
            )
        )
