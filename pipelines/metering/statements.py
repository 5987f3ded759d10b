"""The statements that METER asks its batch table, put together from the trees of all products.

`identity`      what each event is: place, dedup key, hash of the body, time, and what is wrong with it
`Deltas`        the deltas of all products, as Avro rows of a `UsageDelta` behind a short head each
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlglot import exp

from contracts.expressions import SCALE
from contracts.twins import SEPARATOR
from pipelines.metering.compile import Meter
from pipelines.metering.decode import TABLE
from pipelines.metering.trees import call, has, property_of, sql, text, whole
from schemas.codec import ID_BYTES

QUARTER_MS: Final = 900_000
PART: Final = 100
"""So many members or points go into one delta at most."""
EXCLUDED: Final = "meter.excluded"
"""Places of the batch that do not count."""
GATHERED: Final = "meter.gathered"
"""Events of the past that wait to be counted together."""
ROOTS: Final = "meter.roots"
"""Customers whose usage another one owns, with the partition of that one plus one."""

NO_TEXT: Final = 1
REPEATED: Final = 2
NO_ID: Final = 4
NO_VALUE: Final = 8
RESERVED: Final = 16
"""Flags of `identity`: text that is no UTF-8; a property that stands twice; an id that is empty or too long; a product needs a value; an id as only
corrections give it."""

_VALUES: Final = frozenset({"sum", "max", "min"})
_POINTS: Final = "Array(Tuple(timestamp_ms Int64, transaction_id String, value String))"
_AVRO: Final = "SETTINGS output_format_avro_codec = 'null', output_format_avro_sync_interval = 1073741824"


class Single(NamedTuple):
    """Whose usage METER does not add up freely. Names are tables of one column `customer`."""

    singles: str | None = None
    """Customers with thresholds: one delta an event."""
    filters: tuple[tuple[str, str], ...] = ()
    """(property, table): customers whose contracts filter usage by that property."""
    known: str = ""
    """All customers and aliases that are known: usage of others keeps every property by which some contract filters. Empty: there are no filters."""


PLACES: Final = f"SELECT n, toFixedString('', 16), toUInt64(0), toInt64(0), toUInt8(0) FROM {TABLE}"
"""Rows as `identity` has them, of events that were looked at long ago: their places alone."""


def identity(meters: Sequence[Meter], brought: Sequence[str] | None = None) -> str:
    """A row an event and the sentinel, in order: n, sipHash128 of partition and id, hash of the body (whatever the order of its properties), timestamp, flags.

    `brought`: how the ids of events begin that corrections have brought; none: ids of that kind are not looked at.
    """
    whole_texts = (
        "isValidUTF8(transaction_id) AND isValidUTF8(customer) AND isValidUTF8(event_type)"
        " AND arrayAll(x -> isValidUTF8(x), mapKeys(properties)) AND arrayAll(x -> isValidUTF8(x), mapValues(properties))"
    )
    ids = f"empty(transaction_id) OR empty(customer) OR length(transaction_id) > {ID_BYTES} OR length(customer) > {ID_BYTES}"
    flags = [
        f"{NO_TEXT} * (NOT ({whole_texts}))",
        f"{REPEATED} * (arrayUniq(mapKeys(properties)) != length(mapKeys(properties)))",
        f"{NO_ID} * ({ids} OR length(event_type) > {ID_BYTES})",
    ]
    if brought is not None:
        starts = [sql(call("startsWith", exp.column("transaction_id"), text(each))) for each in (SEPARATOR, *brought)]
        flags.append(f"{RESERVED} * ({' AND NOT '.join(starts)})")
    if lacking := _lacking(meters):
        flags.append(f"{NO_VALUE} * ({lacking})")
    hashes = "sipHash128(partition, transaction_id), cityHash64(customer, event_type, timestamp, mapSort(properties))"
    return f"SELECT n, {hashes}, timestamp, toUInt8({' + '.join(flags)}) FROM {TABLE}"


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
    """The statement over all of the batch, and over it without what is in `EXCLUDED`; empty where there are no products."""

    all: str
    remaining: str

    def of(self, mark: bytes, *, excluding: bool) -> str:
        """The deltas, each row behind `mark`."""
        statement = self.remaining if excluding else self.all
        return f"SELECT reinterpretAsFixedString({int.from_bytes(mark, 'little')}::UInt64) AS mark, {statement}" if statement else ""


def deltas(meters: Sequence[Meter], window_ms: int, partitions: int, single: Single, table: str = TABLE) -> Deltas:
    """Statements over `table` whose rows are: target partition, place (both of fixed size), then the fields of a `UsageDelta`.

    What a statement costs is mostly its planning, so products are taken together where they differ in their filters and properties alone.
    """
    if not meters:
        return Deltas("", "")
    together: dict[tuple[str, tuple[str, ...], str], list[int]] = {}
    for position, each in enumerate(meters):
        own = "" if each.property is not None or each.value is None else sql(each.value)
        together.setdefault((each.aggregation, each.group_keys, own), []).append(position)
    catalogues, products = _texts([each.catalogue for each in meters]), _texts([each.product for each in meters])
    target = f"if(joinGet('{ROOTS}', 'place', customer) > 0, joinGet('{ROOTS}', 'place', customer) - 1, kafkaMurmurHash(customer) % {partitions})"
    fields = [
        f"reinterpretAsFixedString(toUInt16({target})) AS target",
        "reinterpretAsFixedString(toInt64(ifNull(place, -1))) AS place_bytes",
        f"{catalogues}[product + 1] AS catalogue_id",
        f"{products}[product + 1] AS product_id",
        "customer",
        "`group`",
        "toInt64(window_start) AS window_ms",
        "toInt64(recorded) AS recorded_ms",
        "toInt64(first) AS first_ms",
        "toInt64(events) AS events",
        "value",
        "points",
        "members",
        "CAST(place, 'Nullable(Int64)') AS sequence",
    ]
    order = " ORDER BY sequence NULLS FIRST" if single.singles is not None else ""

    def statement(counted: str) -> str:
        union = " UNION ALL ".join(_family([(at, meters[at]) for at in places], window_ms, single, table, counted) for places in together.values())
        return f"{', '.join(fields)} FROM ({union}){order} {_AVRO}"

    return Deltas(statement("true"), statement(f"n NOT IN {EXCLUDED}"))


def _family(family: Sequence[tuple[int, Meter]], window_ms: int, single: Single, table: str, counted: str) -> str:
    """Rows of the products of one aggregation and one list of group keys."""
    first = family[0][1]
    keys = groups_of(first, single)
    value, points, members, events, parts = "CAST(NULL, 'Nullable(String)')", f"CAST([], '{_POINTS}')", "CAST([], 'Array(String)')", "events", ""
    if first.aggregation in _VALUES:
        value = "toNullable(toString(aggregate))"
    elif first.value is not None:
        # A record of Kafka is limited, so many members or points are many deltas; their events are counted in the first.
        part = f"arraySlice(arraySort(aggregate), part * {PART} + 1, {PART})"
        points, members = (points, part) if first.aggregation == "unique" else (f"CAST({part}, '{_POINTS}')", members)
        events = "if(part = 0, events, 0)"
        parts = f" ARRAY JOIN range(toUInt64(intDiv(length(aggregate) + {PART - 1}, {PART}))) AS part"
    fields = f"customer, window_start, recorded, place, product, first, {events} AS events, {value} AS value, {points} AS points, {members} AS members"
    return f"SELECT {fields}, {_group(keys)} AS `group` FROM ({_grouped(family, window_ms, single, keys, table, counted)}) AS grouped{parts}"


def _grouped(family: Sequence[tuple[int, Meter]], window_ms: int, single: Single, keys: Sequence[str], table: str, counted: str) -> str:
    first = family[0][1]
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
    holds = [" AND ".join(f"({sql(tree)})" for tree in each.conditions) for _, each in family]
    if len(family) == 1:
        columns.append(f"toUInt16({family[0][0]}) AS product")
        value = "" if first.value is None else sql(first.value)
    else:
        flags, numbers = (f"[{', '.join(some)}]" for some in ((f"toUInt8({each})" for each in holds), (str(at) for at, _ in family)))
        columns.append(f"arrayJoin(arrayFilter((at, holds) -> holds, CAST({numbers}, 'Array(UInt16)'), {flags})) AS product")
        value = "" if first.value is None else sql(first.value)
        if first.property is not None:
            names = _texts([each.property or "" for _, each in family])
            value = f"properties[{names}[indexOf(CAST({numbers}, 'Array(UInt16)'), product)]]"
            if first.aggregation != "unique":
                value = f"toDecimal256OrZero({value}, {SCALE})"
    if first.value is not None:
        columns.append(f"{_aggregate(first.aggregation, value)} AS aggregate")
    by = ["customer", "window_start", "recorded", "place", "product"]
    for position, key in enumerate(keys):
        present = sql(has(key))
        if key not in first.group_keys:
            present += f" AND (customer IN {dict(single.filters)[key]} OR customer NOT IN {single.known})"
        columns.append(f"if({present}, toNullable({sql(property_of(key))}), NULL) AS group_{position}")
        by.append(f"group_{position}")
    kinds = " OR ".join(dict.fromkeys(sql(each.conditions[0]) for _, each in family)) if len(family) > 1 else holds[0]
    return f"SELECT {', '.join(columns)} FROM {table} WHERE ({kinds}) AND {counted} GROUP BY {', '.join(by)}"


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(sql(text(each)) for each in values)}]"


def _group(keys: Sequence[str]) -> str:
    """The values that are there, as a map."""
    if not keys:
        return "CAST(([], []), 'Map(String, String)')"
    found = f"[{', '.join(f'group_{position}' for position in range(len(keys)))}]"
    return (
        f"mapFromArrays(arrayFilter((name, found) -> isNotNull(found), {_texts(keys)}, {found}), "
        f"arrayMap(found -> assumeNotNull(found), arrayFilter(found -> isNotNull(found), {found})))"
    )


def groups_of(each: Meter, single: Single) -> tuple[str, ...]:
    """The product's keys, then the properties by which some contract filters usage."""
    return tuple(dict.fromkeys([*each.group_keys, *(key for key, _ in single.filters)]))


def _aggregate(aggregation: str, value: str) -> str:
    if aggregation in _VALUES:
        return f"{aggregation}({value})"
    if aggregation == "unique":
        return f"groupUniqArray({value})"
    point = f"tuple(timestamp, transaction_id, toString({value}))"
    return f"[max({point})]" if aggregation == "latest" else f"groupArray({point})"
