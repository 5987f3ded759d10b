"""What `rate` and `play` share: cases from files, their results as JSON or as tables."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import DocumentError, TaximeterError
from contracts.rendering import digest, ordered, result_json
from taximeter.commands.reading import console, instant, number, table

if TYPE_CHECKING:
    from rich.table import Table

    from contracts.case import Case
    from contracts.result import Alert, Balance, Invoice, Reject, Result

INVOICE = [
    ("product", False), ("group", False), ("from", False), ("until", False), ("quantity", True), ("unit price", True), ("tier", True),
    ("by", False), ("amount", True),
]  # fmt: skip
AMOUNTS = ("granted", "applied", "expired", "remaining")


def load(paths: Iterable[Path]) -> "list[Case]":
    """Cases that can be rated. Raises DocumentError for the first that cannot, actions that cannot be done included."""
    from pipelines.documents import load_case

    cases = []
    for path in paths:
        case = load_case(path)
        if case.actions:
            try:
                rated(case)
            except TaximeterError as error:
                raise DocumentError([f"{path}: {error}"]) from error
        cases.append(case)
    return cases


def rated(case: "Case") -> "list[Result]":
    """The results offline."""
    from contracts.offline import rate

    return rate(case)


def write(found: "Sequence[tuple[Case, list[Result]]]", *, zero: bool, as_json: bool) -> None:
    """To standard output: an object or a list of them, or tables."""
    if not as_json:
        for case, results in found:
            show(case, results, zero=zero)
        return
    objects = []
    for case, results in found:
        shown = [result_json(result) for result in results]
        objects.append({"readings": shown} if case.readings else shown[0])
    json.dump(objects if len(objects) > 1 else objects[0], sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def show(case: "Case", results: "Sequence[Result]", *, zero: bool = False) -> None:
    """The results of a case, one after the other."""
    from contracts.instants import instant_ms

    out = console()
    out.print(f"[bold]{case.case}[/]")
    if case.about:
        out.print(case.about.strip(), style="dim")
    times = [reading.as_of for reading in case.readings] or [case.as_of or ""]
    for as_of, result in zip(times, results, strict=True):
        out.print(f"\nas of {instant(instant_ms(as_of))}", style="bold")
        for part in tables(ordered(result), zero=zero):
            out.print(part)
        out.print(digest(result.invoices, result.balances), style="dim")


def tables(result: "Result", *, zero: bool = False) -> "list[Table]":
    """What there is of invoices, balances, alerts and rejects."""
    found = [invoice_table(invoice, zero=zero) for invoice in result.invoices if zero or invoice.total or any(line.amount for line in invoice.lines)]
    if result.balances:
        found.append(balance_table(result.balances))
    if result.alerts:
        found.append(alert_table(result.alerts))
    if result.rejected:
        found.append(reject_table(result.rejected))
    return found


def invoice_table(invoice: "Invoice", *, zero: bool) -> "Table":
    title = (
        f"{invoice.customer} · {invoice.contract} · {invoice.kind.replace('_', '-')} · {instant(invoice.starting_ms)} – {instant(invoice.ending_ms)}"
        f" · {invoice.status}, issue {instant(invoice.issue_ms)} · {invoice.currency}\n{invoice.id}"
    )
    shown = table(title, INVOICE)
    for line in invoice.lines:
        if not (zero or line.amount or line.quantity):
            continue
        name = line.product or ""
        kind = "" if line.kind == "usage" else f"{line.kind.replace('_', '-')} "
        by = " ".join(filter(None, (line.override, f"[{line.commit}]" if line.commit else None)))
        shown.add_row(
            f"{kind}{name}".strip(),
            ", ".join(f"{key}={value}" for key, value in sorted(line.group.items())),
            instant(line.starting_ms),
            instant(line.ending_ms),
            number(line.quantity),
            number(line.unit_price),
            number(line.tier),
            by.replace("[", r"\["),
            number(line.amount),
        )
    shown.add_section()
    shown.add_row("[bold]total[/]", *[""] * (len(INVOICE) - 2), f"[bold]{number(invoice.total)}[/]")
    return shown


def balance_table(balances: "Sequence[Balance]") -> "Table":
    shown = table("", [("customer", False), ("contract", False), ("id", False), ("type", False), *((name, True) for name in AMOUNTS)])
    for balance in balances:
        shown.add_row(balance.customer, balance.contract, balance.id, balance.type, *(number(getattr(balance, name)) for name in AMOUNTS))
    return shown


def alert_table(alerts: "Sequence[Alert]") -> "Table":
    columns = [("at", False), ("customer", False), ("contract", False), ("threshold", False), ("crossing", True), ("state", False), ("value", True)]
    shown = table("", columns)
    for alert in alerts:
        shown.add_row(*alert_cells(alert))
    return shown


def alert_cells(alert: "Alert") -> list[str]:
    return [instant(alert.at_ms), alert.customer, alert.contract, alert.threshold, number(alert.crossing), alert.state, number(alert.value)]


def reject_table(rejected: "Sequence[Reject]") -> "Table":
    shown = table("", [("rejected", False), ("reason", False)])
    for reject in rejected:
        shown.add_row(reject.transaction_id, reject.reason)
    return shown
