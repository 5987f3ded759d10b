"""The case document: documents, usage and what must come out. It is how pricing is tested, documented and demonstrated."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from contracts.catalogue import Catalogue, Document, Instant
from contracts.contract import Contract, Duration
from contracts.instants import exact_ms, instant_ms


class Edit(Document, frozen=True, kw_only=True):
    """A new version of a contract (or a new contract), or of the catalogue; recorded at `at`."""

    at: Instant
    contract: Contract | None = None
    catalogue: Catalogue | None = None


class InvoiceOf(Document, frozen=True, kw_only=True):
    """The usage invoice of a contract's period that starts at `starting_at`."""

    contract: str
    starting_at: Instant


class Action(Document, frozen=True, kw_only=True):
    """What a person does to an invoice; exactly one of the three is given."""

    at: Instant
    void: InvoiceOf | None = None
    regenerate: InvoiceOf | None = None
    finalize: InvoiceOf | None = None

    @property
    def name(self) -> Literal["void", "regenerate", "finalize"]:
        if self.void is not None:
            return "void"
        return "regenerate" if self.regenerate is not None else "finalize"

    @property
    def target(self) -> InvoiceOf:
        target = self.void or self.regenerate or self.finalize
        if target is None:
            raise ValueError("an action names one of void, regenerate, finalize")
        return target


class Repeat(Document, frozen=True, kw_only=True):
    """A run of `times` events, each `every` after the one before."""

    every: Duration
    times: int


class UsageLine(Document, frozen=True, kw_only=True):
    """One usage event, or a run of them. Left-out `customer` and `transaction_id` are filled in by loading."""

    event_type: str
    timestamp: Instant
    customer: str | None = None
    transaction_id: str | None = None
    recorded_at: Instant | None = None
    """When it arrived; none: at `timestamp`. In a run it moves along, so the delay stays the same."""
    properties: dict[str, str] = {}
    repeat: Repeat | None = None


class Reading(Document, frozen=True, kw_only=True):
    """What must be there when the clock shows `as_of`."""

    as_of: Instant
    expect: Any = None


class Case(Document, frozen=True, kw_only=True):
    case: str
    about: str = ""
    catalogue: Catalogue
    contracts: list[Contract] = []
    edits: list[Edit] = []
    actions: list[Action] = []
    usage: list[UsageLine] = []
    as_of: Instant | None = None
    readings: list[Reading] = []
    expect: Any = None


class UsageEvent(NamedTuple):
    """One event of a case, as it goes to the usage-events topic."""

    transaction_id: str
    customer: str
    event_type: str
    timestamp_ms: int
    recorded_ms: int
    properties: dict[str, str]


def events(case: Case) -> Iterator[UsageEvent]:
    """All usage events of a case, runs included, in the order of the file. Dates are midnight UTC."""
    for position, line in enumerate(case.usage):
        timestamp_ms = instant_ms(line.timestamp)
        recorded_ms = timestamp_ms if line.recorded_at is None else instant_ms(line.recorded_at)
        name = line.transaction_id or made_id(position)
        every_ms = exact_ms(line.repeat.every) if line.repeat else 0
        for number in range(line.repeat.times if line.repeat else 1):
            yield UsageEvent(
                name if number == 0 else f"{name}-{number:06d}",
                line.customer or "",
                line.event_type,
                timestamp_ms + number * every_ms,
                recorded_ms + number * every_ms,
                line.properties,
            )


def made_id(position: int) -> str:
    """The transaction_id of the usage line at `position` when it names none. Padded, so that ids sort as the lines do."""
    return f"usage-{position + 1:06d}"


def contracts_of(case: Case) -> list[Contract]:
    """Every version of every contract of a case, in the order of recording."""
    return [*case.contracts, *(edit.contract for edit in case.edits if edit.contract is not None)]


def encode(case: Case) -> bytes:
    """The case as JSON that loads to an equal case."""
    return msgspec.json.encode(case)
