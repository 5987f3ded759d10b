"""Everything that is rated together, and the fold over it.

An account is a root customer with all contracts of the family: its own, those of children that a parent pays or shares with,
and all ids (aliases) under which their usage arrives. It is a deterministic state machine over recorded inputs:
the offline command, the stream, the preview and the replay drive this one class, so they cannot disagree.

Inputs come in the order in which they were recorded; each advances the account's clock to its `recorded_ms` first, so
everything that was due by then (finalization, grants, expiries, alerts) happens before it.
"""

from collections.abc import Iterable
from typing import Protocol

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.result import Alert, Result
from contracts.usage import Delta


class UsageStore(Protocol):
    """Where an account keeps its windows: a dict offline, Faust tables in the stream.

    A cell holds the windows of one (customer id, catalogue, product, UTC day): small, and found by a computed key. Cells are immutable
    values: a change is a `put` of a new one. `bytes` because the store decides nothing: the encoding is the account's own.
    """

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None: ...

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None: ...


class Account:
    """State machine of one family; see the module's docstring. Not thread safe."""

    def __init__(self, root: str, store: UsageStore) -> None: ...

    def record_catalogue(self, catalogue: Catalogue, recorded_ms: int) -> None:
        """A new version of a catalogue; holds from now on for everything that is not final."""
        raise NotImplementedError

    def record_contract(self, contract: Contract, recorded_ms: int) -> None:
        """A new contract or a new version of one, whole. The caller has checked it (`contracts.checks`)."""
        raise NotImplementedError

    def record_usage(self, deltas: Iterable[Delta]) -> None:
        """Usage in the order of arrival; deltas of final periods follow the contract's `late_usage`."""
        raise NotImplementedError

    def record_action(self, action: str, contract: str, starting_ms: int, recorded_ms: int) -> None:
        """`void`, `regenerate` or `finalize` the usage invoice of the contract's period that starts at `starting_ms`."""
        raise NotImplementedError

    def advance(self, now_ms: int) -> None:
        """Move the clock; never back (an earlier time is ignored)."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """The next instant at which `advance` would change something; none: nothing is scheduled."""
        raise NotImplementedError

    def result(self) -> Result:
        """All invoices (drafts, finals, voids), balances and all alerts so far, as of the account's clock."""
        raise NotImplementedError

    def take_alerts(self) -> list[Alert]:
        """Alerts since the last call: what the stream publishes."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """Everything but the windows: documents, facts (final invoices and their draws), alert states, clock."""
        raise NotImplementedError

    @classmethod
    def restore(cls, root: str, snapshot: bytes, store: UsageStore) -> "Account":
        """The account whose `snapshot` was taken, over the same windows."""
        raise NotImplementedError
