"""What an edit changes: invoices before and after, line by line, balances, and texts of two versions."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from console.documents import Difference
from console.pages.parts.invoice import KINDS
from console.pages.parts.states import empty
from console.pages.parts.text import Html, badge, join, money, number, row, table, tag

Change = Mapping[str, Any]


def preview(found: Change, names: Mapping[str, str], note: str = "Nothing is published before you save.") -> Html:
    """What `pipelines.preview.differences` has found."""
    if not found["invoices"] and not found["balances"]:
        return empty("Nothing changes yet", "No invoice and no balance would be another one with this text.")
    clocks = ", ".join(f"{now}" + ("" if clock == "wall" else f" on clock {clock}") for clock, now in found["as_of"].items())
    parts: list[Html] = [tag("p", f"As of {clocks}. {note}".strip(), class_="soft")]
    parts += [_invoice(each, names) for each in found["invoices"]]
    if found["balances"]:
        parts.append(_balances(found["balances"]))
    return join(parts)


def _invoice(invoice: Change, names: Mapping[str, str]) -> Html:
    currency = invoice["currency"]
    before, after = (None if invoice["total"][side] is None else Decimal(invoice["total"][side]) for side in ("before", "after"))
    title = f"{KINDS[invoice['kind']]} · {invoice['contract']} · {_day(invoice['starting_at'])} – {_day(invoice['ending_before'])}"
    totals = tag("span", f"{money(before, currency) or 'none'} → ", tag("b", money(after, currency) or "none", data_after=True), f" {currency}", class_="right")
    rows = []
    for pair in invoice["lines"]:
        for sign, kind, line in (("−", "was", pair["before"]), ("+", "becomes", pair["after"])):
            if line is not None:
                rows.append(_line(sign, kind, line, names, currency))
    head = (("", ""), ("Line", ""), ("Period", "wide"), ("Quantity", "num"), ("Unit price", "num"), ("Amount", "num"))
    return tag(
        "div",
        tag("div", tag("h2", title), badge(invoice["status"]), totals, class_="head"),
        table(head, rows, f"Lines that change: {title}"),
        style="margin-bottom: 1rem",
    )


def _line(sign: str, kind: str, line: Change, names: Mapping[str, str], currency: str) -> Html:
    what = names.get(line["product"], line["product"]) if line["product"] else line["kind"].replace("_", " ").capitalize()
    notes = [f"{key}: {value}" for key, value in line["group"].items()]
    if line["commit"]:
        notes.append(f"paid by {line['commit']}" if line["kind"] == "commit" else f"counts to {line['commit']}")
    notes += [f"override {line['override']}"] if line["override"] else []
    notes += [f"tier {line['tier']}"] if line["tier"] else []
    return row(
        sign,
        tag("span", what, tag("small", " · ".join(notes)) if notes else ""),
        f"{_day(line['starting_at'])} – {_day(line['ending_before'])}",
        number(None if line["quantity"] is None else Decimal(line["quantity"])),
        number(None if line["unit_price"] is None else Decimal(line["unit_price"])),
        money(Decimal(line["amount"]), currency),
        kinds=("", "", "wide", "num", "num", "num"),
        class_=kind,
    )


def _balances(found: Iterable[Change]) -> Html:
    rows = []
    for pair in found:
        for sign, kind, balance in (("−", "was", pair["before"]), ("+", "becomes", pair["after"])):
            if balance is not None:
                values = (money(Decimal(balance[name])) for name in ("granted", "applied", "remaining"))
                rows.append(row(sign, f"{balance['contract']} · {balance['id']}", *values, kinds=("", "", "num", "num", "num"), class_=kind))
    head = (("", ""), ("Balance", ""), ("Granted", "num"), ("Applied", "num"), ("Remaining", "num"))
    return join([tag("h2", "Balances"), table(head, rows, "Balances that change")])


def text_diff(lines: Sequence[str]) -> Html:
    """A unified difference."""
    if not lines:
        return empty("No difference", "Both versions say the same.")
    shown = [tag("span", line or " ", class_={"+": "add", "-": "cut"}.get(line[:1])) for line in lines if not line.startswith(("+++", "---"))]
    return tag("div", tag("pre", *shown), class_="scroll", tabindex="0", role="region", aria_label="Difference")


def places(found: Sequence[Difference]) -> Html:
    """Where two versions differ, place by place."""
    if not found:
        return tag("p", "nothing", class_="soft")
    return tag(
        "ul",
        *(tag("li", tag("code", each.path), ": ", _said(each.before), " → ", _said(each.after)) for each in found),
        style="margin: 0; padding-left: 1.1rem; overflow-wrap: anywhere",
    )


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(item)}" for key, item in value.items())
    return "; ".join(map(_said, value)) if isinstance(value, list) else str(value)


def _day(text: str) -> str:
    return text.removesuffix("T00:00:00Z")
