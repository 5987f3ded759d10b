"""Usage that flows while something is broken: many customers, repeats of events, and the bills worked out beside it."""

import random
import sys
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from contracts.result import Invoice
from pipelines import clock
from pipelines.edits import Edit
from pipelines.progress import Progress
from pipelines.publishing import Publisher
from pipelines.testing import Stack
from pipelines.topology import CLOCK, CONTRACT_CHANGES, USAGE_EVENTS
from pipelines.warehouse import reads
from pipelines.warehouse.client import connect
from schemas.codec import Codec
from taximeter.demo.papers import papers
from taximeter.outbox import Outbox
from tests.e2e.recompute import bills

CUSTOMERS = 24
A_SECOND = 200
SLICE_S = 0.25
REPEATED = 0.05
START_MS = 1_759_276_800_000
"""2025-10-01T00:00:00Z."""
MONTH_MS = 31 * 86_400_000
GRACE_MS = 5 * 86_400_000
PATIENCE_S = 420.0
LOOK_S = 0.2
KEPT = "SELECT count(DISTINCT transaction_id) FROM usage_events WHERE startsWith(transaction_id, {name:String})"


class Sent(NamedTuple):
    """A usage event as it was sent."""

    transaction_id: str
    customer: str
    event_type: str
    timestamp_ms: int
    properties: dict[str, str]


class Flow:
    """Sends events on a thread of its own from `start` to `stop`. Another seed gives other events."""

    def __init__(self, stack: Stack, seed: int) -> None:
        print(f"seed {seed}")
        self._dice = random.Random(seed)
        self.name = f"flow-{seed}"
        self._settings = stack.settings
        self._kafka = str(self._settings.kafka)
        self._codec = Codec.at(None)
        self.customers = [f"{self.name}-{number}" for number in range(CUSTOMERS)]
        self.sent: list[Sent] = []
        """With repeats, in the order of sending."""
        self._again: list[Sent] = []
        self._burst = 0
        self._outbox = Outbox(self._kafka, self._codec)
        self._progress = Progress(self._kafka)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)

    def start(self) -> None:
        """Publish the documents of all customers and begin to send."""
        story = papers()
        contracts = [msgspec.structs.replace(story.contract, id=f"{name}-2025", customer=name, catalogue=self.name, clock=self.name) for name in self.customers]
        publisher = Publisher(self._kafka, self._codec)
        moved = clock.move(self._outbox.producer, self._codec, self.name, START_MS, publisher.partitions)
        self._progress.sent(CLOCK.name, moved)
        times = {clock.WALL: time.time_ns() // 1_000_000, self.name: START_MS}
        published = publisher.publish(Edit([msgspec.structs.replace(story.catalogue, id=self.name)], contracts, "test", times))
        publisher.close()
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending, and return when the warehouse shows the effect of everything that was sent. Raises StalledError, KafkaException."""
        self._stop.set()
        self._thread.join()
        self._progress.sent(USAGE_EVENTS.name, self._outbox.flush())
        self._progress.shown(PATIENCE_S)
        self._progress.close()

    def repeat(self, events: list[Sent]) -> None:
        """Send these once more, in this order, with the next ones."""
        self._again = events

    def burst(self, events: int) -> None:
        """Send so many more at once, with the next ones."""
        self._burst = events

    def move_clock(self, now_ms: int) -> None:
        """Tick the customers' clock; an earlier time than it has changes nothing. Not beside another call of it. Raises KafkaException."""
        outbox = Outbox(self._kafka, self._codec)
        self._progress.sent(CLOCK.name, clock.move(outbox.producer, self._codec, self.name, now_ms, self._settings.partitions))

    def finish(self) -> None:
        """After `stop`: let the month and its grace pass, and return when the warehouse shows it. Raises StalledError, KafkaException."""
        self._progress = Progress(self._kafka)
        self.move_clock(START_MS + MONTH_MS + GRACE_MS)
        self._progress.shown(PATIENCE_S)
        self._progress.close()

    def _run(self) -> None:
        while not self._stop.wait(SLICE_S):
            again, self._again = self._again, []
            for event in again:
                self._send(event)
            burst, self._burst = self._burst, 0
            for _ in range(int(A_SECOND * SLICE_S) + burst):
                event = self._dice.choice(self.sent) if self.sent and self._dice.random() < REPEATED else self._fresh()
                self._send(event)

    def _send(self, event: Sent) -> None:
        self.sent.append(event)
        while True:
            try:
                self._outbox.send(*event[:4], event.timestamp_ms + 50, event.properties)
            except SystemError as error:
                # The client says so when another producer of the process, a zombie, is done for meanwhile (confluent-kafka 2.16), and has not taken the
                # event: three of a round, looked up on the log. Who is told an error sends again; had it been taken, it would count once.
                print(f"the Kafka client said: {error}", file=sys.stderr, flush=True)
            else:
                return

    def _fresh(self) -> Sent:
        dice = self._dice
        event_type, properties = dice.choice(
            (
                ("api_call", {"calls": str(dice.randrange(1, 5_000))}),
                ("completion", {"model": dice.choice("abc"), "tokens": str(dice.randrange(1, 3_000_000))}),
                ("image", {"images": str(dice.randrange(1, 40))}),
                ("nobody-counts-this", {"calls": "7"}),
            )
        )
        return Sent(f"{self.name}-{len(self.sent):06d}", dice.choice(self.customers), event_type, START_MS + dice.randrange(MONTH_MS), properties)

    # What must be, and what is

    def expected(self) -> dict[str, Decimal]:
        """Total by customer, worked out without our code."""
        return bills((event.transaction_id, event.customer, event.event_type, event.properties) for event in self.sent)

    def statuses(self) -> set[str]:
        """Of the usage invoices of the month."""
        client = connect(self._settings)
        try:
            return {
                invoice.status
                for name in self.customers
                for invoice in reads.invoices_of(client, name)
                if invoice.kind == "usage" and invoice.starting_ms == START_MS
            }
        finally:
            client.close()

    def billed(self) -> dict[str, Decimal]:
        """Total by customer as the warehouse has it."""
        client = connect(self._settings)
        try:
            found: dict[str, list[Invoice]] = {name: list(reads.invoices_of(client, name)) for name in self.customers}
        finally:
            client.close()
        return {name: sum((invoice.total for invoice in invoices if invoice.kind == "usage"), Decimal(0)) for name, invoices in found.items()}

    def alarms(self) -> Counter[str]:
        """How often each customer's threshold has fired."""
        client = connect(self._settings)
        try:
            return Counter(alert.customer for name in self.customers for alert in reads.alerts(client, customer=name) if alert.state == "in_alarm")
        finally:
            client.close()

    def kept(self) -> int:
        """Raw events in the warehouse, each id once: all that were sent, or those that are there when waiting has had no end."""
        sent = len({event.transaction_id for event in self.sent})
        deadline = time.monotonic() + PATIENCE_S  # they come by a lane of their own, which nothing else waits for
        while (found := int(self._ask(KEPT))) < sent and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return found

    def _ask(self, sql: str) -> Any:
        client = connect(self._settings)
        try:
            return client.query(sql, parameters={"name": self.name}).result_rows[0][0]
        finally:
            client.close()
