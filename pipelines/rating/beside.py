"""A generation in one partition of RATE: its twins' windows, and the turn in which accounts exchange them. Pure, used by the step.

Usage that METER wrote before it knew of an exchange has the names from before: of every event one delta is for the windows that are billed and
one for those beside, and each must find the set in which its other ones are. So its names are exchanged too when the account has had its turn.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, Literal

import msgspec

from contracts.twins import SEPARATOR, Scope, add, number_of, original, twin
from contracts.usage import Delta
from pipelines.rating import keys
from pipelines.rating.accounts import HeldAccount
from pipelines.rating.cells import Cells, Rows

PORTION: Final = 64
"""Accounts that take their turn in one go of the step: more would be felt as delay by the usage that goes on."""
LAST: Final = 256
"""But when no more are left than these, all of them do: readers stand still meanwhile, and each write is an answer of Kafka later."""


class GenerationRow(msgspec.Struct, array_like=True):
    """The generation that was begun last, as it stands in the partition."""

    number: int
    scope: Scope
    task: Literal["", "exchange", "drop"] = ""
    """What the accounts are doing."""
    after: bytes = keys.ACCOUNTS
    """Key of the last account that has done it."""
    offset: int = -1
    """The record that told them to."""
    exchanged: bool = False
    """There was an exchange."""
    over: bool = False
    """It is closed: usage of its twins is not kept any more."""


_DECODER: Final = msgspec.msgpack.Decoder(GenerationRow)


class Beside:
    """The generation of a partition. Not thread safe."""

    def __init__(self, cells: Cells, table: Rows) -> None:
        self._cells = cells
        stored = table.get(keys.GENERATION)
        self.row = _DECODER.decode(stored) if stored else None

    def begin(self, number: int, scope: Scope) -> None:
        self._keep(GenerationRow(number, scope))

    def tell(self, task: Literal["exchange", "drop"], number: int, offset: int) -> None:
        """All accounts are to exchange, or to forget, their twins' windows."""
        row = self.row
        if row is None or row.number != number:
            return
        self._keep(GenerationRow(number, row.scope, task, keys.ACCOUNTS, offset, row.exchanged or task == "exchange", task == "drop"))

    @property
    def working(self) -> GenerationRow | None:
        """Set while accounts have something to do."""
        return self.row if self.row is not None and self.row.task else None

    @property
    def exchanged(self) -> bool:
        """Names may have to be exchanged."""
        return self.row is not None and self.row.exchanged

    def next_accounts(self) -> tuple[list[bytes], bool]:
        """Keys of some accounts that may not have had their turn, and whether these are all."""
        found = [key for key, _ in islice(self._cells.scan(keys.ACCOUNTS, self.row.after if self.row else b""), LAST + 1)]
        return (found, True) if len(found) <= LAST else (found[:PORTION], False)

    def went(self, last: bytes | None) -> None:
        """Accounts up to `last` have had their turn; none: all."""
        row = self.row
        if row is not None:
            row.after, row.task = (last, row.task) if last is not None else (keys.ACCOUNTS, "")
            self._keep(row)

    def turn(self, account: HeldAccount) -> bool:
        """Let an account do what it has not done yet; whether its bill may be another one then."""
        row = self.working
        if row is None or (account.row.generation == row.number and row.offset in account.row.turns):
            return False
        account.row.turns = [*(account.row.turns if account.row.generation == row.number else ()), row.offset]
        account.row.generation = row.number
        if row.task == "exchange":
            return account.exchange(row.scope, row.number)
        account.drop(row.scope, row.number)
        return False

    def apart(self, deltas: Iterable[Delta]) -> tuple[list[Delta], list[Delta]]:
        """Usage of products, usage of twins."""
        own: list[Delta] = []
        beside: list[Delta] = []
        for each in deltas:
            (beside if SEPARATOR in each.product else own).append(each)
        return own, beside

    def renamed(self, account: HeldAccount, own: Sequence[Delta], beside: Sequence[Delta], documents: int) -> tuple[list[Delta], list[Delta]]:
        """The same under the names that hold in the account now; `documents`: how far METER knew contract-changes."""
        row = self.row
        if row is None or not row.exchanged or account.row.generation != row.number:
            return list(own), list(beside)
        exchanges = account.row.turns[:-1] if row.over else account.row.turns
        if sum(offset >= documents for offset in exchanges) % 2 == 0:
            return list(own), list(beside)
        here: list[Delta] = []
        there: list[Delta] = []
        for each in own:
            moved = row.scope.has(each.customer, each.catalogue, each.product, each.window_ms) and not account.is_fixed(each)
            (there if moved else here).append(each._replace(product=twin(each.product, row.number)) if moved else each)
        for each in beside:
            moved = number_of(each.product) == row.number and not account.is_fixed(each)
            (here if moved else there).append(each._replace(product=original(each.product)) if moved else each)
        return here, there

    def keep(self, deltas: Sequence[Delta]) -> None:
        """Usage of twins."""
        row = self.row
        if row is not None and not row.over:
            add(self._cells, row.scope, [each for each in deltas if number_of(each.product) == row.number])

    def _keep(self, row: GenerationRow) -> None:
        self.row = row
        self._cells.write(keys.GENERATION, msgspec.msgpack.encode(row))
