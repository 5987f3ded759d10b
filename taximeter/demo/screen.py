"""The demo on a terminal: one rich renderable for each scene, as wide as there is room for.

Also the picture of a run: the same scenes on a console that nobody sees, as an SVG that loads nothing from anywhere.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from rich import box
from rich.align import Align
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from contracts.result import Alert, Balance, Invoice, Line
from taximeter.demo.scenes import Bill, Flow, Grant, Heading, Measured, Places, Scene, Terms, Waiting, money, named, plain

WIDTH: Final = 100
"""Wider terminals leave the rest empty: a long line is hard to read."""
ALL_COLUMNS: Final = 84
"""From here on there is room for the override and the commit of a line."""
PRICE_COLUMNS: Final = 62
"""From here on there is room for quantity and unit price."""
ACCENT: Final = "bold cyan"
GOOD: Final = "bold green"
WARM: Final = "bold yellow"
QUIET: Final = "dim"

PAPER: Final = TerminalTheme(
    (21, 24, 33),
    (212, 217, 229),
    [(21, 24, 33), (240, 113, 120), (126, 211, 133), (245, 201, 105), (110, 160, 240), (199, 146, 234), (104, 212, 224), (212, 217, 229)],
    [(98, 108, 130), (255, 139, 146), (152, 232, 158), (255, 219, 130), (140, 182, 255), (220, 170, 250), (140, 232, 242), (255, 255, 255)],
)

TEXT: Final = re.compile(r'<text([^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>([^<]*)</text>')
SPACE: Final = "&#160;"
CELL: Final = 12.2
"""Width of a character in Rich's SVG."""


def drawn(scene: Scene, names: Mapping[str, str]) -> RenderableType:
    """The picture of a scene; `names` are the products' names by id."""
    match scene:
        case Waiting():
            return _indented(Text(scene.text, style=QUIET))
        case Heading():
            return _heading(scene)
        case Terms() | Places():
            return _rows(scene.rows)
        case Flow():
            return _flow(scene, names)
        case Bill():
            return _bill(scene, names)
        case Grant():
            return _grant(scene.balance, scene.currency)
        case Measured():
            return _measured(scene)


def picture(scenes: Sequence[Scene], names: Mapping[str, str], title: str) -> str:
    """The scenes as one SVG of a terminal. It names no address but that of the SVG language."""
    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False)
    for scene in scenes:
        console.print(drawn(scene, names))
    svg = console.export_svg(title=title, theme=PAPER, unique_id="taximeter")
    # Rich's template fetches a font and names its maker; without them the viewer's own monospace font is stretched to the same width.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = TEXT.sub(_trimmed, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _trimmed(text: re.Match[str]) -> str:
    """A text element without the spaces around it: some viewers drop them and what follows would move to the left."""
    before, x, middle, length, after, content = text.groups()
    spaced = content.replace(SPACE, " ")
    left, right = len(spaced) - len(spaced.lstrip()), len(spaced) - len(spaced.rstrip())
    kept = spaced.strip().replace(" ", SPACE)
    if not kept:
        return ""
    wide = float(length)
    return f"<text{before}x=\"{float(x) + left * CELL:g}\"{middle}textLength=\"{wide - (left + right) * CELL:g}\"{after}>{kept}</text>"


