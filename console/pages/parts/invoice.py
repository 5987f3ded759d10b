"""An invoice as a table: two prices of a product stand under each other, covered parts and what covers them too, amounts on the right."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from console.pages.parts.text import Html, badge, day, link, money, number, row, table, tag
from contracts.result import Invoice, Line

KINDS = {"usage": "Usage", "scheduled": "Scheduled", "true_up": "True-up", "correction": "Correction"}
STATUS = {"draft": "warn", "final": "ok", "void": "bad"}


def shown_lines(invoice: Invoice) -> list[Line]:
    """Lines that come to something, in the order of products and time."""
    found = [line for line in invoice.lines if line.amount or line.quantity]
    return sorted(
        found,
        key=lambda line: (
            line.product is None,
            line.product or "",
            sorted(line.group.items()),
            line.starting_ms,
            line.tier or 0,
            line.kind != "usage",
            line.id,
        ),
    )


def what(line: Line, names: Mapping[str, str]) -> str:
    """The product, or what it is when it has none."""
    return names.get(line.product, line.product) if line.product else line.kind.replace("_", " ").capitalize()


def notes(line: Line) -> list[str]:
    found = [f"{key}: {value}" for key, value in sorted(line.group.items())]
    if line.kind == "commit":
        found.append(f"paid by {line.commit}")
    elif line.commit:
        found.append(f"counts to {line.commit}")
    if line.override:
        found.append(f"override {line.override}")
    if line.tier is not None:
        found.append(f"tier {line.tier}")
    return found


def amounts(invoice: Invoice) -> dict[str, Decimal]:
    return {line.id: line.amount for line in invoice.lines}


def invoice_table(invoice: Invoice, names: Mapping[str, str], before: Mapping[str, Decimal] | None = None, *, explain: bool = True) -> Html:
    """`before`: amounts by line when it was drawn last; lines that differ light up."""
    ticked = set() if before is None else {line.id for line in invoice.lines if before.get(line.id) != line.amount}
    rows = [_line(line, names, invoice.currency, ticked=line.id in ticked, explain=explain) for line in shown_lines(invoice)]
    foot = tag(
        "tr",
        tag("td", "Total"),
        tag("td", class_="wide"),
        tag("td"),
        tag("td"),
        tag("td", money(invoice.total, invoice.currency), class_="num", data_total=True),
    )
    head = (("Line", ""), ("Period", "wide"), ("Quantity", "num"), ("Unit price", "num"), (f"Amount, {invoice.currency}", "num"))
    return table(head, rows, f"Lines of the {KINDS[invoice.kind].lower()} invoice from {day(invoice.starting_ms)}", foot)


def _line(line: Line, names: Mapping[str, str], currency: str, *, ticked: bool, explain: bool) -> Html:
    said = notes(line)
    name = what(line, names)
    period = f"{day(line.starting_ms)} – {day(line.ending_ms)}"
    return row(
        tag(
            "span",
            link(name, "lines", line.id, title="How this line came about") if explain else name,
            tag("small", period, class_="narrow"),
            tag("small", " · ".join(said)) if said else "",
        ),
        period,
        number(line.quantity),
        number(line.unit_price),
        money(line.amount, currency),
        kinds=("", "wide", "num", "num", "num"),
        class_="ticked" if ticked else None,
        data_line=line.id,
    )


def invoice_list(invoices: Sequence[Invoice]) -> Html:
    """One row each, the latest first."""
    rows = [
        row(
            link(f"{day(each.starting_ms)} – {day(each.ending_ms)}", "invoices", each.id),
            f"{KINDS[each.kind]} · {each.contract}",
            badge(each.status, STATUS[each.status]),
            f"{money(each.total, each.currency)} {each.currency}",
            kinds=("", "", "", "num"),
        )
        for each in sorted(invoices, key=lambda each: (-each.starting_ms, each.kind, each.id))
    ]
    return table((("Period", ""), ("Kind", ""), ("Status", ""), ("Total", "num")), rows, "Invoices")
