"""A case rated offline: the same accounts that the stream drives, told everything in the order in which it was recorded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from contracts.account import Account
from contracts.case import Action, Case, Edit, UsageEvent, contracts_of, events
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import ActionError
from contracts.families import Families
from contracts.instants import instant_ms
from contracts.metering import Limits, Metering
from contracts.result import Reject, Result
from contracts.usage import Delta

__all__ = ["Ledger", "Look", "Memory", "Step", "beginning_ms", "period_start_ms", "rate", "steps"]


class Memory:
    """Windows of an account in a dict (`contracts.account.UsageStore`)."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str, int], bytes] = {}

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None:
        return self._cells.get((customer, catalogue, product, day))

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None:
        self._cells[customer, catalogue, product, day] = cell


class Ledger:
    """All accounts and what they were told. Inputs come in the order of recording; not thread safe."""

    def __init__(self) -> None:
        self.catalogues: dict[str, Catalogue] = {}
        """Newest versions, by id."""
        self._told: dict[str, int] = {}
        self._accounts: dict[str, Account] = {}
        self._families = Families()
        self._usage: dict[str, list[Delta]] = {}
        """By the id under which it arrived: it waits for a contract, and moves when an id comes to another family."""
        self._has: dict[tuple[str, str], int] = {}
        """How many of an id's deltas an account has, by (root, id): an id that comes back to a family brings what that does not have."""

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """Newest versions, by id."""
        return self._families.contracts

    def record_catalogue(self, catalogue: Catalogue, recorded_ms: int) -> None:
        """A new version of a catalogue."""
        self.catalogues[catalogue.id] = catalogue
        self._told[catalogue.id] = recorded_ms
        for account in self._accounts.values():
            account.record_catalogue(catalogue, recorded_ms)

    def record_contracts(self, contracts: Iterable[Contract], recorded_ms: int) -> None:
        """New contracts or new versions, recorded together."""
        given = list(contracts)
        before = self._families
        after, concerned = before.edited(given)
        self._families = after
        for contract in given:
            self._account(after.root(contract.customer)).record_contract(contract, recorded_ms)
        for customer in sorted(concerned & after.roots.keys()):
            root = after.root(customer)
            if before.root(customer) != root and (usage := self._usage.get(customer, ())[self._has.get((root, customer), 0) :]):
                # To the family that takes it over it is recorded when it comes: as in the stream, where it is transferred then.
                moved = [delta._replace(recorded_ms=max(recorded_ms, delta.recorded_ms), sequence=None) for delta in usage]
                self._tell(root, moved)

    def record_usage(self, deltas: Iterable[Delta]) -> None:
        """Usage in the order of arrival."""
        by_root: dict[str, list[Delta]] = {}
        for delta in deltas:
            self._usage.setdefault(delta.customer, []).append(delta)
            by_root.setdefault(self._families.root(delta.customer), []).append(delta)
        for root, given in by_root.items():
            if root in self._accounts:
                self._tell(root, given)

    def record_action(self, name: str, contract: str, starting_ms: int, recorded_ms: int) -> None:
        """`void`, `regenerate` or `finalize` an invoice. Raises TaximeterError when that cannot be."""
        if contract not in self.contracts:
            raise ActionError(f"{name}: contract {contract!r} is not recorded yet; let the action come after it")
        self._accounts[self._families.root(self.contracts[contract].customer)].record_action(name, contract, starting_ms, recorded_ms)

    def account_of(self, customer: str) -> Account | None:
        """The account that has the usage of a customer id or alias; none: nobody has a contract for it."""
        return self._accounts.get(self._families.root(customer))

    def result(self, now_ms: int) -> Result:
        """What all accounts show when the clock stands at `now_ms`."""
        parts = []
        for account in self._accounts.values():
            account.advance(now_ms)
            parts.append(account.result())
        return Result(
            tuple(invoice for part in parts for invoice in part.invoices),
            tuple(balance for part in parts for balance in part.balances),
            tuple(alert for part in parts for alert in part.alerts),
            (),
        )

    def _account(self, root: str) -> Account:
        account = self._accounts.get(root)
        if account is None:
            account = self._accounts[root] = Account(root, Memory())
            for name, catalogue in self.catalogues.items():
                account.record_catalogue(catalogue, self._told[name])
            # Usage of a customer whom nobody knew was there before the contract, as its windows are in the stream.
            if root in self._usage:
                self._tell(root, self._usage[root])
        return account

    def _tell(self, root: str, usage: Sequence[Delta]) -> None:
        """The account has all of these ids then."""
        self._accounts[root].record_usage(usage)
        self._has |= {(root, each): len(self._usage[each]) for each in {delta.customer for delta in usage}}


