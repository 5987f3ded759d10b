"""The result of rating: invoices with lines, balances, alerts, rejects. The public shape is in docs/documents."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

InvoiceKind = Literal["usage", "scheduled", "true_up", "correction"]
InvoiceStatus = Literal["draft", "final", "void"]
LineKind = Literal["usage", "commit", "charge", "subscription", "composite", "minimum", "maximum", "discount", "true_up", "correction"]


class Line(NamedTuple):
    id: str
    """Computed identity: a hash over customer, contract, invoice, product, group, line start, tier, kind, commit, …"""
    kind: LineKind
    product: str | None
    group: Mapping[str, str]
    starting_ms: int
    ending_ms: int
    quantity: Decimal | None
    unit_price: Decimal | None
    tier: int | None
    amount: Decimal
    """In the currency's minor units (exponent of the Decimal says how many)."""
    commit: str | None
    override: str | None


class Invoice(NamedTuple):
    id: str
    customer: str
    contract: str
    kind: InvoiceKind
    status: InvoiceStatus
    starting_ms: int
    ending_ms: int
    issue_ms: int
    currency: str
    lines: tuple[Line, ...]
    total: Decimal


class Balance(NamedTuple):
    id: str
    customer: str
    contract: str
    type: Literal["prepaid", "postpaid", "credit"]
    granted: Decimal
    applied: Decimal
    expired: Decimal
    remaining: Decimal


class Alert(NamedTuple):
    """A change of state of a threshold. `crossing` counts the alarms of (customer, threshold) from 1."""

    customer: str
    contract: str
    threshold: str
    state: Literal["ok", "in_alarm"]
    value: Decimal
    crossing: int
    at_ms: int


class Reject(NamedTuple):
    transaction_id: str
    reason: str


class Result(NamedTuple):
    invoices: tuple[Invoice, ...]
    balances: tuple[Balance, ...]
    alerts: tuple[Alert, ...]
    rejected: tuple[Reject, ...]
