"""Usage of a metric from the raw events in the warehouse: the SQL that METER runs, over the events that count."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlglot import exp

from console.reading import Warehouse
from contracts.catalogue import Catalogue, Metric, Product
from pipelines.metering.compile import Meter, meters

EVENTS: Final = """
SELECT transaction_id, customer, event_type, toUnixTimestamp64Milli(timestamp) AS timestamp, properties FROM
(
    SELECT transaction_id, customer, event_type, timestamp, properties, source_partition, source_offset, recorded_at FROM usage_events
    WHERE customer IN {customers:Array(String)} AND event_type IN {types:Array(String)}
     AND timestamp >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND timestamp < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
     AND (toUInt64(source_partition), source_offset) NOT IN
         (SELECT toUInt64(partition), offset FROM rejected_events WHERE topic = 'usage-events')
    ORDER BY recorded_at, source_partition, source_offset
    LIMIT 1 BY transaction_id
)"""
"""The first of each id, without what was rejected."""

AGGREGATES: Final = {
    "count": "toString(count())",
    "sum": "toString(sum({value}))",
    "max": "toString(max({value}))",
    "min": "toString(min({value}))",
    "unique": "toString(uniqExact({value}))",
    "latest": "toString(argMax({value}, (timestamp, transaction_id)))",
}


class Usage(NamedTuple):
    start_ms: int
    """Start of the window; 0 when there is only one."""
    group: dict[str, str]
    value: Decimal


def usage_of(
    warehouse: Warehouse, metric: Metric, customers: Sequence[str], from_ms: int, until_ms: int, window_ms: int, keys: Sequence[str]
) -> list[Usage]:
    """Values by window (`window_ms` 0: one for all) and group, oldest first; a `time_weighted` metric has none here."""
    if metric.aggregation not in AGGREGATES:
        return []
    catalogue = Catalogue(metrics={"metric": metric}, products={"product": Product(name="product", metric="metric")})
    (meter,) = meters(catalogue)
    text, names = _statement(meter, window_ms, keys)
    rows = warehouse.query(text, customers=list(customers), types=list(metric.event_types), from_ms=from_ms, until_ms=until_ms, **names)
    return [Usage(start, {key: value for key, value in zip(keys, group, strict=True) if value != ""}, Decimal(value)) for start, group, value in rows]


def _statement(meter: Meter, window_ms: int, keys: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The statement, and parameters for the group keys."""
    names = {f"key{number}": key for number, key in enumerate(keys)}
    window = f"intDiv(timestamp, {window_ms}) * {window_ms}" if window_ms else "toInt64(0)"
    group = ", ".join(f"properties[{{{name}:String}}]" for name in names)
    value = _sql(meter.value) if meter.value is not None else ""
    conditions = [_sql(each) for each in meter.conditions]
    if meter.invalid is not None:
        conditions.append(f"NOT ({_sql(meter.invalid)})")
    return (
        f"SELECT {window} AS window, [{group}]::Array(String) AS group, {AGGREGATES[meter.aggregation].format(value=value)}"
        f" FROM ({EVENTS}) WHERE {' AND '.join(f'({each})' for each in conditions)} GROUP BY window, group ORDER BY window, group"
    ), names


def _sql(tree: exp.Expr) -> str:
    return str(tree.sql(dialect="clickhouse"))
