"""Section 5: time goes on: what arrives, what is edited, what becomes final, what a person does."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import msgspec

from contracts.case import Action, Case, Edit
from contracts.contract import Contract
from tests.reference.alerts import Alert, Watch
from tests.reference.draws import Key
from tests.reference.events import Event, Known, all_events, judged
from tests.reference.fold import Facts, Folded, Invoice, all_periods, fold, grace, home, late_of, next_open, open_periods, span
from tests.reference.grants import Segment, pays_for, segments_of
from tests.reference.lines import Item
from tests.reference.schedules import scheduled
from tests.reference.times import FOREVER, anchor_of, parse, period_at


@dataclass
class Books:
    """A case up to a moment."""

    case: Case
    known: Known
    now: int = -FOREVER
    arrived: list[Event] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)
    watch: Watch = field(default_factory=Watch)


def books_at(case: Case, as_of: int) -> Books:
    """Everything that has happened up to and including `as_of`, from nothing."""
    known = Known(case.catalogue, {contract.id: contract for contract in case.contracts}, [], [])
    books = Books(case, known)
    happenings: list[tuple[int, int, int, Edit | Action | Event]] = []
    happenings += [(parse(edit.at), 1, number, edit) for number, edit in enumerate(case.edits)]
    happenings += [(parse(action.at), 2, number, action) for number, action in enumerate(case.actions)]
    happenings += [(event.recorded, 3, event.place, event) for event in all_events(case)]
    for at, _, _, what in sorted((each for each in happenings if each[0] <= as_of), key=lambda each: each[:3]):
        pass_time(books, at)
        if isinstance(what, Event):
            books.arrived.append(what)
            events, rejected = judged(books.arrived, books.known.catalogue)
            books.known = books.known._replace(events=[each for each in events if each.place not in books.facts.dropped], rejected=rejected)
        elif isinstance(what, Action):
            act(books, what, at)
        elif what.contract is not None:
            books.known = books.known._replace(contracts={**books.known.contracts, what.contract.id: what.contract})
        elif what.catalogue is not None:
            books.known = books.known._replace(catalogue=what.catalogue)
        pass_time(books, at)
        books.watch.read(books.known, books.facts, at)
    pass_time(books, as_of)
    return books


def pass_time(books: Books, to: int) -> None:
    """The clock goes to `to`; what falls due on the way becomes final in order."""
    while True:
        due = [each for each in _due(books) if each[0] <= to]
        moments = list(books.watch.moments(books.known, books.now, to))
        if not due and not moments:
            break
        at = min([each[0] for each in due] + moments)
        books.now = max(books.now, at)
        if due and min(each[0] for each in due) <= at:
            _, _, name, key = min(due)
            contract = books.known.contracts[name]
            if key[0] == "correction":
                freeze(books, contract, int(key[1]), books.now, "correction")
                del books.facts.corrections[name]
            elif key[0] == "usage":
                freeze(books, contract, int(key[1]), books.now)
            else:
                issue(books, contract, key, books.now)
            _follow(books)
        if at in moments:
            books.watch.read(books.known, books.facts, books.now)
    books.now = max(books.now, to)
    _follow(books)


def _due(books: Books) -> Iterable[tuple[int, int, str, tuple[str, ...]]]:
    """(instant, rank, contract, what) of everything that is not final yet, near enough."""
    for contract in books.known.contracts.values():
        until = _latest(books.case)
        for period in open_periods(contract, books.known, books.facts, until) if home(contract, books.known) is contract else ():
            at = books.facts.reopened.get((contract.id, period.start), 0)
            yield max(at, period.end + grace(contract)), 0, contract.id, ("usage", str(period.start))
        if contract.id in books.facts.corrections:
            since, at = books.facts.corrections[contract.id]
            yield at, 0, contract.id, ("correction", str(since))
        for each in scheduled(contract, books.known.catalogue, until):
            if (contract.id, *each.key) not in books.facts.issued:
                yield each.at, 1, contract.id, each.key


def _latest(case: Case) -> int:
    return max(parse(each) for each in [*([case.as_of] if case.as_of else []), *(reading.as_of for reading in case.readings)])


def freeze(books: Books, contract: Contract, start: int, at: int, kind: str = "usage") -> None:
    """The draft of a period becomes final."""
    books.facts.closing = (contract.id, start)
    folded = fold(books.known, books.facts, at)
    books.facts.closing = None
    for draft in folded.drafts:
        if (draft.contract, draft.start, draft.kind) == (contract.id, start, kind):
            books.facts.invoices.append(replace(draft, status="final"))
            return


def issue(books: Books, contract: Contract, key: tuple[str, ...], at: int) -> None:
    for each in scheduled(contract, books.known.catalogue, at):
        if each.key == key:
            books.facts.issued.add((contract.id, *key))
            books.facts.invoices.append(Invoice(home(contract, books.known).id, "scheduled", "final", each.item.start, each.item.end, each.at, [each.item]))
            return


def _follow(books: Books) -> None:
    """What follows from other things: late usage of closed invoices, true-ups."""
    for contract in books.known.contracts.values():
        late = late_of(contract, books.known, books.facts, books.now)
        if late and home(contract, books.known).late_usage == "drop":
            books.facts.dropped |= {event.place for _, _, events in late for event in events}
            books.known = books.known._replace(events=[each for each in books.known.events if each.place not in books.facts.dropped])
        elif late and contract.late_usage == "reopen":
            for period, _, _ in late:
                closed = books.facts.closed(home(contract, books.known).id, period.start)
                if closed is not None:
                    books.facts.invoices = [i for i in books.facts.invoices if i is not closed]
                    books.facts.reopened[closed.contract, closed.start] = books.now + grace(home(contract, books.known))
        elif late and contract.late_usage == "next_invoice" and _over(contract, books):
            last = home(contract, books.known)
            if any(next_open(last, period, books.known, books.facts, books.now) is None for period, _, _ in late):
                books.facts.corrections.setdefault(last.id, _behind(last, books.now))
    _true_ups(books)


def _over(contract: Contract, books: Books) -> bool:
    """No further period will come."""
    return span(contract)[1] <= books.now


def _behind(contract: Contract, now: int) -> tuple[int, int]:
    """Periods go on behind a contract's end: start of the first whose draft is not final at `now`, and when it is."""
    zone = contract.billing.timezone
    start, at = span(contract)
    while True:
        end = period_at(anchor_of(contract.billing.anchor, start, zone), contract.billing.period, zone, at)[1]
        if end + grace(contract) > now:
            return at, end + grace(contract)
        at = end


