"""What the warehouse says about a customer, as `contracts.result` objects: exactly what RATE emitted.

Amounts come back with the currency's minor units and quantities from their exact text, so the digest of an invoice can be computed again
from here. Reads are of one customer and by key; they raise clickhouse-connect's errors.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from contracts.money import exponent
from contracts.result import Alert, Balance, Invoice, Line, Reject

LINES = """
SELECT invoice, id, kind, product, group, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before),
       quantity_text, unit_price_text, tier, amount, currency, commit, override
FROM invoice_lines WHERE customer = {customer:String} AND invoice IN {invoices:Array(String)}
ORDER BY invoice, product IS NULL, product, toString(group), starting_at, ending_before, tier, kind, commit, id"""

INVOICES = """
SELECT id, customer, contract, kind, status, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before),
       toUnixTimestamp64Milli(issue_at), currency, total
FROM invoices WHERE customer = {customer:String}
 AND ({contract:String} = '' OR contract = {contract:String})
 AND starting_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AND starting_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
ORDER BY starting_at, contract, kind, issue_at, id"""

BALANCES = """
SELECT id, customer, contract, type, granted, applied, expired, remaining, currency
FROM balances WHERE customer = {customer:String} ORDER BY contract, id"""

ALERTS = """
SELECT customer, contract, threshold, state, value, crossing, toUnixTimestamp64Milli(at)
FROM alerts WHERE ({customer:String} = '' OR customer = {customer:String}) AND written_at >= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
ORDER BY at, customer, threshold, crossing, state DESC LIMIT {limit:UInt32}"""

REJECTS = """
SELECT topic, partition, offset, toUnixTimestamp64Milli(recorded_at), reason, detail, transaction_id, customer, key, value,
       toUnixTimestamp64Milli(written_at)
FROM rejected_events WHERE ({customer:String} = '' OR customer = {customer:String}) AND ({reason:String} = '' OR reason = {reason:String})
 AND written_at >= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
ORDER BY recorded_at, topic, partition, offset LIMIT {limit:UInt32}"""

FINALS = """
SELECT contract, toUnixTimestamp64Milli(max(ending_before)) FROM invoices
WHERE customer != '' AND contract IN {contracts:Array(String)} AND kind = 'usage' AND status = 'final' GROUP BY contract"""

FIRST_MS = -2_208_988_800_000  # 1900, where DateTime64 starts
LAST_MS = 10_413_791_999_999  # 2299, where it ends
ALL = 4_000_000_000


class RejectedEvent(NamedTuple):
    """A usage event that did not count, with its bytes."""

    topic: str
    partition: int
    offset: int
    recorded_ms: int
    reason: str
    detail: str
    transaction_id: str | None
    customer: str | None
    key: bytes | None
    value: bytes | None
    written_ms: int

    def as_result(self) -> Reject:
        return Reject(self.transaction_id or "", self.reason)


def invoices_of(client: Client, customer: str, *, contract: str = "", from_ms: int = FIRST_MS, until_ms: int = LAST_MS) -> tuple[Invoice, ...]:
    """The customer's invoices with lines whose period starts in [from, until), oldest first: as they are now."""
    asked = {"customer": customer, "contract": contract, "from_ms": from_ms, "until_ms": until_ms}
    heads = client.query(INVOICES, parameters=asked).result_rows
    if not heads:
        return ()
    lines: dict[str, list[Line]] = {}
    found = client.query(LINES, parameters={"customer": customer, "invoices": [head[0] for head in heads]}).result_rows
    for invoice, *rest in found:
        lines.setdefault(invoice, []).append(line_from(rest))
    return tuple(invoice_from(head, lines.get(head[0], [])) for head in heads)


def balances_of(client: Client, customer: str) -> tuple[Balance, ...]:
    """One row for each commit, credit and recurring grant of the customer."""
    return tuple(balance_from(row) for row in client.query(BALANCES, parameters={"customer": customer}).result_rows)


def alerts(client: Client, *, customer: str = "", written_from_ms: int = 0, limit: int = ALL) -> tuple[Alert, ...]:
    """Changes of state, oldest first: of one customer or of all, and only those that arrived from an instant on."""
    asked = {"customer": customer, "after_ms": written_from_ms, "limit": limit}
    return tuple(
        Alert(customer_, contract, threshold, state, Decimal(value), crossing, at_ms)
        for customer_, contract, threshold, state, value, crossing, at_ms in client.query(ALERTS, parameters=asked).result_rows
    )


def rejected_events(client: Client, *, customer: str = "", reason: str = "", written_from_ms: int = 0, limit: int = ALL) -> tuple[RejectedEvent, ...]:
    """Events that did not count, oldest first."""
    asked = {"customer": customer, "reason": reason, "after_ms": written_from_ms, "limit": limit}
    rows = client.query(REJECTS, parameters=asked, column_formats={"key": "bytes", "value": "bytes"}).result_rows
    return tuple(RejectedEvent(*row) for row in rows)


def customer_of_line(client: Client, line: str) -> str | None:
    """Whose line it is; none: there is no such line."""
    rows = client.query("SELECT customer FROM invoice_lines WHERE id = {line:String} LIMIT 1", parameters={"line": line}).result_rows
    return rows[0][0] if rows else None


def final_until_ms(client: Client, contracts: Iterable[str]) -> dict[str, int]:
    """End of the last final period of each of these contracts that has one."""
    return {row[0]: row[1] for row in client.query(FINALS, parameters={"contracts": sorted(contracts)}).result_rows}


def customers_like(client: Client, customer: str) -> list[str]:
    """Known customers whose id resembles this one: for the error that names them."""
    asked = "SELECT DISTINCT customer FROM invoice_revisions ORDER BY damerauLevenshteinDistance(customer, {customer:String}), customer LIMIT 3"
    return [row[0] for row in client.query(asked, parameters={"customer": customer}).result_rows]


def invoice_from(head: Iterable[Any], lines: Iterable[Line] = ()) -> Invoice:
    """An invoice from the columns that `INVOICES` selects."""
    identity, customer, contract, kind, status, starting_ms, ending_ms, issue_ms, currency, total = head
    return Invoice(identity, customer, contract, kind, status, starting_ms, ending_ms, issue_ms, currency, tuple(lines), _money(total, currency))


def line_from(row: Iterable[Any]) -> Line:
    """A line from the columns that `LINES` selects behind the invoice."""
    identity, kind, product, group, starting_ms, ending_ms, quantity, unit_price, tier, amount, currency, commit, override = row
    return Line(
        identity,
        kind,
        product,
        dict(group),
        starting_ms,
        ending_ms,
        None if quantity is None else Decimal(quantity),
        None if unit_price is None else Decimal(unit_price),
        tier,
        _money(amount, currency),
        commit,
        override,
    )


def balance_from(row: Iterable[Any]) -> Balance:
    """A balance from the columns that `BALANCES` selects."""
    identity, customer, contract, kind, granted, applied, expired, remaining, currency = row
    return Balance(
        identity,
        customer,
        contract,
        kind,
        _money(granted, currency),
        _money(applied, currency),
        _money(expired, currency),
        _money(remaining, currency),
    )


def _money(amount: Decimal, currency: str) -> Decimal:
    """With the currency's minor units; what was stored is a whole number of them."""
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)))
