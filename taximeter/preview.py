"""The preview of an edit for people: the invoices that change, line by line."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from taximeter.commands.reading import number, table

if TYPE_CHECKING:
    from rich.console import RenderableType

Change = Mapping[str, Any]
COLUMNS: Final = [("", False), ("product", False), ("from", False), ("until", False), ("quantity", True), ("unit price", True), ("by", False), ("amount", True)]


def shown(found: Change) -> "Iterable[RenderableType]":
    """What to print, part by part: `-` is a line as it is, `+` as it would be."""
    clocks = ", ".join(f"{now}" if clock == "wall" else f"{now} on clock {clock}" for clock, now in found["as_of"].items())
    yield f"[dim]as of {clocks or 'now'}; nothing was published[/]"
    if not found["invoices"] and not found["balances"]:
        yield "no invoice and no balance would change"
    for invoice in found["invoices"]:
        yield _invoice(invoice)
    if found["balances"]:
        yield _balances(found["balances"])


def _invoice(invoice: Change) -> "RenderableType":
    total = invoice["total"]
    kind = invoice["kind"].replace("_", "-")
    title = f"{invoice['customer']} · {invoice['contract']} · {kind} · {_day(invoice['starting_at'])} – {_day(invoice['ending_before'])} · {invoice['status']}"
    made = table(title, COLUMNS)
    for pair in invoice["lines"]:
        for sign, style, line in (("-", "red", pair["before"]), ("+", "green", pair["after"])):
            if line is not None:
                made.add_row(sign, *_line(line), style=style)
    made.add_section()
    before, after = (_money(total[side]) or "none" for side in ("before", "after"))
    made.add_row("", "[bold]total[/]", "", "", "", "", f"{before} →", f"[bold]{after}[/]")
    return made


def _line(line: Change) -> list[str]:
    kind = "" if line["kind"] == "usage" else f"{line['kind'].replace('_', '-')} "
    group = "".join(f" {key}={value}" for key, value in line["group"].items())
    by = " ".join(filter(None, (line["override"], rf"\[{line['commit']}]" if line["commit"] else None)))
    tier = f" (tier {line['tier']})" if line["tier"] else ""
    price = f"{number(line['unit_price'])}{tier}"
    name = f"{kind}{line['product'] or ''}{group}".strip()
    return [name, _day(line["starting_at"]), _day(line["ending_before"]), number(line["quantity"]), price, by, _money(line["amount"])]


def _balances(found: Iterable[Change]) -> "RenderableType":
    amounts = ("granted", "applied", "expired", "remaining")
    made = table("balances", [("", False), ("contract", False), ("id", False), *((name, True) for name in amounts)])
    for pair in found:
        for sign, style, balance in (("-", "red", pair["before"]), ("+", "green", pair["after"])):
            if balance is not None:
                made.add_row(sign, balance["contract"], balance["id"], *(_money(balance[name]) for name in amounts), style=style)
    return made


def _money(text: str | None) -> str:
    """With the currency's minor units as they are."""
    return "" if text is None else f"{Decimal(text):,f}"


def _day(text: str) -> str:
    return text.removesuffix("T00:00:00Z")
