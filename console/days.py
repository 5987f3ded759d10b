"""What the usage of a running period comes to by day and product, read for many customers with one question."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from console.reading import Warehouse
from console.spreading import DAY_MS, Hour, spread, weight
from contracts.contract import Contract
from contracts.result import Invoice

USAGE: Final = """
SELECT customer, catalogue, product, group,
       toUnixTimestamp64Milli(toDateTime64(toStartOfHour(toDateTime(window_at, 'UTC')), 3, 'UTC')) AS start, sum(events),
       toString(sum(toDecimal256OrNull(value, 20)))
FROM metered_usage_records FINAL
WHERE customer IN {customers:Array(String)} AND kind != 'transfer' AND position(product, char(31)) = 0
 AND window_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND window_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
GROUP BY customer, catalogue, product, group, start"""

Days = Mapping[int, Mapping[str, Decimal]]
"""Amounts by start of the day and product."""


class Running(NamedTuple):
    """A usage invoice and the contract it is of."""

    contract: Contract
    invoice: Invoice


def days_of(warehouse: Warehouse, asked: Sequence[Running]) -> list[Days]:
    """Of each of these, in their order. Raises UnavailableError."""
    if not asked:
        return []
    ids = {name for each in asked for name in _ids(each.contract)}
    from_ms, until_ms = min(each.invoice.starting_ms for each in asked), max(each.invoice.ending_ms for each in asked)
    within = {"customers": sorted(ids), "from_ms": from_ms, "until_ms": until_ms}
    metered: dict[tuple[str, str], list[Hour]] = defaultdict(list)
    for customer, catalogue, product, group, start_ms, events, value in warehouse.look(USAGE, **within):
        metered[customer, catalogue].append(Hour(product, dict(group), start_ms, weight(events, value)))
    return [_days(each, [hour for name in _ids(each.contract) for hour in metered[name, each.contract.catalogue]]) for each in asked]


def _ids(contract: Contract) -> list[str]:
    return [contract.customer, *contract.aliases]


def _days(of: Running, metered: Sequence[Hour]) -> Days:
    found: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for part in spread(of.invoice, metered, DAY_MS):
        if part.line.product and part.line.kind != "commit":
            found[part.start_ms][part.line.product] += part.amount
    return found
