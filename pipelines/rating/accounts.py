"""One account as RATE holds it: the pricing core's state machine, what RATE must know beside it, and what was last published of it."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from contracts import twins
from contracts.account import Account
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.result import Alert, Result
from contracts.twins import Scope
from contracts.usage import Delta
from pipelines.rating import rows
from pipelines.rating.cells import Cells
from pipelines.rating.emission import EMPTY
from pipelines.rating.rows import AccountRow, CatalogueRow, Pending, Terms

WALL: Final = "wall"
ACCOUNT_BYTES: Final = 9_000
STORED_TIMES: Final = 12
"""What its documents and final invoices take in memory, as measured, for each byte of its row."""


class HeldAccount:
    """An account in memory. Every method that gives input counts as a touch: the result must be looked at again.

    `shown` is the result as of the last write. It need not be stored: a result is a function of the state, so after a restart it is
    worked out from the state that was written.
    """

    def __init__(self, root: str, stored: bytes | None, cells: Cells, catalogues: Mapping[str, Mapping[int, Catalogue]]) -> None:
        """`stored`: its row. `catalogues`: by id and version, all that an account may know."""
        self.root = root
        self._cells = cells
        self.row = rows.decode_account(stored) if stored else AccountRow()
        self.known = stored is not None
        """It has been written, so it is in the table."""
        known = {name: catalogues[name][version] for name, version in self.row.catalogues.items()}
        self._account = Account.restore(root, self.row.snapshot, cells, known) if stored else Account(root, cells)
        self.shown: Result = self._account.result() if stored and self.row.contracts else EMPTY
        self._account.trim()
        self.doubtful = False
        """What is shown may not have been published: all of it is published again."""
        self.told: int | None = None
        """How many new versions of catalogues there had been when it was told of them last."""
        self.weight = 0
        """Its `size` when it was weighed last."""
        self.recorded_ms = 0
        """Arrival of what touched it since the last write."""

    @property
    def empty(self) -> bool:
        """It has no contract: it only keeps usage of an id that nobody knows yet."""
        return not self.row.contracts

    def catalogue(self, name: str, held: CatalogueRow, decoded: Catalogue) -> bool:
        """Tell the account the version that holds, unless it knows; whether it was news.

        Catalogues are recorded in wall time, so an account on a test clock takes them where it stands, and so does one that has no clock yet.
        """
        if self.row.catalogues.get(name, 0) >= held.version:
            return False
        if self.row.clock == WALL and not self.empty:
            self._reach(held.recorded_ms)
        self._account.record_catalogue(decoded, self.row.now_ms)
        self.row.catalogues[name] = held.version
        return True

    def contract(self, name: str, terms: Terms, body: str, recorded_ms: int, effective_ms: int | None) -> bool:
        """A version of a contract: holds now, or from its time on. False when a higher version is known already."""
        later = [each for each in self.row.pending.get(name, []) if each.version >= terms.version]
        known = self.row.contracts.get(name)
        if later or (known is not None and known.version >= terms.version):
            return False
        if not self.row.contracts:
            self.row.clock = terms.clock
        self.row.contracts[name] = terms
        self._reach(recorded_ms)
        if effective_ms is not None and effective_ms > self.row.now_ms:
            self.row.pending.setdefault(name, []).append(Pending(effective_ms, terms.version, body))
        else:
            self._take(name, terms.version, body, self.row.now_ms)
        return True

    def usage(self, deltas: Iterable[Delta], *, moved: bool) -> None:
        """Usage in order of arrival, all of one metered record. `moved`: ids bring it along."""
        given = list(deltas)
        self._reach(max(each.recorded_ms for each in given))
        self._account.record_usage(given, moved=moved)

    def action(self, action: str, contract: str, starting_ms: int, recorded_ms: int) -> None:
        """Raises TaximeterError when it cannot be done."""
        self._reach(recorded_ms)
        self._account.record_action(action, contract, starting_ms, self.row.now_ms)

    def exchange(self, scope: Scope, number: int) -> bool:
        """Windows and their twins of the generation change places; whether any did, and something may be billed otherwise then."""
        if not twins.exchange(self._cells, scope, number, self._ids(), self._account.is_fixed):
            return False
        self._account.reread(None if self.empty else self.row.now_ms, scope.products)
        return not self.empty

    def drop(self, scope: Scope, number: int) -> None:
        """Forget the windows of a generation's twins."""
        twins.drop(self._cells, scope, number, self._ids())

    def is_fixed(self, delta: Delta) -> bool:
        """The usage is of an invoice that is final."""
        return self._account.is_fixed(delta.customer, delta.catalogue, delta.group, delta.window_ms)

    def _ids(self) -> set[str]:
        """Under which its usage arrives."""
        return {self.root} | {each for terms in self.row.contracts.values() for each in (terms.customer, *terms.aliases)}

    def advance(self, now_ms: int) -> None:
        """Move the account's clock and do what is due."""
        self._reach(now_ms)
        self._account.advance(self.row.now_ms)

    def due_ms(self) -> int | None:
        """The next instant at which `advance` would change something."""
        if self.empty:
            return None
        times = [pending.effective_ms for each in self.row.pending.values() for pending in each]
        due = self._account.next_due_ms()
        return min([*times, due]) if due is not None else min(times, default=None)

    def result(self) -> Result:
        return EMPTY if self.empty else self._account.result()

    def alerts(self) -> list[Alert]:
        return self._account.take_alerts()

    def stored(self) -> bytes:
        """The row to write."""
        self.row.due_ms = self.due_ms()
        self.row.snapshot = self._account.snapshot(catalogues=False)
        self.known = True
        return rows.encode(self.row)

    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return ACCOUNT_BYTES + STORED_TIMES * len(self.row.snapshot) + self._account.size()

    def _reach(self, now_ms: int) -> None:
        """The account's time goes on, with the versions that begin to hold on the way."""
        self._mature(now_ms)
        self.row.now_ms = max(self.row.now_ms, now_ms)

    def _mature(self, now_ms: int) -> None:
        """Record the versions whose time comes by `now_ms`, in order of time."""
        while self.row.pending:
            name, first = min(
                ((name, pending) for name, each in self.row.pending.items() for pending in each),
                key=lambda pair: (pair[1].effective_ms, pair[1].version),
            )
            if first.effective_ms > now_ms:
                break
            self.row.now_ms = max(self.row.now_ms, first.effective_ms)
            self._take(name, first.version, first.body, self.row.now_ms)

    def _take(self, name: str, version: int, body: str, at_ms: int) -> None:
        """A version holds; earlier ones that are still to come are overtaken: at any time the highest that has begun holds."""
        rest = [each for each in self.row.pending.get(name, []) if each.version > version]
        if rest:
            self.row.pending[name] = rest
        else:
            self.row.pending.pop(name, None)
        self._account.record_contract(msgspec.json.decode(body, type=Contract, strict=False), at_ms)


def terms_of(contract: Contract, version: int) -> Terms:
    """What RATE must know of a contract."""
    usage = [threshold.id for threshold in contract.thresholds if threshold.measure == "usage"]
    return Terms(version, contract.customer, list(contract.aliases), contract.clock, contract.catalogue, usage)


def currencies(account: HeldAccount, catalogues: Mapping[str, Catalogue]) -> dict[str, str]:
    """ISO code by contract."""
    return {name: catalogues[terms.catalogue].currency for name, terms in account.row.contracts.items() if terms.catalogue in catalogues}
