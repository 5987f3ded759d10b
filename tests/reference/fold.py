"""Section 4 and 5: the drafts of all open periods at a clock, folded in order over the final draws, which are facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from contracts.contract import Contract
from tests.reference.adjustments import adjusted
from tests.reference.draws import Key, Paid, drawn
from tests.reference.events import Event, Known
from tests.reference.grants import Segment, pays_for, segments_of
from tests.reference.lines import Item, Period, composite_items, correction_items, usage_items
from tests.reference.money import places, round_money
from tests.reference.pools import in_event_order
from tests.reference.schedules import arrears
from tests.reference.times import DAY, FOREVER, anchor_of, duration, opt, parse, periods

FAR = 800 * DAY


@dataclass
class Invoice:
    contract: str
    kind: str
    status: str
    start: int
    end: int
    issue: int
    lines: list[Item]
    billed: set[int] = field(default_factory=set)
    """Places of the events of its own period that it bills."""
    corrected: set[int] = field(default_factory=set)
    """Places of late events of earlier periods that it bills."""
    undrawn: list[Item] = field(default_factory=list)
    """Its lines before draws."""

    @property
    def total(self) -> Fraction:
        return sum((line.amount for line in self.lines if line.segment is None or line.segment.grant.type == "postpaid"), Fraction(0))

    def draws(self) -> dict[Key, Fraction]:
        found: dict[Key, Fraction] = {}
        for line in self.lines:
            if line.segment is not None:
                found[line.segment.key] = found.get(line.segment.key, Fraction(0)) + line.amount
        return found


@dataclass
class Facts:
    """What is final."""

    invoices: list[Invoice] = field(default_factory=list)
    issued: set[tuple[str, ...]] = field(default_factory=set)
    true_ups: set[tuple[str, str]] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    """Places of late events that count nowhere."""
    reopened: dict[tuple[str, int], int] = field(default_factory=dict)
    """When a reopened invoice (contract, start) is final again: one grace after it was reopened."""
    closing: tuple[str, int] | None = None
    """The invoice (contract, start) that is just being made final: its last reading."""
    corrections: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Contracts without a next invoice that have a correction invoice as a draft: since when, and when it is final."""

    def standing(self) -> Iterable[Invoice]:
        return (invoice for invoice in self.invoices if invoice.status == "final")

    def closed(self, contract: str, start: int) -> Invoice | None:
        """Newest final or void usage invoice that holds an instant."""
        found = [i for i in self.invoices if i.kind == "usage" and i.contract == contract and i.start <= start < i.end]
        return found[-1] if found else None

    def corrected(self) -> set[int]:
        return {place for invoice in self.standing() for place in invoice.corrected}


@dataclass
class Folded:
    drafts: list[Invoice]
    segments: list[Segment]
    """All that are known, rolled ones too."""
    left: dict[Key, Fraction]
    """Balance of each after final and draft draws, expiry aside."""
    moved: dict[Key, Fraction]
    """What of a segment rolled over."""


def span(contract: Contract) -> tuple[int, int]:
    zone = contract.billing.timezone
    return parse(contract.starting_at, zone), opt(contract.ending_before, zone, FOREVER)


def all_periods(contract: Contract, until: int) -> list[Period]:
    start, end = span(contract)
    zone = contract.billing.timezone
    anchor = anchor_of(contract.billing.anchor, start, zone)
    return [Period(contract.id, *each) for each in periods(anchor, contract.billing.period, zone, start, end, until)]


def grace(contract: Contract) -> int:
    return duration(contract.billing.grace)


def home(contract: Contract, known: Known) -> Contract:
    """On whose invoices a contract's lines are."""
    return known.contracts.get(contract.parent or "", contract) if contract.payer == "parent" else contract


def at_home(contract: Contract, known: Known) -> list[Contract]:
    """A contract and the children whose lines are on its invoices."""
    return [contract, *(each for each in ordered(known.contracts.values()) if each.id != contract.id and home(each, known).id == contract.id)]


def open_periods(contract: Contract, known: Known, facts: Facts, clock: int) -> list[Period]:
    return [period for period in all_periods(contract, clock) if facts.closed(home(contract, known).id, period.start) is None]


