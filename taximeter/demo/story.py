"""The scenes of the demo, on a stack that runs. What it says was read from the warehouse or measured here.

StoryError      the pipeline gave another bill than the story must have
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from contracts.errors import TaximeterError
from contracts.result import Alert, Invoice, Line
from pipelines import clock, offsets
from pipelines.edits import Edit
from pipelines.progress import Progress
from pipelines.publishing import Publisher
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METER_GROUP, USAGE_EVENTS
from pipelines.warehouse import reads
from taximeter.demo import probe
from taximeter.demo.month import DAY_MS, DAYS, EVENTS, START_MS, month
from taximeter.demo.papers import Papers, unit
from taximeter.demo.scenes import Bill, Flow, Grant, Heading, Measured, Scene, Terms, money
from taximeter.deployment import Deployment
from taximeter.outbox import Outbox

BEFORE: Final = Decimal("51000.00")
AFTER: Final = Decimal("39100.00")
TRUE_UP: Final = Decimal("60900.00")
LINES_BEFORE: Final = 5
LINES_AFTER: Final = 9
HALVED: Final = 4
"""Products with two unit prices after the edit; images were used only before the price changed."""
PATIENCE_S: Final = 60.0
"""How long nothing may change before a stage counts as stuck."""
PROBES: Final = 3_000
PROBES_A_SECOND: Final = 1_000
FRAME_S: Final = 0.25
"""Between two looks at the warehouse while the bill grows: a look takes time that the stages need."""
LOOK_S: Final = 0.01
"""Between two looks while the edit's effect is awaited."""


class StoryError(TaximeterError):
    """The pipeline gave another bill than the story must have."""


class Figures(NamedTuple):
    """What the demo read and measured; money as text with the currency's digits."""

    bill_before: str
    bill_after: str
    lines_after: int
    true_up_draft: str
    events: int
    events_per_s: float
    edit_to_invoice_ms: float
    event_to_threshold_p99_ms: float


class Streamed(NamedTuple):
    """The month's way through the pipeline, in seconds from the first event sent."""

    in_log_s: float
    on_bill_s: float
    fired_s: float
    """When the threshold's crossing was first seen in the warehouse."""


