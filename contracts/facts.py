"""What has happened and does not change any more: final and void invoices with their draws, true-ups, alerts. Facts are what a snapshot keeps."""

from decimal import Decimal
from typing import Literal

import msgspec

from contracts.lines import Printed
from contracts.windows import GroupKey

__all__ = ["PENDING", "AlertFact", "Facts", "InvoiceFact", "LeftFact", "Row", "ThresholdFact", "TrueUpFact"]

PENDING = -1
"""In the place of a period: none."""


class Row(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A printed line (`contracts.lines.Printed`), compactly."""

    kind: str
    product: str | None
    group: list[tuple[str, str]]
    start: int
    end: int
    quantity: Decimal | None
    unit_price: Decimal | None
    tier: int | None
    amount: int
    commit: str | None
    override: str | None
    mark: str

    @classmethod
    def of(cls, line: Printed) -> "Row":
        return cls(
            line.kind, line.product, list(line.group), line.start, line.end, line.quantity, line.unit_price, line.tier, line.amount, line.commit, line.override,
            line.mark,
        )  # fmt: skip

    def printed(self) -> Printed:
        group: GroupKey = tuple(self.group)
        return Printed(
            self.kind, self.product, group, self.start, self.end, self.quantity, self.unit_price, self.tier, self.amount, self.commit, self.override, self.mark
        )


class LeftFact(msgspec.Struct, array_like=True, frozen=True):
    """What a final invoice knows of an id that has gone elsewhere, and has taken its usage along."""

    in_time: bool
    """Usage of it is on the invoice."""
    late: dict[int, int]
    """By window: the period whose final invoice has its late usage; none has it: `PENDING`."""


class InvoiceFact(msgspec.Struct, array_like=True):
    """An invoice that is final or void. `generation` counts the invoices of one period from 0."""

    contract: str
    customer: str
    kind: Literal["usage", "scheduled", "true_up", "correction"]
    start: int
    end: int
    issue: int
    currency: str
    places: int
    status: Literal["final", "void"]
    generation: int
    rows: list[Row]
    draws: list[tuple[str, str, int, int]] = []
    """(contract, grant, segment start, minor units)."""
    ids: list[str] = []
    """Customer ids whose usage was billed."""
    left: dict[str, LeftFact] = {}
    """Those of them that have gone, by id."""


class TrueUpFact(msgspec.Struct, array_like=True, frozen=True):
    """A postpaid commit whose true-up is final."""

    contract: str
    grant: str


class ThresholdFact(msgspec.Struct, array_like=True):
    """State of a threshold of a contract: steps passed (0: ok) in the period that starts at `period`."""

    steps: int = 0
    period: int = 0


class AlertFact(msgspec.Struct, array_like=True, frozen=True):
    customer: str
    contract: str
    threshold: str
    state: Literal["ok", "in_alarm"]
    value: Decimal
    crossing: int
    at: int


class Facts(msgspec.Struct, array_like=True):
    """All facts of an account."""

    now: int | None = None
    closed: dict[str, dict[int, list[InvoiceFact]]] = {}
    """Usage invoices by contract and period start, one a generation; the last is the one that holds."""
    issued: list[InvoiceFact] = []
    """Scheduled invoices and final true-ups."""
    items: dict[str, list[str]] = {}
    """Names of invoiced items by contract."""
    true_ups: list[TrueUpFact] = []
    late: dict[str, dict[int, list[int]]] = {}
    """By contract and the period that bills it: the final periods with late usage."""
    reopened: dict[str, dict[int, int]] = {}
    """By contract and period start: when an invoice opened again by late usage is final."""
    thresholds: dict[str, dict[str, ThresholdFact]] = {}
    crossings: dict[str, dict[str, int]] = {}
    """Alarms by customer and threshold."""
    alerts: list[AlertFact] = []
    """Those that were not handed out yet."""
    appeared: dict[str, int] = {}
    """When each contract was recorded first. What was recorded by then is in time in all its periods."""

    def spent(self) -> dict[tuple[str, str, int], int]:
        """Draws of final invoices by segment."""
        found: dict[tuple[str, str, int], int] = {}
        for periods in self.closed.values():
            for generations in periods.values():
                for fact in generations:
                    if fact.status == "final":
                        for contract, grant, start, amount in fact.draws:
                            key = (contract, grant, start)
                            found[key] = found.get(key, 0) + amount
        return found
