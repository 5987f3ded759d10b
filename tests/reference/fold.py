"""Section 4 and 5: the drafts of all open periods at a clock, folded in order over the final draws, which are facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from contracts.contract import Contract
from tests.reference.adjustments import adjusted
from tests.reference.draws import Key, drawn
from tests.reference.events import Event, Known
from tests.reference.grants import Segment, pays_for, segments_of
from tests.reference.lines import Item, Period, composite_items, correction_items, usage_items
from tests.reference.money import places, round_money
from tests.reference.schedules import arrears
from tests.reference.times import DAY, FOREVER, HOUR, anchor_of, duration, opt, parse, periods

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
        return sum((line.amount for line in self.lines), Fraction(0)) - sum(
            (line.amount for line in self.lines if line.commit and line.kind in DRAWN and line.extra["segment"].grant.type != "postpaid"), Fraction(0)
        )

    def draws(self) -> dict[Key, Fraction]:
        found: dict[Key, Fraction] = {}
        for line in self.lines:
            if line.commit and line.kind in DRAWN:
                key = line.extra["segment"].key
                found[key] = found.get(key, Fraction(0)) + line.amount
        return found


DRAWN = {"usage", "correction", "subscription", "composite", "minimum"}


@dataclass
class Facts:
    """What is final."""

    invoices: list[Invoice] = field(default_factory=list)
    issued: set[tuple[str, ...]] = field(default_factory=set)
    true_ups: set[tuple[str, str]] = field(default_factory=set)

    def standing(self) -> Iterable[Invoice]:
        return (invoice for invoice in self.invoices if invoice.status == "final")

    def closed(self, contract: str) -> dict[int, Invoice]:
        """Newest final or void usage invoice by start."""
        return {invoice.start: invoice for invoice in self.invoices if invoice.kind == "usage" and invoice.contract == contract}

    def corrected(self, contract: str) -> set[int]:
        return {place for invoice in self.standing() if invoice.contract == contract for place in invoice.corrected}


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


def open_periods(contract: Contract, facts: Facts, clock: int) -> list[Period]:
    closed = facts.closed(contract.id)
    return [period for period in all_periods(contract, clock) if period.start not in closed]


def late_of(contract: Contract, known: Known, facts: Facts, clock: int) -> list[tuple[Period, list[Event], list[Event]]]:
    """(final period, events billed so far, events that came late) where there are such."""
    found = []
    usage = known.usage(contract.id)
    corrected = facts.corrected(contract.id)
    closed = facts.closed(contract.id)
    for period in all_periods(contract, clock):
        invoice = closed.get(period.start)
        if invoice is None or invoice.status != "final":
            continue
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
        pools = {s.key for s in segments if any(each.id != s.grant.contract and pays_for(s.grant, each) for each in family)}
        if not pools:
            family = [contract]
        for each in family:
            _roll(each, known, facts, folded, clock, spent)
        if pools:
            folded.drafts += _shared(family, pools, known, facts, folded, clock)
        else:
            folded.drafts += _drafts(contract, known, facts, folded, clock, folded.left)
        done |= {each.id for each in family}
    return folded


def top(contract: Contract, known: Known) -> str:
    while contract.parent is not None and contract.parent in known.contracts:
        contract = known.contracts[contract.parent]
    return contract.id


def children(known: Known) -> dict[str, int]:
    found: dict[str, int] = {}
    for contract in known.contracts.values():
        if contract.parent is not None:
            found[contract.parent] = found.get(contract.parent, 0) + 1
    return found


def _roll(contract: Contract, known: Known, facts: Facts, folded: Folded, clock: int, spent: dict[Key, Fraction]) -> None:
    """At its start a renewal takes the rests over, as far as `rollover` of the granted amount; the old commit has nothing left."""
    start, end = span(contract)
    old = known.contracts.get(contract.renews or "")
    if old is None or start > clock:
        return
    own = [s for s in folded.segments if s.grant.contract == old.id and s.grant.rollover and s.grant.type != "postpaid" and not s.grant.rolled and s.start < start]
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


def _drafts(contract: Contract, known: Known, facts: Facts, folded: Folded, clock: int, balance: dict[Key, Fraction], hour: int | None = None) -> list[Invoice]:
    """Drafts of a contract's open periods in order, drawing on `balance`. With `hour`: only usage before the hour's end, and what else is over by then."""
    found: list[Invoice] = []
    usage = [event for event in known.usage(contract.id) if hour is None or event.at < hour + HOUR]
    corrected = facts.corrected(contract.id)
    seen = clock if hour is None else min(clock, hour + HOUR)
    renewed = any(each.renews == contract.id and span(each)[0] <= clock for each in known.contracts.values())
    for number, period in enumerate(open_periods(contract, facts, clock)):
        own = [event for event in usage if event.at < period.end and not (event.at >= period.start and event.place in corrected)]
        items = usage_items(contract, known.catalogue, folded.segments, period, own, seen)
        places_ = {event.place for event in own if event.at >= period.start}
        late: set[int] = set()
        if number == 0 and contract.late_usage == "next_invoice":
            for closed, billed, events in late_of(contract, known, facts, clock):
                events = [event for event in events if hour is None or event.at < hour + HOUR]
                items += correction_items(contract, known.catalogue, folded.segments, closed, billed, events, clock)
                late |= {event.place for event in events}
        if hour is None or period.end <= hour:
            items += arrears(contract, known.catalogue, period)
            items += composite_items(contract, known.catalogue, period, [item for item in items if item.kind != "correction"])
        items = adjusted(contract, known.catalogue, period, items, seen if hour is None or period.end <= hour else period.start)
        paying = [s for s in folded.segments if not (renewed and not open_periods(contract, facts, clock) and s.grant.contract == contract.id and s.grant.rollover)]
        lines = drawn(contract, known.catalogue, items, paying, balance, children(known))
        found.append(Invoice(contract.id, "usage", "draft", period.start, period.end, period.end, lines, places_, late, items))
    return found


def _shared(family: Sequence[Contract], pools: set[Key], known: Known, facts: Facts, folded: Folded, clock: int) -> list[Invoice]:
    """Section 4.8: a family draws its pools in the order of its hours of usage, then customer id. Each hour everything is folded anew; a
    contract may draw what it holds of a pool and what nobody holds."""
    family = sorted(family, key=lambda each: (each.customer, each.id))
    held: dict[tuple[str, Key], Fraction] = {}
    hours: set[int] = set()
    for contract in family:
        windows = [(p.start, p.end) for p in open_periods(contract, facts, clock)] + [(p.start, p.end) for p, _, _ in late_of(contract, known, facts, clock)]
        for start, end in windows:
            hours |= {event.at // HOUR * HOUR for event in known.usage(contract.id) if start <= event.at < end}
            hours |= {end} if end <= clock else set()
    start_left = dict(folded.left)
    drafts: list[Invoice] = []
    for hour in [*sorted(hours), None]:
        drafts = []
        for contract in family:
            balance = dict(start_left)
            for pool in pools:
                balance[pool] = start_left[pool] - sum((amount for (who, key), amount in held.items() if key == pool and who != contract.id), Fraction(0))
            made = _drafts(contract, known, facts, folded, clock, balance, hour)
            for pool in pools:
                held[contract.id, pool] = sum((invoice.draws().get(pool, Fraction(0)) for invoice in made), Fraction(0))
            drafts += made
    for invoice in drafts:
        for key, amount in invoice.draws().items():
            folded.left[key] -= amount
    return drafts