class Story:
    """One run. Every scene goes to `tell`; `pause` is called before each but the first. Close it at the end."""

    def __init__(self, stack: Deployment, papers: Papers, tell: Callable[[Scene], None], pause: Callable[[], None]) -> None:
        self._stack = stack
        self._papers = papers
        self._tell = tell
        self._pause = pause
        self._publisher = Publisher(stack.kafka, stack.codec)
        self._progress = Progress(stack.kafka)
        self._outbox = Outbox(stack.kafka, stack.codec)
        self._warehouse = stack.warehouse()
        self._committed = offsets.Committed(stack.kafka)
        places = [(USAGE_EVENTS.name, number) for number in range(self._publisher.partitions)]
        self._metered_before = self._committed.of(METER_GROUP, places)

    def close(self) -> None:
        self._warehouse.close()
        self._committed.close()
        self._progress.close()
        self._publisher.close()

    def run(self) -> Figures:
        """All scenes. Raises StoryError, StalledError, ProbeError."""
        self._open()
        streamed = self._stream()
        before = checked("the bill of October", self._invoice("usage"), BEFORE, LINES_BEFORE)
        edit_ms = self._edit()
        after = checked("the bill after the edit", self._invoice("usage"), AFTER, LINES_AFTER)
        check_prices(after)
        true_up = checked("the draft true-up", self._invoice("true_up"), TRUE_UP, 1)
        if true_up.status != "draft":
            raise StoryError(f"the true-up is {true_up.status}, expected draft")
        self._show_edited(after, true_up)
        latency = self._probe()
        figures = Figures(
            str(before.total),
            str(after.total),
            len(_usage(after)),
            str(true_up.total),
            EVENTS,
            round(EVENTS / streamed.on_bill_s, 1),
            round(edit_ms, 1),
            round(latency.p99_ms, 1),
        )
        self._measured(figures, streamed, latency)
        return figures

    def _open(self) -> None:
        papers = self._papers
        self._tell(Heading(1, "A catalogue and a contract", "published as one edit: one Kafka transaction, all parts or none"))
        self._move(START_MS)
        self._publish(Edit([papers.catalogue], [papers.contract], "demo", self._times(START_MS)))
        rates = papers.catalogue.rate_cards["list"].rates
        rows = [
            (papers.catalogue.products[rate.product].name, f"{rate.price.per_unit} {papers.catalogue.currency} {unit(papers.catalogue, rate.product)}")
            for rate in rates
        ]
        limit = papers.contract.thresholds[0]
        rows.append((f"threshold {limit.id}", f"when {limit.measure} reaches {money(limit.at, papers.catalogue.currency)}"))
        self._tell(Terms(rows))

    def _stream(self) -> Streamed:
        """Send the month and follow it until it is on the bill in the warehouse."""
        self._scene(2, "A month of usage", f"{EVENTS:,} Avro events through Kafka, as fast as they go; the bill is read from ClickHouse")
        start = looked = time.perf_counter()
        fired_s: float | None = None
        until_ms = START_MS

        def look(sent: int, sent_s: float) -> Flow:
            nonlocal fired_s
            flow = Flow(sent, self._metered(), EVENTS, sent_s, until_ms, self._invoice("usage"), self._alerts())
            if flow.alerts and fired_s is None:
                fired_s = time.perf_counter() - start
            self._tell(flow)
            return flow

        for number, event in enumerate(month(), start=1):
            name = f"{self._papers.contract.customer}-{number:06d}"
            self._outbox.send(name, self._papers.contract.customer, event.event_type, event.timestamp_ms, event.arrived_ms, event.properties)
            until_ms = event.timestamp_ms
            now = time.perf_counter()
            if now - looked > FRAME_S:
                look(number, now - start)
                looked = time.perf_counter()
        self._progress.sent(USAGE_EVENTS.name, self._outbox.flush())
        in_log_s = time.perf_counter() - start
        last, changed = Decimal(-1), time.perf_counter()
        while not ((invoice := look(EVENTS, in_log_s).invoice) and invoice.total >= BEFORE and len(invoice.lines) >= LINES_BEFORE):
            total = invoice.total if invoice else Decimal(0)
            if total != last:
                last, changed = total, time.perf_counter()
            elif time.perf_counter() - changed > PATIENCE_S:
                self._stuck("the bill of October", invoice, BEFORE)
            time.sleep(FRAME_S)
        on_bill_s = time.perf_counter() - start
        self._progress.shown(PATIENCE_S)
        alerts = self._alerts()
        if len(alerts) != 1 or fired_s is None or fired_s >= on_bill_s:
            raise StoryError(f"one threshold must fire while the events flow; the warehouse has {len(alerts)} crossings")
        self._tell(Flow(EVENTS, self._metered(), EVENTS, in_log_s, until_ms, self._invoice("usage"), alerts, over=True))
        return Streamed(in_log_s, on_bill_s, fired_s)

    def _edit(self) -> float:
        """Apply the edit; give milliseconds from the call to the changed invoice in the warehouse."""
        edited = self._papers.edited
        self._scene(3, "The contract is edited", "for days that are over, too: again one edit, all parts or none")
        override, commit = edited.overrides[0], edited.commits[0]
        amount = money(commit.access[0].amount, self._papers.catalogue.currency)
        self._tell(
            Terms(
                [
                    (f"override {override.id}", f"every price × {override.multiplier} from {override.starting_at}"),
                    (f"commit {commit.id}", f"{amount}, {commit.type}, from {commit.access[0].starting_at} until {commit.access[0].ending_before}"),
                ]
            )
        )
        times = self._times(START_MS + DAYS * DAY_MS - 3_600_000)
        start = time.perf_counter()
        published = self._publisher.publish(Edit((), [edited], "demo", times))
        while not ((invoice := self._invoice("usage")) and invoice.total != BEFORE and len(_usage(invoice)) >= LINES_AFTER):
            if time.perf_counter() - start > PATIENCE_S:
                self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
                self._stuck("the bill after the edit", invoice, AFTER)
            time.sleep(LOOK_S)
        took_ms = (time.perf_counter() - start) * 1000
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._progress.shown(PATIENCE_S)
        return took_ms

    def _show_edited(self, after: Invoice, true_up: Invoice) -> None:
        self._tell(Bill("the bill of October after the edit", after))
        for row in reads.balances_of(self._warehouse, self._papers.contract.customer):
            self._tell(Grant(row, after.currency))
        self._tell(Bill("what the commit still lacks, as a draft", true_up))

    def _probe(self) -> probe.Latency:
        self._scene(4, "How fast an alert is", f"{PROBES:,} events at {PROBES_A_SECOND:,} a second, each of which crosses a threshold of another customer")
        name = f"{self._papers.contract.customer}-probe"
        now = datetime.now(UTC)
        catalogue, contract = probe.documents(name, f"{now:%Y-%m}-01")
        self._publish(Edit([catalogue], [contract], "demo", {clock.WALL: int(now.timestamp() * 1000)}))
        return probe.Probe(self._stack.kafka, self._stack.codec, name, self._publisher.partitions).run(PROBES, PROBES_A_SECOND)

    def _measured(self, figures: Figures, streamed: Streamed, latency: probe.Latency) -> None:
        self._scene(5, "What it came to", "read from ClickHouse and Kafka, or measured with this process's clock")
        crossed = f"first seen in ClickHouse; {streamed.on_bill_s - streamed.fired_s:,.1f} s before the last event was on the bill"
        self._tell(
            Measured(
                [
                    ("bill", f"{BEFORE:,f} → {AFTER:,f}", f"before and after the edit; {figures.lines_after} lines"),
                    ("draft true-up", f"{TRUE_UP:,f}", "the commit less what counts to it"),
                    ("events", f"{figures.events:,}", f"Avro, through Kafka; all in the log after {streamed.in_log_s:,.1f} s"),
                    ("events/s", f"{figures.events_per_s:,.0f}", f"from the first event sent to all on the bill in ClickHouse: {streamed.on_bill_s:,.1f} s"),
                    ("threshold", f"{streamed.fired_s:,.1f} s", crossed),
                    ("edit to invoice", f"{figures.edit_to_invoice_ms:,.0f} ms", "from publishing to the changed bill read from ClickHouse"),
                    (
                        "event to alert",
                        f"{figures.event_to_threshold_p99_ms:,.0f} ms",
                        f"p99 of {latency.events:,} crossings read from Kafka (median {latency.p50_ms:,.0f} ms)",
                    ),
                ]
            )
        )

    def _publish(self, edit: Edit) -> None:
        published = self._publisher.publish(edit)
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._progress.rated(PATIENCE_S)

    def _move(self, now_ms: int) -> None:
        name = self._papers.contract.clock
        self._progress.sent(CLOCK.name, clock.move(self._outbox.producer, self._stack.codec, name, now_ms, self._publisher.partitions))

    def _times(self, now_ms: int) -> dict[str, int]:
        return {clock.WALL: time.time_ns() // 1_000_000, self._papers.contract.clock: now_ms}

    def _invoice(self, kind: str) -> Invoice | None:
        return next((each for each in reads.invoices_of(self._warehouse, self._papers.contract.customer) if each.kind == kind), None)

    def _metered(self) -> int:
        committed = self._committed.of(METER_GROUP, self._metered_before)
        return sum(committed[place] - before for place, before in self._metered_before.items())

    def _alerts(self) -> list[Alert]:
        return [each for each in reads.alerts(self._warehouse, customer=self._papers.contract.customer) if each.state == "in_alarm"]

    def _scene(self, number: int, title: str, about: str) -> None:
        self._pause()
        self._tell(Heading(number, title, about))

    def _stuck(self, what: str, invoice: Invoice | None, expected: Decimal) -> None:
        """Say which stage is behind; none is: the bill itself is wrong. Raises StalledError, StoryError."""
        self._progress.shown(1.0)
        raise StoryError(f"{what} is {invoice.total if invoice else 'missing'}, expected {expected}, and no stage is behind")


def checked(what: str, invoice: Invoice | None, expected: Decimal, lines: int) -> Invoice:
    """The invoice, which must come to `expected` on that many lines. Raises StoryError."""
    if invoice is None:
        raise StoryError(f"{what} is missing, expected {expected}")
    counted = [line for line in invoice.lines if line.kind != "commit"]
    if invoice.total != expected or sum(line.amount for line in counted) != expected:
        raise StoryError(f"{what} is {invoice.total} with lines of {sum(line.amount for line in counted)}, expected {expected}")
    if len(counted) != lines:
        raise StoryError(f"{what} has {len(counted)} lines, expected {lines}")
    return invoice


def check_prices(invoice: Invoice) -> None:
    """After the edit all products but one have two unit prices. Raises StoryError."""
    prices: dict[str | None, set[Decimal | None]] = defaultdict(set)
    for line in _usage(invoice):
        prices[line.product].add(line.unit_price)
    halved = [product for product, found in prices.items() if len(found) == 2]
    if len(halved) != HALVED:
        raise StoryError(f"after the edit {len(halved)} products have two unit prices, expected {HALVED}")


def names_of(papers: Papers) -> Mapping[str, str]:
    """The products' names by id."""
    return {name: product.name for name, product in papers.catalogue.products.items()}


def _usage(invoice: Invoice) -> list[Line]:
    return [line for line in invoice.lines if line.kind == "usage"]
