"""Everything that is rated together, and the fold over it.

An account is a root customer with all contracts of the family: its own, those of children that a parent pays or shares with,
and all ids (aliases) under which their usage arrives. It is a deterministic state machine over recorded inputs:
the offline command, the stream, the preview and the replay drive this one class, so they cannot disagree.

Inputs come in the order in which they were recorded; each advances the account's clock to its `recorded_ms` first, so
everything that was due by then (finalization, grants, expiries, alerts) happens before it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.explain import Explanation, explain
from contracts.facts import Facts
from contracts.life import Life
from contracts.reading import alert_of, read
from contracts.result import Alert, Result
from contracts.usage import Delta
from contracts.windows import Products, UsageStore

__all__ = ["Account", "UsageStore"]


class _Snapshot(msgspec.Struct, array_like=True):
    contracts: dict[str, Contract]
    catalogues: dict[str, Catalogue]
    facts: Facts
    parked: list[Delta]


class _Encoded(msgspec.Struct, array_like=True):
    """The same as it is encoded: a contract is, once for each version."""

    contracts: dict[str, msgspec.Raw]
    catalogues: dict[str, Catalogue]
    facts: Facts
    parked: list[Delta]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Snapshot)


class Account:
    """State machine of one family; see the module's docstring. Not thread safe."""

    def __init__(self, root: str, store: UsageStore, life: Life | None = None) -> None:
        """`life`: what was restored of it."""
        self.root = root
        self._life = Life(store) if life is None else life
        self._encoded: dict[str, tuple[Contract, msgspec.Raw]] = {}

    @property
    def now_ms(self) -> int | None:
        """The account's clock; none: nothing was recorded yet."""
        return self._life.facts.now

    def record_catalogue(self, catalogue: Catalogue, recorded_ms: int) -> None:
        """A new version of a catalogue; holds from now on for everything that is not final."""
        self._life.take_catalogue(catalogue, recorded_ms)

    def record_contract(self, contract: Contract, recorded_ms: int) -> None:
        """A new contract or a new version of one, whole. The caller has checked it (`contracts.checks`)."""
        self._life.take_contract(contract, recorded_ms)

    def record_usage(self, deltas: Iterable[Delta], *, moved: bool = False) -> None:
        """Usage in the order of arrival; deltas of final periods follow the contract's `late_usage`.

        `moved`: an id brings it along, that came to this family. What of it was billed here before is not billed again.
        """
        self._life.take_usage(deltas, moved=moved)

    def record_action(self, action: str, contract: str, starting_ms: int, recorded_ms: int) -> None:
        """`void`, `regenerate` or `finalize` the usage invoice of the contract's period that starts at `starting_ms`.

        Raises ActionError when that invoice is not in the state for it; nothing has changed then.
        """
        self._life.act(action, contract, starting_ms, recorded_ms)

    def advance(self, now_ms: int) -> None:
        """Move the clock; never back (an earlier time is ignored)."""
        self._life.advance(now_ms)

    def next_due_ms(self) -> int | None:
        """The next instant at which `advance` would change something; none: nothing is scheduled."""
        return self._life.due

    def result(self) -> Result:
        """All invoices (drafts, finals, voids), balances and the alerts that nobody has taken, as of the account's clock.

        An invoice in which nothing has changed is the same object as the last time.
        """
        return read(self._life)

    def take_alerts(self) -> list[Alert]:
        """Alerts since the last call: what the stream publishes. The account forgets them, so that its snapshot does not grow with them."""
        facts = self._life.facts
        found = [alert_of(fact) for fact in facts.alerts]
        facts.alerts = []
        return found

    def refold(self, *, whole: bool = True) -> None:
        """Price and draw the drafts now: what `result` does first. `whole`: from the usage on, though nothing has changed; the same comes out."""
        if whole:
            self._life.refold()
        self._life.fold()

    def trim(self) -> None:
        """Free memory of what can be read again."""
        self._life.windows.trim()

    def size(self) -> int:
        """About how many bytes its usage and its open invoices take in memory."""
        life = self._life
        return life.windows.size() + sum(statement.size() for statement in life.open.values())

    @property
    def store(self) -> UsageStore:
        """Where its windows are."""
        return self._life.windows.store

    def reread(self, recorded_ms: int | None, products: Products | None = None) -> None:
        """The store's windows were changed behind the account's back: what is not final is folded from what they are now. None: the clock stays.

        `products`: of which the windows were changed; none: of all.
        """
        if recorded_ms is not None:
            self._life.advance(recorded_ms)
        self._life.reread(products)

    def is_fixed(self, customer: str, catalogue: str, group: Mapping[str, str], window_ms: int) -> bool:
        """Whether the usage of a window is on an invoice that is final and not void. Usage of nobody's contract is on none."""
        return self._life.is_fixed(customer, catalogue, group, window_ms)

    def explain(self, line: str) -> Explanation | None:
        """Where a line comes from, by its id; none: there is no such line."""
        return explain(self._life, line)

    def snapshot(self, *, catalogues: bool = True) -> bytes:
        """Everything but the windows: documents, facts (final invoices and their draws), alert states, clock.

        Without `catalogues` these are left out: whoever restores gives them, because all accounts have the same.
        """
        life = self._life
        contracts = {name: self._encode(name, contract) for name, contract in life.contracts.items()}
        return _ENCODER.encode(_Encoded(contracts, life.catalogues if catalogues else {}, life.facts, life.parked))

    def _encode(self, name: str, contract: Contract) -> msgspec.Raw:
        known = self._encoded.get(name)
        if known is None or known[0] is not contract:
            known = self._encoded[name] = (contract, msgspec.Raw(_ENCODER.encode(contract)))
        return known[1]

    @classmethod
    def restore(cls, root: str, snapshot: bytes, store: UsageStore, catalogues: Mapping[str, Catalogue] | None = None) -> "Account":
        """The account whose `snapshot` was taken, over the same windows. `catalogues` by id: those that the snapshot left out."""
        state = _DECODER.decode(snapshot)
        return cls(root, store, Life(store, state.contracts, {**state.catalogues, **(catalogues or {})}, state.facts, state.parked))