class Look(NamedTuple):
    """The clock stands at the time of the step, and the result is read: reading `number` of the case."""

    number: int


class Step(NamedTuple):
    """What is recorded at one time; of one time documents come before actions, actions before usage, usage before a look."""

    at_ms: int
    what: Edit | Action | list[UsageEvent] | Look


def beginning_ms(case: Case) -> int:
    """When the first documents of a case are recorded: before everything else, and not after a contract starts."""
    times = [instant_ms(contract.starting_at, contract.billing.timezone) for contract in case.contracts]
    times += [event.recorded_ms for event in events(case)]
    times += [instant_ms(edit.at) for edit in case.edits] + [instant_ms(action.at) for action in case.actions]
    return min([*times, *_looks(case)])


def _looks(case: Case) -> list[int]:
    return [instant_ms(reading.as_of) for reading in case.readings] or [instant_ms(case.as_of or "")]


def steps(case: Case) -> Iterator[Step]:
    """Everything behind the first documents in the order of recording, usage in runs between the others; nothing that comes after the last look."""
    looks = _looks(case)
    marks: list[tuple[int, int, Any]] = [(instant_ms(edit.at), 0, edit) for edit in case.edits]
    marks += [(instant_ms(action.at), 1, action) for action in case.actions]
    marks += [(moment, 3, Look(number)) for number, moment in enumerate(looks)]
    marks.sort(key=lambda mark: mark[:2])
    arrived = sorted(events(case), key=lambda event: event.recorded_ms)
    place = 0
    for at_ms, order, what in marks:
        if at_ms > max(looks):
            return
        start = place
        while place < len(arrived) and (arrived[place].recorded_ms, 2) < (at_ms, order):
            place += 1
        if place > start:
            yield Step(arrived[place - 1].recorded_ms, arrived[start:place])
        yield Step(at_ms, what)


def period_start_ms(action: Action, contracts: Iterable[Contract]) -> int:
    """The start of the period that an action names; a date is midnight where the contract is billed."""
    zones = [contract.billing.timezone for contract in contracts if contract.id == action.target.contract]
    return instant_ms(action.target.starting_at, *zones[-1:])


def rate(case: Case, limits: Limits | None = None) -> list[Result]:
    """The result at each reading of a case that was checked (`contracts.loading.read_case`), in the order of the case.

    Raises TaximeterError when an action cannot be done.
    """
    start_ms = beginning_ms(case)
    metering, ledger = Metering(limits, keeps=True), Ledger()
    ledger.record_catalogue(case.catalogue, start_ms)
    ledger.record_contracts(case.contracts, start_ms)
    rejected: list[Reject] = []
    results: dict[int, Result] = {}
    for at_ms, what in steps(case):
        if isinstance(what, Look):
            results[what.number] = ledger.result(at_ms)._replace(rejected=tuple(rejected))
        elif isinstance(what, list):
            metering.prepare(ledger.catalogues.values(), ledger.contracts)
            metered = metering.take(what)
            rejected += metered.rejected
            ledger.record_usage(metered.deltas)
        elif isinstance(what, Action):
            ledger.record_action(what.name, what.target.contract, period_start_ms(what, contracts_of(case)), at_ms)
        elif what.catalogue is not None:
            ledger.record_catalogue(what.catalogue, at_ms)
            metering.prepare(ledger.catalogues.values(), ledger.contracts)
            ledger.record_usage(metering.backfill())
        elif what.contract is not None:
            ledger.record_contracts([what.contract], at_ms)
    return [result for _, result in sorted(results.items())]