def save(file: Path, svg: str) -> None:
    """Write the picture, and the folder for it. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(svg, encoding="utf-8")


class Column(NamedTuple):
    """Of an invoice: its name, from which width on there is room for it, how it looks."""

    name: str
    room: int = 0
    right: bool = False
    style: str = ""


COLUMNS: Final = (
    Column("product", style="bold"),
    Column("days"),
    Column("quantity", PRICE_COLUMNS, right=True),
    Column("unit price", PRICE_COLUMNS, right=True),
    Column("amount", right=True),
    Column("override", ALL_COLUMNS, style="magenta"),
    Column("commit", ALL_COLUMNS, style="cyan"),
)


def _row(line: Line, names: Mapping[str, str]) -> dict[str, str]:
    return {
        "product": named(line, names),
        "days": days(line.starting_ms, line.ending_ms),
        "quantity": plain(line.quantity),
        "unit price": plain(line.unit_price),
        "amount": f"{line.amount:,f}",
        "override": line.override or "",
        "commit": line.commit or "",
    }


class Lines:
    """The lines of an invoice as a table without the columns that say nothing, or for which the terminal is too narrow."""

    def __init__(self, lines: Sequence[Line], names: Mapping[str, str]) -> None:
        self._lines = lines
        self._names = names

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [_row(line, self._names) for line in self._lines]
        room = options.max_width
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True, header_style=QUIET)
        shown = [column for column in COLUMNS if room >= column.room and any(row[column.name] for row in rows)]
        for column in shown:
            table.add_column(column.name, style=column.style, justify="right" if column.right else "left", no_wrap=True, ratio=1 if column is COLUMNS[0] else None)
        for row in rows:
            table.add_row(*(row[column.name] for column in shown))
        yield table


def days(starting_ms: int, ending_ms: int) -> str:
    """The days from start until before the end: `1–14 Oct`, `1 Oct – 31 Dec`."""
    first, last = datetime.fromtimestamp(starting_ms / 1000, UTC), datetime.fromtimestamp((ending_ms - 1) / 1000, UTC)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {first:%b}" if first.day != last.day else f"{first.day} {first:%b}"
    return f"{first.day} {first:%b} – {last.day} {last:%b}"


def instant(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def _heading(scene: Heading) -> RenderableType:
    parts: list[RenderableType] = [Text(), Text.assemble((f" {scene.number} ", "bold black on cyan"), " ", (scene.title, "bold"))]
    if scene.about:
        parts.append(_indented(Text(scene.about, style=QUIET)))
    return Constrain(Group(*parts), WIDTH)


def _rows(pairs: Sequence[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=QUIET, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value)
    return Constrain(_indented(grid), WIDTH)


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 3))


def _flow(scene: Flow, names: Mapping[str, str]) -> RenderableType:
    rate = scene.sent / scene.seconds if scene.seconds else 0.0
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True, style="bold")
    bar.add_column(ratio=1)
    bar.add_column(justify="right", no_wrap=True, style="bold")
    for name, done in (("sent", scene.sent), ("metered", scene.metered)):
        bar.add_row(name, ProgressBar(total=scene.total, completed=done, complete_style="cyan", finished_style="green"), f"{done:,} of {scene.total:,}")
    sent = Text.assemble("usage until ", (instant(scene.until_ms), "bold"), (f"   {rate:,.0f} events/s into Kafka", QUIET))
    invoice = scene.invoice
    total = money(invoice.total, invoice.currency) if invoice else "nothing yet"
    bill = Text.assemble("bill of October " if scene.over else "bill of October so far ", (total, GOOD))
    parts: list[RenderableType] = [bar, sent, bill]
    if invoice:
        parts.append(Lines(_usage(invoice), names))
    parts += [_alert(each, invoice.currency if invoice else "") for each in scene.alerts]
    return Constrain(Panel(Group(*parts), title="usage events → METER → RATE → ClickHouse", border_style="cyan"), WIDTH)


def _alert(crossing: Alert, currency: str) -> Text:
    return Text.assemble(
        (f"▲ threshold {crossing.threshold}", WARM),
        f" crossed: {money(crossing.value, currency)} with the event of {instant(crossing.at_ms)}",
    )


def _bill(scene: Bill, names: Mapping[str, str]) -> RenderableType:
    invoice = scene.invoice
    total = Align.right(Text.assemble((f"{invoice.status}   total ", QUIET), (money(invoice.total, invoice.currency), GOOD)))
    return Constrain(Panel(Group(Lines(_usage(invoice), names), total), title=scene.title, border_style="green"), WIDTH)


def _grant(row: Balance, currency: str) -> RenderableType:
    parts = [f"{word} {money(amount, currency)}" for word, amount in (("granted", row.granted), ("applied", row.applied), ("remaining", row.remaining))]
    return Constrain(_indented(Text.assemble((f"{row.type} commit {row.id}  ", "cyan"), ", ".join(parts))), WIDTH)


def _measured(scene: Measured) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style=GOOD, justify="right", no_wrap=True)
    table.add_column(style=QUIET)
    for row in scene.rows:
        table.add_row(*row)
    return Constrain(Panel(table, title="measured in this run", border_style="cyan"), WIDTH)


def _usage(invoice: Invoice) -> list[Line]:
    """The lines that say something here: what counts to a postpaid commit stands in the usage line's column already."""
    return [line for line in invoice.lines if line.kind != "commit"]
