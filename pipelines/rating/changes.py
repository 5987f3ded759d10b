"""What contract-changes tell: contracts, moves of ids, actions; catalogues and generations are passed on. Pure, used by the step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from contracts.contract import Contract
from pipelines.partitioning import partition_of
from pipelines.rating import keys, moves
from pipelines.rating.accounts import WALL, terms_of
from pipelines.rating.cells import Cells
from pipelines.rating.clocks import Clocks
from pipelines.rating.inputs import Input
from pipelines.rating.memory import Accounts
from pipelines.rating.routes import Routes
from pipelines.rating.sweeps import Sweeps
from pipelines.rating.turns import Turns
from pipelines.rating.usage import Send
from pipelines.replay.generations import KIND as REPLAY


class Place(NamedTuple):
    """A partition, and how many there are."""

    number: int
    of: int


class Changes:
    """Not thread safe."""

    def __init__(self, place: Place, cells: Cells, accounts: Accounts, routes: Routes, sweeps: Sweeps, turns: Turns, clocks: Clocks, send: Send) -> None:
        self._place = place
        self._cells = cells
        self._accounts = accounts
        self._routes = routes
        self._sweeps = sweeps
        self._turns = turns
        self._clocks = clocks
        self._send = send

    def apply(self, record: Input) -> None:
        """Raises TaximeterError when the change cannot be done; then nothing has changed."""
        change = record.value
        kind = change["kind"]
        if kind == "catalogue":
            self._sweeps.take(change, record.offset, self._clocks.now_ms(WALL))
        elif kind == "contract":
            self._contract(change, record.recorded_ms)
        elif kind == "move":
            self._move(change)
        elif kind == REPLAY:
            self._turns.take(change, record.offset)
        elif kind == "action":
            body = msgspec.json.decode(change["body"])
            account = self._accounts.touch(change["root"] or change["customer"], record.recorded_ms)
            account.action(body["action"], body["contract"], body["starting_at"], change["recorded_at"])

    def _contract(self, change: Mapping[str, Any], recorded_ms: int) -> None:
        contract = msgspec.json.decode(change["body"], type=Contract, strict=False)
        root = change["root"] or contract.customer
        account = self._accounts.touch(root, recorded_ms, contract.catalogue)
        before = account.row.contracts.get(contract.id)
        if account.contract(contract.id, terms_of(contract, change["version"]), change["body"], change["recorded_at"], change["effective_at"]):
            left = set(before.aliases) if before else set()
            ids = {each for terms in account.row.contracts.values() for each in (terms.customer, *terms.aliases)}
            for each in left - ids:
                self._routes.lead(each, None)
            for each in (contract.customer, *contract.aliases):
                self._routes.lead(each, root)
                self._routes.send_on(each, None)

    def _move(self, change: Mapping[str, Any]) -> None:
        """The usage of an id belongs to another root from now on: told to the partition where it was and to that where it will be."""
        customer, root = change["id"], change["root"]
        # Accounts know windows by heart: those of the id change hands now.
        self._accounts.outdated = True
        if customer != root:
            self._accounts.forget(customer)
        if partition_of(root, self._place.of) == self._place.number:
            self._routes.lead(customer, None if customer == root else root)
            self._routes.send_on(customer, None)
            return
        self._routes.lead(customer, None)
        self._routes.send_on(customer, root)
        found = sorted(self._cells.scan(keys.cells(customer)))
        for deltas in moves.portions(found, change["recorded_at"]):
            self._send(root, deltas)
        for key, _ in found:
            self._cells.write(key, None)
