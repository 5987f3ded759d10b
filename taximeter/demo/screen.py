"""What the demo shows: rich renderables, made of what was read and measured and of nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rich import box
from rich.align import Align
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from contracts.result import Alert, Balance, Invoice, Line

WIDTH = 104
ACCENT = "bold cyan"
GOOD = "bold green"
QUIET = "dim"


class Flow(NamedTuple):
    """How far the stream is: events sent and to send, seconds since the first."""

    sent: int
    total: int
    seconds: float


def heading(number: int, text: str, about: str) -> RenderableType:
    """The title of a scene."""
    return Group(Text(), Text.assemble((f" {number} ", "black on cyan"), " ", (text, "bold")), Text(f"    {about}", style=QUIET))


def money(amount: Decimal, currency: str = "USD") -> str:
    """With thousands separated: `51,000.00 USD`."""
    return f"{amount:,f} {currency}"


def flow(state: Flow, invoice: Invoice | None, alerts: Sequence[Alert], names: dict[str, str]) -> RenderableType:
    """The live picture: how much was sent, the bill as the warehouse has it, what fired."""
    rate = state.sent / state.seconds if state.seconds else 0.0
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=state.total, completed=state.sent, width=44),
        Text(f"{state.sent:>7,} of {state.total:,} events", style="bold"),
        Text(f"{rate:>9,.0f} events/s sent", style=QUIET),
    )
    total = money(invoice.total, invoice.currency) if invoice else "0.00 USD"
    parts: list[RenderableType] = [bar, Text(), Text.assemble("bill of October so far  ", (total, GOOD))]
    if invoice:
        parts.append(lines(invoice.lines, names))
    parts += [alert(each) for each in alerts]
    return Panel(Group(*parts), title="usage events → METER → RATE → ClickHouse", border_style="cyan", width=WIDTH)


def alert(crossing: Alert) -> RenderableType:
    return Text.assemble(
        ("▲ ", "bold yellow"),
        (f"threshold {crossing.threshold}", "bold yellow"),
        f"  crossing {crossing.crossing}: {crossing.value:,f} at {_instant(crossing.at_ms)}",
    )


def bill(invoice: Invoice, names: dict[str, str], title: str) -> RenderableType:
    """An invoice with its lines and total."""
    return Panel(
        Group(lines(invoice.lines, names), Align.right(Text.assemble(f"{invoice.status}   total  ", (money(invoice.total, invoice.currency), GOOD), "  "))),
        title=title,
        border_style="green",
        width=WIDTH,
    )


def lines(given: Sequence[Line], names: dict[str, str]) -> Table:
    """One row for each line that says something; applications of a postpaid commit are in the `commit` column already."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("product", style="bold", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("until", no_wrap=True)
    for right in ("quantity", "unit price", "amount"):
        table.add_column(right, justify="right", no_wrap=True)
    table.add_column("override", style="magenta")
    table.add_column("commit", style="cyan")
    for line in given:
        table.add_row(
            names.get(line.product or "", line.product or line.kind),
            _day(line.starting_ms),
            _day(line.ending_ms),
            "" if line.quantity is None else _plain(line.quantity),
            "" if line.unit_price is None else _plain(line.unit_price),
            f"{line.amount:,f}",
            line.override or "",
            line.commit or "",
        )
    return table


def balance(row: Balance) -> RenderableType:
    return Text(f"    balance {row.id} ({row.type}): granted {row.granted:,f}, applied {row.applied:,f}, remaining {row.remaining:,f}")


def figures(rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    """What was measured: name, value, how."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style=GOOD, justify="right", no_wrap=True)
    table.add_column(style=QUIET)
    for row in rows:
        table.add_row(*row)
    return Panel(table, title="measured in this run", border_style="cyan", width=WIDTH)


def rows(pairs: Sequence[tuple[str, str]]) -> RenderableType:
    """Names and values, side by side."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=QUIET, no_wrap=True)
    grid.add_column()
    for name, value in pairs:
        grid.add_row(f"    {name}", value)
    return grid


def side_by_side(*parts: RenderableType) -> RenderableType:
    return Columns(parts, padding=(0, 2))


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d %b").lstrip("0")


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d %b %Y %H:%M:%S").lstrip("0")


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
