"""The scenes of the demo, on a stack that runs. What it says was read from the warehouse or measured here."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import TaximeterError
from contracts.loading import read_documents
from contracts.result import Alert, Balance, Invoice
from pipelines import clock
from pipelines.progress import Progress
from pipelines.publishing import Edit, Publisher
from pipelines.topology import CLOCK, CONTRACT_CHANGES, USAGE_EVENTS
from pipelines.warehouse import reads
from taximeter.demo import probe, screen
from taximeter.demo.month import DAY_MS, DAYS, EVENTS, START_MS, month
from taximeter.deployment import Deployment
from taximeter.outbox import Outbox

BEFORE: Final = Decimal("51000.00")
AFTER: Final = Decimal("39100.00")
TRUE_UP: Final = Decimal("60900.00")
LINES: Final = 9
PATIENCE_S: Final = 300.0
PROBES: Final = 3_000
PROBES_A_SECOND: Final = 1_000
FRAME_S: Final = 0.25
"""Between two looks at the warehouse while the bill grows."""
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


class Documents(NamedTuple):
    catalogue: Catalogue
    contract: Contract
    edited: Contract


class Story:
    """One run. `step` waits before a scene; the pictures of `shots` are what was shown, for the SVG."""

    def __init__(self, stack: Deployment, console: Console, *, step: bool) -> None:
        self._stack = stack
        self._console = console
        self._step = step
        self._publisher = Publisher(stack.kafka, stack.codec)
        self._progress = Progress(stack.kafka)
        self._outbox = Outbox(stack.kafka, stack.codec)
        self._warehouse = stack.warehouse()
        self._documents = _documents(self._suffix())
        self._names = {name: product.name for name, product in self._documents.catalogue.products.items()}
        self.shots: list[RenderableType] = []

    @property
    def customer(self) -> str:
        return self._documents.contract.customer

    def run(self) -> Figures:
        """All scenes. Raises StoryError, StalledError, ProbeError."""
        self._open()
        rate = self._stream()
        before = self._check("the bill of October", self._bill(), BEFORE)
        took_ms = self._edit()
        after = self._check("the bill after the edit", self._bill(), AFTER)
        shown = [line for line in after.lines if line.kind == "usage"]
        if len(shown) != LINES:
            raise StoryError(f"the bill has {len(shown)} usage lines, expected {LINES}")
        true_up = self._check("the draft true-up", self._invoice("true_up"), TRUE_UP)
        latency = self._probe()
        figures = Figures(
            str(before.total), str(after.total), len(shown), str(true_up.total), EVENTS, round(rate), round(took_ms, 1), round(latency.p99_ms, 1)
        )
        self._close(figures, latency)
        return figures

    def _suffix(self) -> str:
        """Nothing, or what makes the names of this run new on a stack that has played the story before."""
        known = self._publisher.present().contracts
        number = 1
        while f"acme-2025{_mark(number)}" in known:
            number += 1
        return _mark(number)

    def _open(self) -> None:
        documents = self._documents
        self._scene(1, "A catalogue and a contract", "one edit, one Kafka transaction; the contract lives on a test clock that shows October 2025")
        self._move(START_MS)
        self._publish(Edit([documents.catalogue], [documents.contract], "demo", self._times(START_MS)))
        prices = [
            (documents.catalogue.products[rate.product].name, f"{rate.price.per_unit} USD {_unit(documents.catalogue, rate.product)}")
            for rate in documents.catalogue.rate_cards["list"].rates
        ]
        self._show(screen.rows(prices))
        limit = documents.contract.thresholds[0]
        self._show(screen.rows([(f"threshold {limit.id}", f"when {limit.measure} reaches {limit.at:,f} USD")]))

    def _stream(self) -> float:
        """Send the month; give events per second from the first send until the last event was on the bill in the warehouse."""
        self._scene(2, "A month of usage", f"{EVENTS:,} Avro events, as fast as they go; every figure below is read from ClickHouse")
        start = time.perf_counter()
        sent = 0
        looked = 0.0
        state: tuple[Invoice | None, list[Alert]] = (None, [])
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            for number, event in enumerate(month()):
                name = f"{self.customer}-{number:06d}"
                self._outbox.send(name, self.customer, event.event_type, event.timestamp_ms, event.arrived_ms, event.properties)
                sent += 1
                now = time.perf_counter()
                if now - looked > FRAME_S:
                    looked, state = now, (self._invoice("usage"), self._alerts())
                    live.update(screen.flow(screen.Flow(sent, EVENTS, now - start), *state, self._names), refresh=True)
            self._progress.sent(USAGE_EVENTS.name, self._outbox.flush())
            in_log = time.perf_counter() - start
            while (invoice := self._invoice("usage")) is None or invoice.total < BEFORE:
                if time.perf_counter() - start > PATIENCE_S:
                    break
                state = (invoice, self._alerts())
                live.update(screen.flow(screen.Flow(sent, EVENTS, in_log), *state, self._names), refresh=True)
                time.sleep(FRAME_S / 5)
            took = time.perf_counter() - start
        self._progress.shown(PATIENCE_S)
        alerts = self._alerts()
        if not alerts:
            raise StoryError("the threshold did not fire while the events flowed")
        self._show(screen.flow(screen.Flow(sent, EVENTS, in_log), self._invoice("usage"), alerts, self._names))
        return EVENTS / took

    def _edit(self) -> float:
        """Apply the edit; give milliseconds from the call to the changed invoice in the warehouse."""
        self._scene(3, "The contract is edited", "half price from 15 October and a postpaid commit of 100,000: again one edit, all or nothing")
        self._show(screen.rows([("override half-price", "× 0.5 from 15 Oct, every product"), ("commit annual", "100,000.00 USD, postpaid, until 1 Jan 2026")]))
        start = time.perf_counter()
        published = self._publisher.publish(Edit((), [self._documents.edited], "demo", self._times(START_MS + DAYS * DAY_MS - 3_600_000)))
        while (invoice := self._invoice("usage")) is None or invoice.total == BEFORE:
            if time.perf_counter() - start > PATIENCE_S:
                raise StoryError("the edit did not change the bill; `taximeter status` shows whether RATE and SINK run")
            time.sleep(LOOK_S)
        took_ms = (time.perf_counter() - start) * 1000
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._progress.shown(PATIENCE_S)
        self._show(screen.bill(self._bill(), self._names, "the bill of October after the edit"))
        for row in self._balances():
            self._show(screen.balance(row))
        true_up = self._invoice("true_up")
        if true_up is not None:
            self._show(screen.bill(true_up, self._names, "what is missing from the commit, as a draft"))
        return took_ms

    def _probe(self) -> probe.Latency:
        self._scene(4, "How fast an alert is", f"{PROBES:,} events at {PROBES_A_SECOND:,} a second, each of which crosses a threshold of another customer")
        name = f"{self.customer}-probe"
        now = datetime.now(UTC)
        catalogue, contract = probe.documents(name, f"{now:%Y-%m}-01")
        self._publish(Edit([catalogue], [contract], "demo", {"wall": int(now.timestamp() * 1000)}))
        return probe.Probe(self._stack.kafka, self._stack.codec, name, self._publisher.partitions).run(PROBES, PROBES_A_SECOND)

    def _close(self, figures: Figures, latency: probe.Latency) -> None:
        self._scene(5, "What it came to", "")
        self._show(
            screen.figures(
                [
                    ("events", f"{figures.events:,}", "real Avro records through real Kafka"),
                    ("events/s", f"{figures.events_per_s:,.0f}", "from the first send until the whole month was on the bill in ClickHouse"),
                    ("edit to invoice", f"{figures.edit_to_invoice_ms:,.0f} ms", "from publishing until the changed bill was read from ClickHouse"),
                    ("event to threshold", f"{figures.event_to_threshold_p99_ms:,.0f} ms", f"p99 of {latency.events:,} crossings (median {latency.p50_ms:,.0f} ms)"),
                    ("bill before, after", f"{figures.bill_before} → {figures.bill_after}", f"{figures.lines_after} lines"),
                    ("draft true-up", figures.true_up_draft, "USD"),
                ]
            )
        )

    def _publish(self, edit: Edit) -> None:
        published = self._publisher.publish(edit)
        self._progress.sent(CONTRACT_CHANGES.name, published.offsets)
        self._progress.rated(PATIENCE_S)

    def _move(self, now_ms: int) -> None:
        name = self._documents.contract.clock
        moved = clock.move(self._outbox.producer, self._stack.codec, name, now_ms, self._publisher.partitions)
        self._progress.sent(CLOCK.name, moved)

    def _times(self, now_ms: int) -> dict[str, int]:
        return {"wall": time.time_ns() // 1_000_000, self._documents.contract.clock: now_ms}

    def _invoice(self, kind: str) -> Invoice | None:
        return next((each for each in reads.invoices_of(self._warehouse, self.customer) if each.kind == kind), None)

    def _bill(self) -> Invoice | None:
        return self._invoice("usage")

    def _balances(self) -> list[Balance]:
        return list(reads.balances_of(self._warehouse, self.customer))

    def _alerts(self) -> list[Alert]:
        return [each for each in reads.alerts(self._warehouse, customer=self.customer) if each.state == "in_alarm"]

    def _check(self, what: str, invoice: Invoice | None, expected: Decimal) -> Invoice:
        if invoice is None:
            raise StoryError(f"{what} is missing, expected {expected}")
        if invoice.total != expected:
            raise StoryError(f"{what} is {invoice.total}, expected {expected}")
        return invoice

    def _scene(self, number: int, text: str, about: str) -> None:
        if self._step and number > 1:
            self._console.input("\n[dim]Enter for the next scene [/]")
        self._show(screen.heading(number, text, about))

    def _show(self, part: RenderableType) -> None:
        self.shots.append(part)
        self._console.print(part)


def _mark(number: int) -> str:
    return "" if number == 1 else f"-{number}"


def _unit(catalogue: Catalogue, product: str) -> str:
    quantity = catalogue.products[product].quantity
    return f"for {quantity.divide_by:,f}" if quantity else "each"


def _documents(mark: str) -> Documents:
    """The documents in the package, under the names of this run."""
    folder = resources.files("taximeter.demo")

    def read(file: str) -> Any:
        (document,) = read_documents((folder / file).read_text(encoding="utf-8"), file)
        return document

    catalogue = read("october.yaml")
    known = {"catalogue": catalogue.id + mark}
    renamed = msgspec.structs.replace(catalogue, id=catalogue.id + mark)

    def contract(file: str) -> Contract:
        given: Contract = read(file)
        return msgspec.structs.replace(given, id=given.id + mark, customer=given.customer + mark, clock=given.clock + mark, **known)

    return Documents(renamed, contract("contract.yaml"), contract("edit.yaml"))
