"""What the demo has to say, as values: `screen` draws them, `plain` tells them in lines, and neither knows more than stands here."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.money import exponent
from contracts.result import Alert, Balance, Invoice, Line


class Waiting(NamedTuple):
    """What is being done before there is anything to show."""

    text: str


class Heading(NamedTuple):
    """The title of a scene and one sentence about it."""

    number: int
    title: str
    about: str


class Terms(NamedTuple):
    """What was published: names and values, one row each."""

    rows: Sequence[tuple[str, str]]


class Flow(NamedTuple):
    """A look at the stream and at what the warehouse shows of it."""

    sent: int
    metered: int
    """Events that METER is done with: its committed offsets."""
    total: int
    seconds: float
    """Since the first event was sent; stands still once all are sent."""
    until_ms: int
    """Event time of the last event that was sent."""
    invoice: Invoice | None
    alerts: Sequence[Alert]
    over: bool = False
    """The last look: everything is on the bill."""


class Bill(NamedTuple):
    title: str
    invoice: Invoice


class Grant(NamedTuple):
    balance: Balance
    currency: str


class Measured(NamedTuple):
    """Figures of this run: name, value, how it was taken."""

    rows: Sequence[tuple[str, str, str]]


class Places(NamedTuple):
    """Where to look now that the stack stays up: what for, and the command or address."""

    rows: Sequence[tuple[str, str]]


Scene = Waiting | Heading | Terms | Flow | Bill | Grant | Measured | Places


def money(amount: Decimal, currency: str) -> str:
    """With thousands separated and the currency's minor units: `51,000.00 USD`."""
    return f"{amount:,.{exponent(currency)}f} {currency}"


def plain(value: Decimal | None) -> str:
    """A quantity or unit price without trailing zeros."""
    if value is None:
        return ""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def named(line: Line, names: Mapping[str, str]) -> str:
    """The product of a line, or what it is when it has none."""
    return names.get(line.product, line.product) if line.product else line.kind.replace("_", "-")
