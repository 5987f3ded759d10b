"""The second way: SQL over the raw events in ClickHouse, product by product, from the same trees that METER compiles."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from contracts.catalogue import Catalogue
from contracts.scales import raw_atoms
from contracts.usage import Point
from contracts.windows import Aggregate, group_key, merge
from pipelines.corrected import COUNTS, Corrected
from pipelines.metering.compile import Meter, meters
from pipelines.metering.trees import has, property_of, sql, text
from pipelines.verifying.windows import QUARTER_MS, Counted, Place

_VALUES: Final = frozenset({"sum", "max", "min"})


def counted(
    client: Client,
    catalogues: Iterable[Catalogue],
    customers: Sequence[str],
    filters: Mapping[str, Iterable[str]],
    exact: frozenset[str],
    window_ms: int,
    corrected: Corrected,
) -> Counted:
    """The windows of these ids. `filters`: property to the ids whose contracts filter usage by it. `exact`: ids whose usage keeps its arrival."""
    found: Counted = {}
    asked = {"customers": list(customers), "exact": sorted(exact), "window_ms": window_ms, **corrected.asked()}
    for catalogue in catalogues:
        for meter in meters(catalogue):
            for row in client.query(_statement(meter, filters), parameters=asked).result_rows:
                _add(found, meter, row)
    return found


def _statement(meter: Meter, filters: Mapping[str, Iterable[str]]) -> str:
    conditions = " AND ".join(f"({sql(tree)})" for tree in meter.conditions)
    names = [sql(text(key)) for key in meter.group_keys]
    present = [sql(has(key)) for key in meter.group_keys]
    values = [sql(property_of(key)) for key in meter.group_keys]
    for key, owners in filters.items():
        if key not in meter.group_keys:
            names.append(sql(text(key)))
            present.append(f"{sql(has(key))} AND customer IN ({', '.join(sql(text(each)) for each in sorted(owners))})")
            values.append(sql(property_of(key)))
    pairs = ", ".join(f"({name}, {value}, {there})" for name, value, there in zip(names, values, present, strict=True))
    grouped = f"arraySort(arrayMap(pair -> (pair.1, pair.2), arrayFilter(pair -> pair.3, [{pairs}])))" if pairs else "CAST([], 'Array(Tuple(String, String))')"
    return (
        f"SELECT customer, {grouped} AS groups, timestamp - timestamp % {{window_ms:Int64}} AS window,"
        f" multiIf(has({{exact:Array(String)}}, customer), recorded - recorded % {QUARTER_MS},"
        f" recorded < window + {{window_ms:Int64}}, window, recorded - recorded % {QUARTER_MS}) AS at,"
        f" min(timestamp), count(), {_aggregate(meter)} FROM ({_events(meter)}) WHERE {conditions} GROUP BY customer, groups, window, at"
    )


def _events(meter: Meter) -> str:
    """Raw events of the product's types that count. What is left of one id, when rejects are left out, is the same event once more: of one type, so the others need not be sorted."""
    return f"""
SELECT transaction_id, customer, event_type, toUnixTimestamp64Milli(at) AS timestamp, properties, toUnixTimestamp64Milli(arrived) AS recorded
FROM (
  SELECT transaction_id, customer, event_type, e.timestamp AS at, properties, e.recorded_at AS arrived, source_partition, source_offset
  FROM usage_event_records AS e FINAL
  WHERE customer IN {{customers:Array(String)}} AND {sql(meter.conditions[0])}
   AND (source_partition, source_offset) NOT IN (SELECT partition, offset FROM rejected_event_records WHERE topic = 'usage-events')
  ORDER BY source_partition, source_offset LIMIT 1 BY transaction_id
)
WHERE {COUNTS}"""


def _aggregate(meter: Meter) -> str:
    value = "" if meter.value is None else sql(meter.value)
    if meter.aggregation in _VALUES:
        return f"{meter.aggregation}({value})"
    if meter.aggregation == "unique":
        return f"groupUniqArray({value})"
    if meter.aggregation in ("latest", "time_weighted"):
        return f"groupArray(tuple(timestamp, transaction_id, toString({value})))"
    return "NULL"


def _add(found: Counted, meter: Meter, row: Sequence[Any]) -> None:
    customer, group, window_ms, at_ms, first_ms, events, value = row
    place = Place(customer, meter.catalogue, meter.product, group_key(dict(group)), window_ms)
    kind = meter.aggregation
    if kind in _VALUES:
        one = Aggregate(events, first_ms, raw_atoms(value))
    elif kind == "unique":
        one = Aggregate(events, first_ms, None, (), frozenset(value))
    elif kind in ("latest", "time_weighted"):
        points = sorted(Point(at, name, Decimal(number)) for at, name, number in value)
        one = Aggregate(events, first_ms, None, tuple(points[-1:] if kind == "latest" else points))
    else:
        one = Aggregate(events, first_ms)
    slots = found.setdefault(place, {})
    slots[at_ms] = merge(kind, slots.get(at_ms), one)
