"""What the pages of customers show, read for many customers at once: a hundred open pages ask the warehouse what one asks.

Of the invoices only the one that runs has its lines; the others have their totals.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from console.reading import Ask, Still, Warehouse
from contracts.result import Alert, Balance, Invoice, Line
from pipelines.warehouse.reads import balance_from, invoice_from, line_from

CROSSINGS: Final = 20
"""The latest of each threshold."""

HEADS: Final = """
SELECT id, customer, contract, kind, status, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before),
       toUnixTimestamp64Milli(issue_at), currency, total, toUnixTimestamp64Milli(as_of)
FROM invoice_revisions FINAL WHERE customer IN {customers:Array(String)}
ORDER BY customer, starting_at, contract, kind, issue_at, id"""

LINES: Final = """
SELECT invoice, id, kind, product, group, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before),
       quantity, unit_price, tier, amount, currency, commit, override
FROM line_revisions FINAL WHERE customer IN {customers:Array(String)} AND invoice IN {invoices:Array(String)} AND NOT deleted
ORDER BY invoice, product IS NULL, product, toString(group), starting_at, ending_before, tier, kind, commit, id"""

BALANCES: Final = """
SELECT id, customer, contract, type, granted, applied, expired, remaining, currency
FROM balance_revisions FINAL WHERE customer IN {customers:Array(String)} AND NOT deleted ORDER BY customer, contract, id"""

ALERTS: Final = """
SELECT customer, contract, threshold, state, value, crossing, toUnixTimestamp64Milli(at) FROM crossing_records FINAL
WHERE customer IN {customers:Array(String)} ORDER BY crossing DESC, state = 'ok' DESC LIMIT {most:UInt32} BY customer, contract, threshold"""


class Figures(NamedTuple):
    """A customer as the warehouse has it now."""

    invoices: Sequence[Invoice] = ()
    """Oldest first; only `draft` has its lines."""
    balances: Sequence[Balance] = ()
    alerts: Sequence[Alert] = ()
    """The latest changes of state of each threshold, oldest first."""
    clock_ms: int = 0
    """The clock of its account; 0: nothing was rated yet."""

    @property
    def draft(self) -> Invoice | None:
        """The usage invoice of the running period, else the last one."""
        return _draft(self.invoices, self.clock_ms)

    @property
    def currency(self) -> str:
        return self.invoices[-1].currency if self.invoices else "USD"


def figures_of(warehouse: Warehouse, customers: Sequence[str], *, waited_for: bool = True) -> Mapping[str, Figures]:
    """Of each of these customers; `waited_for`: by somebody who sees nothing yet. Raises UnavailableError."""
    ask = warehouse.little if waited_for else warehouse.look
    return warehouse.consistent(lambda still: _read(warehouse, customers, still, ask))


def _read(warehouse: Warehouse, customers: Sequence[str], still: Still, ask: Ask) -> Mapping[str, Figures]:
    of_balances = warehouse.beside(ask, still.tables(BALANCES), customers=list(customers))
    of_alerts = warehouse.beside(ask, ALERTS, customers=list(customers), most=CROSSINGS)
    heads: dict[str, list[Invoice]] = {}
    clocks: dict[str, int] = {}
    for *head, as_of_ms in ask(still.tables(HEADS), customers=list(customers)):
        owner, status = head[1], head[4]
        clocks[owner] = max(as_of_ms, clocks.get(owner, 0))
        if status != "deleted":
            heads.setdefault(owner, []).append(invoice_from(head))
    running = [draft for owner, invoices in heads.items() if (draft := _draft(invoices, clocks[owner])) is not None]
    lines: dict[str, list[Line]] = {}
    if running:
        asked = {"customers": sorted({each.customer for each in running}), "invoices": [each.id for each in running]}
        for invoice, *rest in ask(still.tables(LINES), **asked):
            lines.setdefault(invoice, []).append(line_from(rest))
    balances: dict[str, list[Balance]] = {}
    for row in of_balances.result():
        balances.setdefault(row[1], []).append(balance_from(row))
    alerts: dict[str, list[Alert]] = {}
    for customer, contract, threshold, state, value, crossing, at_ms in of_alerts.result():
        alerts.setdefault(customer, []).append(Alert(customer, contract, threshold, state, Decimal(value), crossing, at_ms))
    return {
        customer: Figures(
            tuple(each._replace(lines=tuple(lines[each.id])) if each.id in lines else each for each in heads.get(customer, ())),
            tuple(balances.get(customer, ())),
            tuple(reversed(alerts.get(customer, ()))),
            clocks.get(customer, 0),
        )
        for customer in customers
    }


def _draft(invoices: Iterable[Invoice], clock_ms: int) -> Invoice | None:
    usage = [each for each in invoices if each.kind == "usage" and each.status != "void"]
    drafts = [each for each in usage if each.status == "draft" and each.starting_ms <= clock_ms] or usage
    return max(drafts, key=lambda each: (each.starting_ms, each.total), default=None)