def late_of(contract: Contract, known: Known, facts: Facts, clock: int) -> list[tuple[Period, list[Event], list[Event]]]:
    """(final period, events billed so far, events that came late) where there are such."""
    found = []
    corrected = facts.corrected()
    for period in all_periods(contract, clock):
        invoice = facts.closed(home(contract, known).id, period.start)
        if invoice is None or invoice.status != "final":
            continue
        usage = known.usage(contract.id, period.start)
        heard = [event for event in usage if event.at < period.start]
        inside = [event for event in usage if period.start <= event.at < period.end]
        billed = [event for event in inside if event.place in invoice.billed | corrected]
        late = [event for event in inside if event.place not in invoice.billed | corrected]
        if late:
            found.append((period, heard + billed, late))
    return found


def ordered(contracts: Iterable[Contract]) -> list[Contract]:
    """Every contract after the one it renews; else by customer and id."""
    waiting = sorted(contracts, key=lambda each: (each.customer, each.id))
    found: list[Contract] = []
    while waiting:
        names = {each.id for each in waiting}
        each = next(each for each in waiting if each.renews not in names)
        waiting.remove(each)
        found.append(each)
    return found


def fold(known: Known, facts: Facts, clock: int) -> Folded:
    """The drafts at `clock`."""
    contracts = ordered(known.contracts.values())
    segments = [segment for contract in contracts for segment in segments_of(contract, known.catalogue, clock + FAR)]
    spent: dict[Key, Fraction] = {}
    for invoice in facts.standing():
        for key, amount in invoice.draws().items():
            spent[key] = spent.get(key, Fraction(0)) + amount
    left: dict[Key, Fraction] = {}
    for segment in segments:
        left[segment.key] = max(Fraction(0), left.get(segment.key, Fraction(0)) + segment.amount - spent.get(segment.key, Fraction(0)))
        if (segment.grant.contract, segment.grant.id) in facts.true_ups:
            left[segment.key] = Fraction(0)
    folded = Folded([], segments, left, {})
    done: set[str] = set()
    for contract in contracts:
        if contract.id in done:
            continue
        family = [each for each in contracts if top(each, known) == top(contract, known)]
        pools = any(each.id != s.grant.contract and pays_for(s.grant, each) for each in family for s in segments)
        if not pools:
            family = [each for each in family if each.id == home(contract, known).id]
            if not family or family[0].id in done:
                continue
        for each in family:
            _roll(each, known, facts, folded, clock, spent)
        folded.drafts += _drawn(
            [draft for each in family if home(each, known).id == each.id for draft in bills(each, known, facts, folded, clock)],
            known,
            facts,
            folded,
            clock,
            pools=pools,
        )
        done |= {each.id for each in family}
    return folded


def top(contract: Contract, known: Known) -> str:
    while contract.parent is not None and contract.parent in known.contracts:
        contract = known.contracts[contract.parent]
    return contract.id


def children(known: Known) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for contract in known.contracts.values():
        if contract.parent is not None:
            found[contract.parent] = found.get(contract.parent, frozenset()) | {contract.id}
    return found


def _roll(contract: Contract, known: Known, facts: Facts, folded: Folded, clock: int, spent: dict[Key, Fraction]) -> None:
    """At its start a renewal takes the rests over, as far as `rollover` of the granted amount; the old commit has nothing left."""
    start, end = span(contract)
    old = known.contracts.get(contract.renews or "")
    if old is None or start > clock:
        return
    own = [
        s for s in folded.segments if s.grant.contract == old.id and s.grant.rollover and s.grant.type != "postpaid" and not s.grant.rolled and s.start < start
    ]
    for grant in dict.fromkeys(s.grant.id for s in own):
        mine = [s for s in own if s.grant.id == grant]
        room = round_money(mine[0].grant.rollover * sum((s.amount for s in mine), Fraction(0)), places(known.catalogue.currency))
        moved = Fraction(0)
        for segment in mine:
            if segment.end < start:
                continue
            taken = min(room - moved, folded.left[segment.key])
            moved += taken
            folded.moved[segment.key] = taken
        rolled = Segment(mine[0].grant._replace(contract=contract.id, rolled=True), start, end, moved)
        folded.segments.append(rolled)
        folded.left[rolled.key] = max(Fraction(0), moved - spent.get(rolled.key, Fraction(0)))


