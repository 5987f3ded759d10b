"""The life of an account: documents, usage and time come in; invoices open, close, are voided; what is final becomes a fact."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter

from contracts.alarms import read_alerts
from contracts.balances import Ledger
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import ActionError
from contracts.facts import Facts, InvoiceFact, Row
from contracts.family import Family
from contracts.issuing import issue, next_item, take_back_true_ups, true_up
from contracts.late import attribute, billed_before, hand_late, late_came, late_tag, let_go, take_back_late
from contracts.printing import Sheet
from contracts.result import Invoice
from contracts.schedule import Item, items
from contracts.settlement import Key, draws_of, redraw, settle
from contracts.statement import Statement
from contracts.timeline import FOREVER, HOUR, Span, iso
from contracts.usage import Delta
from contracts.usage_book import UsageBook
from contracts.windows import DROPPED, IN_TIME, Products, UsageStore, Windows, group_key

__all__ = ["Life", "Place"]

Place = tuple[str, int]
"""A usage invoice: the contract that is billed, the period's start."""
NOBODY = Family({}, {})
"""Without a contract."""


class Life:
    """State and transitions. Everything that is not in `contracts`, `catalogues`, `facts`, `parked` or the windows can be computed again."""

    def __init__(
        self, store: UsageStore, contracts: dict[str, Contract] | None = None, catalogues: dict[str, Catalogue] | None = None, facts: Facts | None = None,
        parked: list[Delta] | None = None,
    ) -> None:  # fmt: skip
        self.contracts = contracts or {}
        self.catalogues = catalogues or {}
        self.facts = facts or Facts()
        self.parked = parked or []
        """Usage of products that no known catalogue has yet."""
        self.windows = Windows(store)
        self._due: int | None = None
        self.open: dict[Place, Statement] = {}
        self.moved: dict[tuple[str, str], int] = {}
        """What renewals took over, by (contract, grant) that it was taken from."""
        self.stale = True
        """Everything must be drawn again."""
        self._again = False
        """Invoices were taken back that must be made again at once."""
        self._spent: dict[Key, int] | None = None
        self._ledger: Ledger | None = None
        """As of the last fold."""
        self.schedules: dict[str, Iterator[Item]] = {}
        """By contract: where further items of scheduled invoices come from."""
        self.next_items: dict[str, Item] = {}
        """By contract: the next that is not invoiced yet."""
        self.printed_facts: dict[int, tuple[InvoiceFact, Invoice]] = {}
        self.printed_drafts: dict[Place, Sheet] = {}
        self.printed_true_ups: dict[tuple[str, str], tuple[InvoiceFact, Invoice]] = {}
        self.family = NOBODY
        self.book = UsageBook(NOBODY, self.windows)
        if self.contracts:
            self._compile()

    # Inputs

    def take_catalogue(self, catalogue: Catalogue, recorded_ms: int) -> None:
        """A new version of a catalogue."""
        self.advance(recorded_ms)
        self.catalogues[catalogue.id] = catalogue
        self._compile()
        parked, self.parked = self.parked, []
        if parked:
            self.take_usage(parked)
        self._catch_up()

    def take_contract(self, contract: Contract, recorded_ms: int) -> None:
        """A new version of a contract."""
        self.advance(recorded_ms)
        before = self.family
        self.contracts[contract.id] = contract
        self.facts.appeared.setdefault(contract.id, self.now)
        self._compile()
        let_go(self, before)
        attribute(self)
        self._catch_up()

    def take_usage(self, deltas: Iterable[Delta], *, moved: bool = False) -> None:
        """Deltas of events that came together; they are taken in the order of their arrival. Alerts are read behind each event.

        Usage that moves here with a document came with that: alerts are read once behind it. `moved`: it has come from another account.
        """
        event: tuple[int, int | None] | None = None
        pending = False
        # A batch of METER may span days of recorded time (history that is played again), and groups events as it likes.
        for delta in sorted(deltas, key=attrgetter("recorded_ms")):
            if pending and not self._again and (delta.recorded_ms, delta.sequence) != event:
                read_alerts(self)
                pending = False
            # Invoices that were taken back stay open until all is here that comes at one time.
            if not self._again or delta.recorded_ms > self.now:
                self.advance(delta.recorded_ms)
            self._take(delta, moved)
            event, pending = (delta.recorded_ms, delta.sequence), True
        if self._again:
            self._catch_up()
        elif pending:
            read_alerts(self)
        self.windows.flush()

    def advance(self, now: int) -> None:
        """Let everything happen that is due by `now`, in order; then the clock stands there."""
        while (due := self.due if self.family.watched else self._due) is not None and due <= now:
            self._tick(due)
            if due == self._due:
                self._happen()
            read_alerts(self)
        self._tick(now)

    def act(self, action: str, contract: str, start: int, recorded_ms: int) -> None:
        """Void, regenerate or finalize a usage invoice."""
        self.advance(recorded_ms)
        place = (contract, start)
        held = self.facts.closed.get(contract, {}).get(start, [])
        named = f"the usage invoice of contract {contract!r} that starts at {iso(start)}"
        if action == "void":
            if place in self.open or not held or held[-1].status != "final":
                raise ActionError(f"{named} cannot be voided: it is not final; a draft changes by itself, finalize it first if it must be void")
            held[-1].status = "void"
            take_back_late(self, place)
        elif action == "regenerate":
            if place in self.open or not held:
                raise ActionError(f"{named} cannot be regenerated: it is not final; a draft changes by itself")
            held[-1].status = "void"
            take_back_late(self, place)
            self.facts.reopened.setdefault(contract, {})[start] = held[-1].end + self.family.terms[contract].grace
        elif action == "finalize":
            if place not in self.open:
                raise ActionError(f"{named} cannot be finalized: there is no such draft; name the start of a period that has begun")
            self._close(place)
        else:
            raise ActionError(f"{action!r} is no action; use void, regenerate or finalize")
        self.changed()
        true_up(self)
        self._catch_up()

    # What is

    @property
    def due(self) -> int | None:
        """When the next thing happens by itself; while a gauge counts its hours, every hour."""
        gauges = [statement for statement in self.open.values() if statement.gauges and statement.span.end > self.now]
        if gauges:
            self.fold()
            if any(statement.held for statement in gauges):
                hour = (self.now // HOUR + 1) * HOUR
                return hour if self._due is None else min(hour, self._due)
        return self._due

    @property
    def now(self) -> int:
        return self.facts.now if self.facts.now is not None else -FOREVER

    def fold(self) -> None:
        """Price and draw the open periods as of the clock, as far as something has changed."""
        statements = list(self.open.values())
        stale = [statement for statement in statements if statement.stale]
        if not stale and not self.stale:
            return
        self._ledger = None
        if self.stale or self.family.shared or self.family.renewals:
            for statement in statements:
                if statement.stale:
                    statement.refresh(self.now)
            for statement in statements:
                statement.undraw()
            self.stale = False
            closed = [(fact.contract, fact.grant) for fact in self.facts.true_ups]
            self.moved = settle(self.family, statements, self.spent, closed, self.now)
            return
        for statement in stale:
            if not statement.drawing:
                statement.refresh(self.now)
        for payer in {statement.payer.id for statement in stale if statement.drawing}:
            mine = sorted((statement for statement in statements if statement.payer.id == payer), key=lambda statement: statement.span.start)
            begun = next(number for number, statement in enumerate(mine) if statement.stale)
            for statement in mine[begun + 1 :]:
                statement.undraw()
            for number, statement in enumerate(mine[begun:]):
                first = statement.refresh(self.now) if statement.stale else 0
                redraw(statement, first if number == 0 else 0)

    def bill_again(self) -> None:
        """Invoices were taken back: so are the true-ups that rest on them, and all that is late is priced again."""
        self._again = True
        self.changed()
        take_back_true_ups(self)
        for statement in self.open.values():
            hand_late(self, statement)
        self.changed()

    def refold(self) -> None:
        """Make everything that can be computed again stale."""
        self.stale = True
        for statement in self.open.values():
            statement.forget()

    @property
    def spent(self) -> dict[Key, int]:
        """Draws of final invoices."""
        if self._spent is None:
            self._spent = self.facts.spent()
        return self._spent

    def ledger(self) -> Ledger:
        """All draws, drafts included."""
        self.fold()
        if self._ledger is None:
            drawn = dict(self.spent)
            for statement in self.open.values():
                for key, amount in draws_of(statement).items():
                    drawn[key] = drawn.get(key, 0) + amount
            self._ledger = Ledger(drawn, self.moved, frozenset((fact.contract, fact.grant) for fact in self.facts.true_ups))
        return self._ledger

    def final_ms(self, place: Place) -> int:
        """When a draft becomes final by itself."""
        reopened = self.facts.reopened.get(place[0], {}).get(place[1])
        statement = self.open[place]
        return max(statement.span.end + statement.payer.grace, reopened or 0)

    def generation(self, place: Place) -> int:
        """Number of the invoice that is open for a period."""
        return len(self.facts.closed.get(place[0], {}).get(place[1], []))

    def is_closed(self, contract: str, start: int) -> bool:
        """Whether the period's invoice is final, or void and not made again."""
        return start in self.facts.closed.get(contract, {}) and start not in self.facts.reopened.get(contract, {})

    def is_fixed(self, customer: str, catalogue: str, group: Mapping[str, str], window: int) -> bool:
        """Whether a window is on an invoice that is final and not void."""
        owner = self.family.owner(customer, group, catalogue, window)
        if owner is None:
            return False
        payer = self.family.payer[owner.id]
        period = self.family.terms[payer].period_of(window)
        if period is None or not self.is_closed(payer, period[0].start):
            return False
        return self.facts.closed[payer][period[0].start][-1].status != "void"

    def reread(self, products: Products | None = None) -> None:
        """Forget what was read of the windows; of these products, or all."""
        if products is None:
            self.windows = Windows(self.windows.store)
            self._compile()
        else:
            self.windows.reread(products)
            for statement in self.open.values():
                statement.reread(products)
        self._catch_up()

    # Time

    def _tick(self, now: int) -> None:
        """Set the clock, never back. What a gauge shows has been held longer then."""
        if self.facts.now is None or now > self.facts.now:
            self.facts.now = now
            for statement in self.open.values():
                statement.tick()

    def _happen(self) -> None:
        """Everything that is due at the clock's time."""
        self._again = False
        self._sync()
        while ripe := sorted((self.final_ms(place), place[1], place[0]) for place in self.open if self.final_ms(place) <= self.now):
            _, start, contract = ripe[0]
            self._close((contract, start))
            self._sync()
        true_up(self)
        issue(self)
        self.changed()

    def _catch_up(self) -> None:
        """After a document or an action: what it makes due at once."""
        while self._due is not None and self._due <= self.now:
            self._happen()
        read_alerts(self)
        self.windows.flush()

    def _compile(self) -> None:
        self.family = Family(self.contracts, self.catalogues, self.family.terms)
        self.book = UsageBook(self.family, self.windows)
        self.open = {}
        self.schedules = {name: items(terms) for name, terms in self.family.terms.items()}
        self.next_items = {}
        for name in self.schedules:
            next_item(self, name)
        self.changed()

    def changed(self) -> None:
        """Documents, facts or the set of open periods changed."""
        self._spent = None
        self.stale = True
        self._sync()
        self._due = self._next_due()

    def _sync(self) -> None:
        """Open the statements of all periods that have begun and are not closed."""
        wanted: dict[Place, tuple[Span, Span, bool]] = {}
        for name, payer in self.family.payer.items():
            if name == payer:
                terms = self.family.terms[name]
                for part, whole in terms.periods(self.now):
                    if not self.is_closed(name, part.start):
                        wanted[name, part.start] = (part, whole, False)
                for start in self.facts.late.get(name, {}):
                    if start >= terms.end and start <= self.now and not self.is_closed(name, start):
                        whole = terms.grid.around(start)
                        wanted[name, start] = (Span(start, whole.end), whole, True)
        for place in [place for place in self.open if place not in wanted]:
            del self.open[place]
            self.stale = True
        for place, (part, whole, correction) in wanted.items():
            if place not in self.open:
                statement = Statement(self.family, self.book, self.family.terms[place[0]], part, whole, correction=correction)
                hand_late(self, statement)
                self.open[place] = statement
                self.stale = True

    def _next_due(self) -> int | None:
        now = self.now
        found = [FOREVER]
        for place, statement in self.open.items():
            found.append(self.final_ms(place))
            if statement.span.end > now:
                found.append(statement.span.end)
        for name, terms in self.family.terms.items():
            period = terms.period_of(now)
            found.append(terms.start if now < terms.start else period[0].end if period and period[0].end < terms.end else FOREVER)
            # Late usage of a contract's last period, when that was finalized before its end: what corrects it begins behind the end.
            found += [start for start in self.facts.late.get(name, {}) if start >= terms.end and start > now]
            for grant in self.family.own[name]:
                found += [edge for segment in grant.segments(now) for edge in segment[:2] if edge > now]
        found += [item.at for item in self.next_items.values()]
        found += [renewal.at for renewal in self.family.renewals if renewal.at > now]
        due = min(found)
        return None if due >= FOREVER else due

    def _close(self, place: Place) -> None:
        """Make a draft final: its lines and draws are facts from now on."""
        statement = self.open[place]
        statement.closing = statement.stale = True
        self.fold()
        payer, span = statement.payer, statement.span
        rows = [Row.of(line) for line in statement.printed()]
        draws = [(*key, amount) for key, amount in sorted(draws_of(statement).items())]
        ids = sorted({each for section in statement.sections for each in self.family.ids_of(section.terms.customer)})
        fact = InvoiceFact(
            payer.id, payer.customer, "correction" if statement.correction else "usage", span.start, span.end, span.end, payer.currency, payer.places, "final",
            self.generation(place), rows, draws, ids,
        )  # fmt: skip
        self.facts.closed.setdefault(place[0], {}).setdefault(place[1], []).append(fact)
        self.facts.reopened.get(place[0], {}).pop(place[1], None)
        del self.open[place]
        self._spent = None
        self.stale = True
        self.windows.forget()

    def _take(self, delta: Delta, moved: bool) -> None:
        catalogue = self.catalogues.get(delta.catalogue)
        product = catalogue.products.get(delta.product) if catalogue is not None else None
        metric = catalogue.metrics.get(product.metric or "") if catalogue is not None and product is not None else None
        if metric is None:
            self.parked.append(delta)
            return
        owner = self.family.owner(delta.customer, delta.group, delta.catalogue, delta.window_ms)
        tag = IN_TIME
        if owner is not None:
            payer = self.family.terms[self.family.payer[owner.id]]
            period = payer.period_of(delta.window_ms)
            if period is not None and self.is_closed(payer.id, period[0].start):
                before = billed_before(self, payer, period[0], delta) if moved else None
                tag = before if before is not None else late_tag(self, payer, period[0], delta.recorded_ms)
        aggregate = self.windows.add(metric.aggregation, delta, tag)
        if tag == DROPPED:
            return
        if owner is None:
            pass  # of a time before a contract, or between two: it is billed nowhere, but it may carry into what follows
        elif tag != IN_TIME:
            late_came(self, payer.id, tag)
        elif period is not None:
            statement = self.open.get((payer.id, period[0].start))
            if statement is not None:
                terms = owner.card.products[delta.product]
                statement.add(owner, terms, terms.group(group_key(delta.group)), delta.window_ms, aggregate)
        for later in self.open.values() if metric.carry else ():
            if later.span.end > delta.window_ms:
                later.carried(owner.customer if owner is not None else None, delta.product, delta.window_ms)
