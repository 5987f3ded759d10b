"""The statements that METER asks its batch table, put together from the trees of all products.

`identity`      what each event is: place, dedup key, hash of the body, time, and what is wrong with it
`Deltas`        the deltas of all products, as Avro rows of a `UsageDelta` behind a short head each
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlglot import exp

from pipelines.metering.compile import MEMBER_BYTES, Meter
from pipelines.metering.decode import SENTINEL, TABLE
from pipelines.metering.trees import Tree, call, has, property_of, sql, text, whole

QUARTER_MS: Final = 900_000
PART: Final = 100
"""So many members or points go into one delta at most."""
EXCLUDED: Final = "meter.excluded"
"""Places of the batch that do not count."""
ROOTS: Final = "meter.roots"
"""Customers whose usage another one owns, with the partition of that one plus one."""

NO_TEXT: Final = 1
REPEATED: Final = 2
NO_ID: Final = 4
NO_VALUE: Final = 8
"""Flags of `identity`: text that is no UTF-8; a property that stands twice; an id that is empty or too long; a product needs a value."""

_POINTS: Final = "Array(Tuple(timestamp_ms Int64, transaction_id String, value String))"
_AVRO: Final = "SETTINGS output_format_avro_codec = 'null', output_format_avro_sync_interval = 1073741824"


class Single(NamedTuple):
    """Whose usage METER does not add up freely. Names are tables of one column `customer`."""

    singles: str | None = None
    """Customers with thresholds: one delta an event."""
    filters: tuple[tuple[str, str], ...] = ()
    """(property, table): customers whose contracts filter usage by that property."""


def identity(meters: Sequence[Meter]) -> str:
    """A row an event, in order: n, sipHash128 of partition and id, hash of the body (whatever the order of its properties), timestamp, flags."""
    whole_texts = (
        "isValidUTF8(transaction_id) AND isValidUTF8(customer) AND isValidUTF8(event_type)"
        " AND arrayAll(x -> isValidUTF8(x), mapKeys(properties)) AND arrayAll(x -> isValidUTF8(x), mapValues(properties))"
    )
    ids = f"empty(transaction_id) OR empty(customer) OR length(transaction_id) > {MEMBER_BYTES} OR length(customer) > {MEMBER_BYTES}"
    flags = [
        f"{NO_TEXT} * (NOT ({whole_texts}))",
        f"{REPEATED} * (arrayUniq(mapKeys(properties)) != length(mapKeys(properties)))",
        f"{NO_ID} * ({ids} OR length(event_type) > {MEMBER_BYTES})",
    ]
    if lacking := _lacking(meters):
        flags.append(f"{NO_VALUE} * ({lacking})")
    return (
        "SELECT n, sipHash128(partition, transaction_id), cityHash64(customer, event_type, timestamp, mapSort(properties)), timestamp, "  # noqa: S608
        f"toUInt8({' + '.join(flags)}) FROM {TABLE} WHERE n != {SENTINEL}"
    )


def _lacking(meters: Sequence[Meter]) -> str:
    """Some product that the event concerns needs a value and finds none. Products of one value share the look at it, which nearly always passes."""
    filters: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for each in meters:
        if each.invalid is not None:
            filters.setdefault((each.event_types, sql(each.invalid)), []).append(sql(exp.and_(*[tree.copy() for tree in each.conditions])))
    types = {each.event_types: sql(each.conditions[0]) for each in meters}
    return " OR ".join(f"({types[kind]} AND {invalid} AND (({') OR ('.join(some)})))" for (kind, invalid), some in filters.items())


def check(each: Meter, position: int) -> str:
    """Rows (n, position): events that pass the filters of `each` and have not the value that it needs. Empty: it needs none."""
    if each.invalid is None:
        return ""
    select = exp.select(exp.column("n"), exp.alias_(whole(position), "meter")).from_(exp.to_table(TABLE))
    return sql(select.where(*[tree.copy() for tree in each.conditions], each.invalid.copy()))


class Deltas(NamedTuple):
    """Statements over the batch, for products by position: over all of it, and without what is in `EXCLUDED`."""

    all: list[str]
    remaining: list[str]
    ordered: bool

    def of(self, products: Sequence[int], mark: bytes, *, excluding: bool) -> str:
        """The deltas of `products`, each row behind `mark`."""
        some = self.remaining if excluding else self.all
        union = " UNION ALL ".join(some[position] for position in products)
        head = f"reinterpretAsFixedString({int.from_bytes(mark, 'little')}::UInt64) AS mark"
        order = " ORDER BY sequence NULLS FIRST" if self.ordered else ""
        return f"SELECT {head}, * FROM ({union}){order} {_AVRO}"  # noqa: S608


def deltas(meters: Sequence[Meter], window_ms: int, partitions: int, single: Single) -> Deltas:
    """Statements whose rows are: target partition, place (both of fixed size), then the fields of a `UsageDelta`."""
    everything = [_product(each, window_ms, partitions, single, "true") for each in meters]
    remaining = [_product(each, window_ms, partitions, single, f"n NOT IN {EXCLUDED}") for each in meters]
    return Deltas(everything, remaining, single.singles is not None)


def _product(each: Meter, window_ms: int, partitions: int, single: Single, counted: str) -> str:
    keys = groups_of(each, single)
    aggregates = {"sum": "value", "max": "value", "min": "value", "unique": "members"}
    kind = None if each.value is None else aggregates.get(each.aggregation, "points")
    value, points, members, events, parts = "CAST(NULL, 'Nullable(String)')", f"CAST([], '{_POINTS}')", "CAST([], 'Array(String)')", "events", ""
    if kind == "value":
        value = "toNullable(toString(aggregate))"
    elif kind is not None:
        # A record of Kafka is limited, so many members or points are many deltas; their events are counted in the first.
        part = f"arraySlice(arraySort(aggregate), part * {PART} + 1, {PART})"
        points, members = (f"CAST({part}, '{_POINTS}')", members) if kind == "points" else (points, part)
        events = "if(part = 0, events, 0)"
        parts = f" ARRAY JOIN range(toUInt64(intDiv(length(aggregate) + {PART - 1}, {PART}))) AS part"
    group = _group(keys)
    target = f"if(joinGet('{ROOTS}', 'place', customer) > 0, joinGet('{ROOTS}', 'place', customer) - 1, kafkaMurmurHash(customer) % {partitions})"
    fields = [
        f"reinterpretAsFixedString(toUInt16({target})) AS target",
        "reinterpretAsFixedString(toInt64(ifNull(place, -1))) AS place_bytes",
        f"{sql(text(each.catalogue))} AS catalogue",
        f"{sql(text(each.product))} AS product",
        "customer",
        f"{group} AS `group`",
        "toInt64(window_start) AS window_ms",
        "toInt64(recorded) AS recorded_ms",
        "toInt64(first) AS first_ms",
        f"toInt64({events}) AS events",
        f"{value} AS value",
        f"{points} AS points",
        f"{members} AS members",
        "CAST(place, 'Nullable(Int64)') AS sequence",
    ]
    inner = _grouped(each, window_ms, single, keys, counted)
    return f"SELECT {', '.join(fields)} FROM ({inner}) AS grouped{parts}"  # noqa: S608


def _grouped(each: Meter, window_ms: int, single: Single, keys: Sequence[str], counted: str) -> str:
    recorded = f"recorded_ms - recorded_ms % {QUARTER_MS}"
    place = "NULL"
    if single.singles is not None:
        alone = f"customer IN {single.singles}"
        recorded, place = f"if({alone}, recorded_ms, {recorded})", f"if({alone}, toNullable(n), NULL)"
    columns = [
        "customer",
        f"timestamp - timestamp % {window_ms} AS window_start",
        f"{recorded} AS recorded",
        f"{place} AS place",
        "min(timestamp) AS first",
        "count() AS events",
    ]
    if each.value is not None:
        columns.append(f"{_aggregate(each, each.value)} AS aggregate")
    by = ["customer", "window_start", "recorded", "place"]
    for position, key in enumerate(keys):
        present = sql(has(key))
        if key not in each.group_keys:
            present += f" AND customer IN {dict(single.filters)[key]}"
        columns.append(f"if({present}, toNullable({sql(property_of(key))}), NULL) AS group_{position}")
        by.append(f"group_{position}")
    holds = " AND ".join(f"({sql(tree)})" for tree in each.conditions)
    return f"SELECT {', '.join(columns)} FROM {TABLE} WHERE {holds} AND {counted} GROUP BY {', '.join(by)}"  # noqa: S608


def _group(keys: Sequence[str]) -> str:
    """The values that are there, as a map."""
    if not keys:
        return "CAST(([], []), 'Map(String, String)')"
    names = f"[{', '.join(sql(text(key)) for key in keys)}]"
    found = f"[{', '.join(f'group_{position}' for position in range(len(keys)))}]"
    return (
        f"mapFromArrays(arrayFilter((name, found) -> isNotNull(found), {names}, {found}), "
        f"arrayMap(found -> assumeNotNull(found), arrayFilter(found -> isNotNull(found), {found})))"
    )


def groups_of(each: Meter, single: Single) -> tuple[str, ...]:
    """The product's keys, then the properties by which some contract filters usage."""
    return tuple(dict.fromkeys([*each.group_keys, *(key for key, _ in single.filters)]))


def _aggregate(each: Meter, value: Tree) -> str:
    if each.aggregation in {"sum", "max", "min"}:
        return sql(call(each.aggregation, value))
    if each.aggregation == "unique":
        return sql(call("groupUniqArray", value))
    point = call("tuple", exp.column("timestamp"), exp.column("transaction_id"), call("toString", value))
    return sql(call("array", call("max", point)) if each.aggregation == "latest" else call("groupArray", point))
