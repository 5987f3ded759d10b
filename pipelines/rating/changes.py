"""What contract-changes tell: contracts, moves of ids, actions; catalogues and generations are passed on. Pure, used by the step."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from contracts.contract import Contract
from pipelines.partitioning import partition_of
from pipelines.rating.accounts import WALL, terms_of
from pipelines.rating.clocks import Clocks
from pipelines.rating.hands import Hands
from pipelines.rating.inputs import Input
from pipelines.rating.memory import Accounts
from pipelines.rating.routes import Routes
from pipelines.rating.sweeps import Sweeps
from pipelines.rating.turns import Turns
from pipelines.replay.generations import KIND as REPLAY


class Place(NamedTuple):
    """A partition, and how many there are."""

    number: int
    of: int


class Changes:
    """Not thread safe."""

    def __init__(self, place: Place, accounts: Accounts, routes: Routes, hands: Hands, sweeps: Sweeps, turns: Turns, clocks: Clocks) -> None:
        self._place = place
        self._accounts = accounts
        self._routes = routes
        self._hands = hands
        self._sweeps = sweeps
        self._turns = turns
        self._clocks = clocks

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
        ids = (contract.customer, *contract.aliases)
        if before is None or before.version < change["version"]:
            self._join(ids, root, change["recorded_at"], new=account.empty)
        if account.contract(contract.id, terms_of(contract, change["version"]), change["body"], change["recorded_at"], change["effective_at"]):
            has = {each for terms in account.row.contracts.values() for each in (terms.customer, *terms.aliases)}
            for each in sorted(set(before.aliases) - has) if before else ():
                if self._routes.root(each) == root:
                    self._hands.leave(each, root)
                    self._routes.lead(each, None)
            for each in ids:
                self._routes.lead(each, root)
                self._routes.send_on(each, None)

    def _join(self, ids: Iterable[str], root: str, recorded_ms: int, *, new: bool) -> None:
        """Before the account knows that these ids are its own. `new`: it has no contract yet."""
        for each in ids:
            of = self._routes.root(each)
            if of not in (root, each):
                # It is another account's, whose contract says so in the next record of the edit.
                former = self._accounts.touch(of, recorded_ms)
                self._hands.leave(each, of)
                self._hands.join(each, root, recorded_ms)
                former.reread()
            elif of != root or new:
                self._hands.join(each, root, recorded_ms)

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
        self._hands.send(customer, root, change["recorded_at"])
