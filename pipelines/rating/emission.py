"""What changed between two results of an account, as records of the topics (before encoding)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from contracts.money import plain
from contracts.result import Alert, Balance, Invoice, Line, Result

BATCH_ROWS: Final = 1000
"""About so many lines and invoices go into one record: some 300 KB."""
EMPTY: Final = Result((), (), (), ())
NOTHING: Final = Decimal(0)
BALANCE_MONEY: Final = ("granted", "applied", "expired", "remaining")

Row = dict[str, Any]


class Difference(NamedTuple):
    """Revisions to publish. What is no more stands in the `gone_…` lists, without amounts: they are zero (`buried`)."""

    invoices: list[Row]
    lines: list[Row]
    balances: list[Row]
    gone_invoices: list[Row]
    gone_lines: list[Row]
    gone_balances: list[Row]


def difference(before: Result, after: Result, currencies: Mapping[str, str], *, whole: bool = False) -> Difference:
    """Invoices, lines and balances of `after` that are new or other than before, and those of `before` that are no more.

    `currencies`: ISO code by contract, for balances. `whole`: all of `after`, whether other than before or not.
    """
    found = Difference([], [], [], [], [], [])
    known = {invoice.id: invoice for invoice in before.invoices}
    for invoice in after.invoices:
        old = known.pop(invoice.id, None)
        if whole or (old is not invoice and old != invoice):
            _changed(old, invoice, found, whole)
    for invoice in known.values():
        found.gone_invoices.append(_without(_invoice(invoice) | {"status": "deleted"}, "total"))
        found.gone_lines.extend(_gone(line, invoice) for line in invoice.lines)
    held = {(each.contract, each.id): each for each in before.balances}
    for balance in after.balances:
        if held.pop((balance.contract, balance.id), None) != balance or whole:
            found.balances.append(_balance(balance, currencies))
    found.gone_balances.extend(_without(_balance(each, currencies) | {"deleted": True}, *BALANCE_MONEY) for each in held.values())
    return found


def buried(row: Row, *money: str) -> Row:
    """A row of what is no more as it is published: zero."""
    return row | dict.fromkeys(money, NOTHING)


def crossing(alert: Alert, currency: str) -> Row:
    """A crossing as it is published; `currency` is empty where the value is a quantity."""
    return {
        "customer": alert.customer,
        "contract": alert.contract,
        "threshold": alert.threshold,
        "state": alert.state,
        "crossing": alert.crossing,
        "value": format(alert.value, "f"),
        "at": alert.at_ms,
        "currency": currency,
    }


def batches(head: Row, invoices: list[Row], lines: list[Row]) -> Iterator[Row]:
    """Values of rated-line-items: `head` with portions of the lines, the invoices in the last one; none when there is nothing."""
    for start in range(0, len(lines), BATCH_ROWS):
        part = lines[start : start + BATCH_ROWS]
        last = start + BATCH_ROWS >= len(lines)
        if last and len(part) + len(invoices) <= BATCH_ROWS:
            yield head | {"invoices": invoices, "lines": part}
            return
        yield head | {"invoices": [], "lines": part}
    for start in range(0, len(invoices), BATCH_ROWS):
        yield head | {"invoices": invoices[start : start + BATCH_ROWS], "lines": []}


def _changed(old: Invoice | None, new: Invoice, found: Difference, whole: bool) -> None:
    before = {line.id: line for line in old.lines} if old else {}
    if whole or old is None or old.total != new.total or _invoice(old) != _invoice(new):
        found.invoices.append(_invoice(new))
    for line in new.lines:
        known = before.pop(line.id, None)
        if whole or (known is not line and known != line):
            found.lines.append(_line(line, new))
    found.gone_lines.extend(_gone(line, new) for line in before.values())


def _invoice(invoice: Invoice) -> Row:
    return {
        "id": invoice.id,
        "customer": invoice.customer,
        "contract": invoice.contract,
        "kind": invoice.kind,
        "status": invoice.status,
        "starting_at": invoice.starting_ms,
        "ending_before": invoice.ending_ms,
        "issue_at": invoice.issue_ms,
        "currency": invoice.currency,
        "total": invoice.total,
    }


def _line(line: Line, invoice: Invoice) -> Row:
    return {
        "id": line.id,
        "invoice": invoice.id,
        "customer": invoice.customer,
        "contract": invoice.contract,
        "kind": line.kind,
        "product": line.product,
        "group": dict(line.group),
        "starting_at": line.starting_ms,
        "ending_before": line.ending_ms,
        "quantity": None if line.quantity is None else plain(line.quantity),
        "unit_price": None if line.unit_price is None else plain(line.unit_price),
        "tier": line.tier,
        "amount": line.amount,
        "currency": invoice.currency,
        "commit": line.commit,
        "override": line.override,
        "deleted": False,
    }


def _gone(line: Line, invoice: Invoice) -> Row:
    return _without(_line(line, invoice) | {"quantity": "0", "deleted": True}, "amount")


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _balance(balance: Balance, currencies: Mapping[str, str]) -> Row:
    return {
        "id": balance.id,
        "customer": balance.customer,
        "contract": balance.contract,
        "type": balance.type,
        "currency": currencies.get(balance.contract, ""),
        "granted": balance.granted,
        "applied": balance.applied,
        "expired": balance.expired,
        "remaining": balance.remaining,
        "deleted": False,
    }
