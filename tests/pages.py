"""The README and the pages of docs/: their cases, and the tables that are made of results, figures and the list of commands.

`python -m tests.pages` writes every table anew. A table stands under a mark such as `<!-- lines: NAME OF THE CASE -->`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from contracts.case import Case
from contracts.loading import read_case
from contracts.money import plain
from contracts.offline import rate
from contracts.rendering import ordered
from contracts.result import Invoice, Line, Result

ROOT: Final = Path(__file__).parent.parent
FENCE: Final = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TABLE: Final = re.compile(r"^<!-- (lines|invoices|balances|alerts|commands|measured): (\S+) -->\n((?:\|.*\n)*)", re.MULTILINE)


class Told(NamedTuple):
    """A case of a page: its text, where it starts, and what it is."""

    page: Path
    line: int
    text: str
    case: Case

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.case.case}"


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def cases(page: Path) -> Iterator[Told]:
    """Every fenced YAML block of a page; each must be a case. Raises DocumentError."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 2
        yield Told(page, line, found[1], read_case(found[1], f"{page.name}:{line}"))


def filled(page: Path) -> str:
    """The text of the page as it must be: each table made of its case. Raises KeyError for a mark without a case."""
    known = {told.case.case: told.case for told in cases(page)}
    results: dict[str, list[Result]] = {}

    def table(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        if kind in SOURCES:
            return f"<!-- {kind}: {name} -->\n" + _table(SOURCES[kind](name))
        case = known[name]
        results.setdefault(name, [ordered(each) for each in rate(case)])
        return f"<!-- {kind}: {name} -->\n" + _table(TABLES[kind](case, results[name]))

    return TABLE.sub(table, page.read_text(encoding="utf-8"))


def handmade(page: Path) -> list[str]:
    """Rows of tables with numbers that no case stands behind."""
    rest = TABLE.sub("", page.read_text(encoding="utf-8"))
    return [row for row in rest.splitlines() if row.startswith("|") and re.search(r"\d", re.sub(r"`[^`]*`", "", row))]


Row = Mapping[str, str]


def _lines(case: Case, results: Sequence[Result]) -> list[Row]:
    rows = []
    for invoice in results[-1].invoices:
        if invoice.kind == "usage" and invoice.total + sum(abs(line.amount) for line in invoice.lines):
            rows += [_line(case, line) for line in sorted(invoice.lines, key=lambda line: (line.starting_ms, line.product is None)) if _says(line)]
            rows.append({"product": "**total**", "amount": f"**{invoice.total:,f}**"})
    return rows


def _says(line: Line) -> bool:
    return bool(line.amount or line.quantity)


def _line(case: Case, line: Line) -> Row:
    products = {name: each for one in (case.catalogue, *(edit.catalogue for edit in case.edits)) if one is not None for name, each in one.products.items()}
    product = products[line.product].name if line.product else ""
    return {
        "product": ", ".join([product, *map(str, line.group.values())]) if product else line.kind,
        "kind": line.kind if line.kind != "usage" else "",
        "from": _day(line.starting_ms),
        "until": _day(line.ending_ms),
        "tier": "" if line.tier is None else str(line.tier),
        "quantity": "" if line.quantity is None else plain(line.quantity),
        "unit price": "" if line.unit_price is None else plain(line.unit_price),
        "amount": f"{line.amount:,f}",
        "override": line.override or "",
        "commit": line.commit or "",
    }


def _invoices(case: Case, results: Sequence[Result]) -> list[Row]:
    looks = [reading.as_of for reading in case.readings] or [case.as_of or ""]
    several = len({contract.id for contract in case.contracts}) > 1
    return [
        {
            "read at": look if len(looks) > 1 else "",
            "contract": invoice.contract if several else "",
            "invoice": invoice.kind,
            "period": "" if invoice.kind == "scheduled" else f"{_day(invoice.starting_ms)} until {_day(invoice.ending_ms)}",
            "issued": _day(invoice.issue_ms),
            "status": invoice.status,
            "total": f"{invoice.total:,f}",
        }
        for look, result in zip(looks, results, strict=True)
        for invoice in result.invoices
        if _due(invoice)
    ]


def _due(invoice: Invoice) -> bool:
    return bool(invoice.total or any(line.amount for line in invoice.lines))


def _balances(_: Case, results: Sequence[Result]) -> list[Row]:
    return [
        {"balance": each.id, "type": each.type} | {key: f"{getattr(each, key):,f}" for key in ("granted", "applied", "expired", "remaining")}
        for each in results[-1].balances
    ]


def _alerts(_: Case, results: Sequence[Result]) -> list[Row]:
    return [
        {"threshold": each.threshold, "crossing": str(each.crossing), "state": each.state, "value": f"{each.value:,f}", "at": _day(each.at_ms)}
        for each in results[-1].alerts
    ]


def _commands(module: str) -> list[Row]:
    """What the program lists, as far as it is there."""
    known: Mapping[str, str] = import_module(module).COMMANDS
    return [{"command": f"`taximeter {name}`", "does": about} for name, about in known.items() if find_spec(f"taximeter.commands.{name}")]


def _measured(file: str) -> list[Row]:
    """The figures that a run of the demo has left."""
    found = json.loads((ROOT / file).read_text(encoding="utf-8"))
    return [
        {"measured by the demo": "usage events, all of them on the bill", "": f"{found['events']:,}"},
        {"measured by the demo": "events a second, from the first event sent until the last is on the bill in ClickHouse", "": f"{found['events_per_s']:,.0f}"},
        {"measured by the demo": "from publishing the edit until the changed bill is read from ClickHouse", "": f"{found['edit_to_invoice_ms']:,.0f} ms"},
        {"measured by the demo": "from an event to its threshold record, p99", "": f"{found['event_to_threshold_p99_ms']:,.0f} ms"},
    ]


SOURCES: Final[Mapping[str, Callable[[str], list[Row]]]] = {"commands": _commands, "measured": _measured}
TABLES: Final[Mapping[str, Callable[[Case, Sequence[Result]], list[Row]]]] = {
    "lines": _lines,
    "invoices": _invoices,
    "balances": _balances,
    "alerts": _alerts,
}
RIGHT: Final = {"tier", "quantity", "unit price", "amount", "total", "granted", "applied", "expired", "remaining", "crossing", "value", ""}


def _table(rows: Sequence[Row]) -> str:
    """As Markdown, without the columns that say nothing."""
    names = [name for name in rows[0] if any(row.get(name) for row in rows)] if rows else []
    lines = [names, ["--:" if name in RIGHT else "---" for name in names], *([row.get(name, "") for name in names] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) if names else ""


def _day(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at.day} {at:%b}" if at.hour == at.minute == 0 else f"{at.day} {at:%b %H:%M}"


if __name__ == "__main__":
    for each in pages():
        each.write_text(filled(each), encoding="utf-8")
