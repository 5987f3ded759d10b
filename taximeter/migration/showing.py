"""What an import and a comparison came to: tables, and JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from contracts.timeline import iso
from contracts.translation.comparing import Compared, LineDifference
from contracts.translation.imported import Imported
from contracts.translation.saved import Finding, Level
from taximeter.commands.reading import instant, number, table
from taximeter.migration.files import finding_json

if TYPE_CHECKING:
    from rich.table import Table

ORDER: Final[tuple[Level, ...]] = ("refused", "skipped", "noted")
TITLES: Final = {"refused": "refused: not in the documents", "skipped": "left out, as was asked", "noted": "noted"}


def tables(findings: Sequence[Finding]) -> "list[Table]":
    """One for each level that there is."""
    found = []
    for level in ORDER:
        mine = [each for each in findings if each.level == level]
        if mine:
            made = table(TITLES[level], [("file", False), ("object", False), ("field", False), ("what", False)])
            for each in mine:
                made.add_row(each.file, f"{each.kind} {each.id}".strip(), _plain(each.field), _plain(each.message))
            found.append(made)
    return found


def compared_table(rows: Sequence[Compared], names: Mapping[str, str]) -> "Table":
    """All invoices; below one that differs, its lines that do."""
    columns = [("customer", False), ("invoice", False), ("period", False), ("status", False), ("theirs", True), ("ours", True), ("difference", True)]
    made = table("compared", columns)
    for each in rows:
        mark = "" if each.same else "red"
        name = names.get(each.customer) or each.customer
        at = f"{each.kind} {instant(each.starting_ms)}"
        amounts = (number(each.theirs), number(each.ours), "" if each.same else f"{each.difference:+,f}")
        made.add_row(_plain(name), _plain(each.invoice or f"only here: {each.contract}"), at, each.status.lower(), *amounts, style=mark or None)
        for line in each.lines:
            made.add_row("", _plain(f"  {line.label}"), _quantities(line), "", number(line.theirs), number(line.ours), f"{line.difference:+,f}", style="dim")
    return made


def _quantities(line: LineDifference) -> str:
    if line.their_quantity is None and line.our_quantity is None:
        return ""
    same = line.their_quantity == line.our_quantity
    return f"quantity {number(line.their_quantity)}" if same else f"quantity {number(line.their_quantity) or '–'} / {number(line.our_quantity) or '–'}"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def summary(imported: Imported, files: int, folder: str) -> str:
    levels = Counter(each.level for each in imported.findings)
    products = sum(len(each.products) for each in imported.catalogues)
    customers = len({each.customer for each in imported.contracts})
    counts = ((len(imported.contracts), "contract"), (customers, "customer"), (products, "product"), (files, "file"))
    said = ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in counts) + f" in {folder}"
    return said + "".join(f"; {levels[level]:,} {level}" for level in ORDER if levels[level])


def imported_json(imported: Imported, folder: str, rows: Sequence[Compared] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "out": folder,
        "catalogues": [each.id for each in imported.catalogues],
        "contracts": [each.id for each in imported.contracts],
        "findings": [finding_json(each) for each in imported.findings],
    }
    if rows is not None:
        found["compared"] = [_row(each) for each in rows]
        found["same"] = all(each.same for each in rows)
    return found


def _row(each: Compared) -> dict[str, Any]:
    return {
        "customer": each.customer,
        "contract": each.contract,
        "invoice": each.invoice or None,
        "kind": each.kind,
        "status": each.status,
        "currency": each.currency,
        "starting_at": iso(each.starting_ms),
        "theirs": _text(each.theirs),
        "ours": _text(each.ours),
        "difference": _text(each.difference),
        "lines": [
            {
                "line": line.label,
                "theirs": _text(line.theirs),
                "ours": _text(line.ours),
                "difference": _text(line.difference),
                "their_quantity": _text(line.their_quantity),
                "our_quantity": _text(line.our_quantity),
            }
            for line in each.lines
        ],
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