class RefusedError(Exception):
    """An action that cannot be done."""


def act(books: Books, action: Action, at: int) -> None:
    target = action.void or action.regenerate or action.finalize
    assert target is not None
    contract = books.known.contracts.get(target.contract)
    if contract is None:
        raise RefusedError("nobody knows that contract yet")
    start = parse(target.starting_at, contract.billing.timezone)
    standing = [i for i in books.facts.invoices if i.contract == contract.id and i.kind == "usage" and i.start == start]
    if action.void is not None:
        if not any(invoice.status == "final" for invoice in standing):
            raise RefusedError("only a final invoice can be voided")
        for invoice in standing:
            invoice.status = "void"
    elif action.regenerate is not None:
        if not standing:
            raise RefusedError("only an invoice that was final can be regenerated")
        books.facts.invoices = [i for i in books.facts.invoices if i not in standing]
        freeze(books, contract, start, at)
    elif standing or not any(period.start == start for period in open_periods(contract, books.known, books.facts, at)):
        raise RefusedError("there is no such draft to finalize")
    else:
        freeze(books, contract, start, at)


def access_of(contract: Contract, commit: str, books: Books) -> list[Segment]:
    only = msgspec.structs.replace(contract, credits=[], recurring_credits=[], recurring_commits=[], commits=[c for c in contract.commits if c.id == commit])
    return segments_of(only, books.known.catalogue, FOREVER)


def _true_ups(books: Books) -> None:
    """A true-up is final after the last usage invoice of its access."""
    for contract in list(books.known.contracts.values()):
        for commit in contract.commits:
            if commit.type != "postpaid" or (contract.id, commit.id) in books.facts.true_ups:
                continue
            access = access_of(contract, commit.id, books)
            end = max(segment.end for segment in access)
            last = [_last_closed(each, end, books) for each in books.known.contracts.values() if pays_for(access[0].grant, each)]
            if not all(last):
                continue
            invoice = true_up(contract, commit.id, access, fold(books.known, books.facts, books.now), books)
            invoice.status = "final"
            books.facts.invoices.append(invoice)
            books.facts.true_ups.add((contract.id, commit.id))


def _last_closed(contract: Contract, end: int, books: Books) -> bool:
    """The usage invoice that holds the last instant before `end` is no draft any more."""
    last = min(end, span(contract)[1])
    if last > books.now:
        return False
    inside = [period for period in all_periods(contract, books.now) if period.start < last]
    if not inside:
        return last + grace(contract) <= books.now
    return books.facts.closed(home(contract, books.known).id, inside[-1].start) is not None


def true_up(contract: Contract, commit: str, access: list[Segment], folded: Folded, books: Books) -> Invoice:
    """max(0, commit − applied), as a draft."""
    granted = sum((segment.amount for segment in access), Fraction(0))
    applied = applied_to({segment.key for segment in access}, folded, books.facts)
    amount = max(Fraction(0), granted - applied)
    item = next(each for each in contract.commits if each.id == commit).invoice[0]
    start, end = min(s.start for s in access), max(s.end for s in access)
    line = Item("true_up", None, (), start, end, None, None, amount, commit=commit)
    return Invoice(contract.id, "true_up", "draft", start, end, parse(item.at, contract.billing.timezone), [line])


def applied_to(keys: set[Key], folded: Folded, facts: Facts) -> Fraction:
    """Draws, final and draft."""
    return sum((amount for invoice in (*facts.standing(), *folded.drafts) for key, amount in invoice.draws().items() if key in keys), Fraction(0))


__all__ = ["Alert", "Books", "access_of", "applied_to", "books_at", "true_up"]