def bills(contract: Contract, known: Known, facts: Facts, folded: Folded, clock: int) -> list[Invoice]:
    """A contract's open periods in order, with everything but draws; lines of children that it pays are on them."""
    found: list[Invoice] = []
    for period in open_periods(contract, known, facts, clock):
        bill = Invoice(contract.id, "usage", "draft", period.start, period.end, period.end, [])
        for each in at_home(contract, known):
            for own in open_periods(each, known, facts, clock):
                if period.start <= own.start < period.end:
                    _bill(bill, each, own, known, facts, folded, clock)
            for closed, billed, late in late_of(each, known, facts, clock) if contract.late_usage == "next_invoice" else ():
                if next_open(contract, closed, known, facts, clock) == period:
                    _correct(bill, each, closed, billed, late, known, folded, clock)
        last = clock >= period.end or facts.closing == (contract.id, period.start)
        bill.undrawn = adjusted(contract, known.catalogue, period, bill.undrawn, last=last)
        found.append(bill)
    return found + _corrections(contract, known, facts, folded, clock)


def _corrections(contract: Contract, known: Known, facts: Facts, folded: Folded, clock: int) -> list[Invoice]:
    """The correction invoice of a contract that has no next invoice."""
    if contract.id not in facts.corrections:
        return []
    since = facts.corrections[contract.id][0]
    bill = Invoice(contract.id, "correction", "draft", since, since, since, [])
    for each in at_home(contract, known):
        for closed, billed, late in late_of(each, known, facts, clock):
            _correct(bill, each, closed, billed, late, known, folded, clock)
    for number, item in enumerate(bill.undrawn):
        item.net, item.number = item.amount, number
    return [bill]


def next_open(contract: Contract, closed: Period, known: Known, facts: Facts, clock: int) -> Period | None:
    """The next invoice after a final one, for its corrections."""
    return next((period for period in open_periods(contract, known, facts, clock) if period.start >= closed.end), None)


def _correct(
    bill: Invoice, contract: Contract, closed: Period, billed: Sequence[Event], late: Sequence[Event], known: Known, folded: Folded, clock: int
) -> None:
    _mine(bill, contract, correction_items(contract, known.catalogue, folded.segments, closed, billed, late, clock))
    bill.corrected |= {event.place for event in late}


def _bill(bill: Invoice, contract: Contract, period: Period, known: Known, facts: Facts, folded: Folded, clock: int) -> None:
    """Usage, subscriptions in arrears and composites of one contract and period."""
    corrected = facts.corrected()
    usage = [event for event in known.usage(contract.id, period.start) if event.at < period.end and not (event.at >= period.start and event.place in corrected)]
    own = [*usage_items(contract, known.catalogue, folded.segments, period, usage, clock), *arrears(contract, known.catalogue, period)]
    _mine(bill, contract, [*own, *composite_items(contract, known.catalogue, period, own)])
    bill.billed |= {event.place for event in usage if event.at >= period.start}


def _mine(bill: Invoice, contract: Contract, items: Sequence[Item]) -> None:
    for item in items:
        item.owner = contract
    bill.undrawn = [*bill.undrawn, *items]


def _drawn(drafts: list[Invoice], known: Known, facts: Facts, folded: Folded, clock: int, *, pools: bool) -> list[Invoice]:
    """The drafts after draws, each in its turn, or the whole family in event order."""
    segments = [segment for segment in folded.segments if not over(segment, known, facts, clock)]
    for together in _together(drafts) if pools else [[draft] for draft in drafts]:
        if pools:
            whole = [(known.contracts[draft.contract].customer, draft.contract, draft.end, draft.undrawn) for draft in together]
            for draft, lines in zip(together, in_event_order(whole, known.catalogue, segments, folded.left, children(known)), strict=True):
                draft.lines = lines
            continue
        for draft in together:
            draft.lines = drawn(known.catalogue, draft.undrawn, segments, folded.left, children(known), {}, Paid(draft.undrawn))
    return drafts


def _together(drafts: Sequence[Invoice]) -> list[list[Invoice]]:
    """Drafts in order of time; those that overlap draw together."""
    found: list[list[Invoice]] = []
    for draft in sorted(drafts, key=lambda each: (each.start, each.contract)):
        if found and draft.start < max(each.end for each in found[-1]):
            found[-1].append(draft)
        else:
            found.append([draft])
    return found


def over(segment: Segment, known: Known, facts: Facts, clock: int) -> bool:
    """A grant that may roll over has nothing left once its contract was renewed and its invoices are final."""
    old = known.contracts[segment.grant.contract]
    starts = [span(each)[0] for each in known.contracts.values() if each.renews == old.id and span(each)[0] <= clock]
    if not starts or not segment.grant.rollover or segment.grant.rolled:
        return False
    payees = [each for each in known.contracts.values() if pays_for(segment.grant, each)]
    return not any(period.start < min(starts) for each in payees for period in open_periods(each, known, facts, clock))
