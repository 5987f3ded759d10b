"""What a replay is asked for, as a scope; and what it would touch."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from contracts.timeline import iso
from contracts.twins import Scope
from pipelines.document_log import Documents
from pipelines.replay.control import ReplayError
from pipelines.verifying.families import Family, families, kinds_of

EVENTS: Final = """
SELECT count(), uniqExact(customer), toUnixTimestamp64Milli(min(timestamp)), toUnixTimestamp64Milli(max(timestamp)), uniqExact(customer, event_type, toStartOfHour(timestamp)), sum(byteSize(*))
FROM usage_event_records FINAL WHERE {conditions}"""
ARRIVED: Final = "SELECT groupUniqArray(customer), toUnixTimestamp64Milli(min(timestamp)), toUnixTimestamp64Milli(max(timestamp)) FROM usage_event_records FINAL WHERE {conditions}"
FINAL: Final = """
SELECT customer, id, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before) FROM invoices
WHERE kind = 'usage' AND status = 'final' AND customer IN {customers:Array(String)}
 AND ending_before > fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND starting_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') ORDER BY customer, starting_at"""
FIRST_MS: Final = -2_208_988_800_000
LAST_MS: Final = 10_413_791_999_999
WINDOW_BYTES: Final = 150
"""Of a window and its twin in RATE's state and changelog, about."""


class Asked(NamedTuple):
    """What a replay is asked for; nothing given is everything."""

    customers: Sequence[str] = ()
    products: Sequence[str] = ()
    from_ms: int | None = None
    until_ms: int | None = None
    arrived_from_ms: int | None = None
    arrived_until_ms: int | None = None
    """Windows in which some event has that arrived in [from, until)."""
    offsets: Sequence[tuple[int, int, int]] = ()
    """Windows in which some event has of these stretches of usage-events: (partition, first offset, end)."""


def scope_of(client: Client, present: Documents, asked: Asked, window_ms: int) -> Scope:
    """The scope; customers with all ids of their contracts. Raises ReplayError."""
    kinds = kinds_of(known.catalogue for known in present.catalogues.values())
    names = {product for _, product in kinds}
    unknown = sorted(set(asked.products) - names)
    if unknown:
        raise ReplayError(f"there is no product {unknown[0]!r} with a metric; known: {', '.join(sorted(names)) or 'none'}")
    products: dict[str, dict[str, str]] = {}
    for (catalogue, product), kind in sorted(kinds.items()):
        if not asked.products or product in asked.products:
            products.setdefault(catalogue, {})[product] = kind
    if not products:
        raise ReplayError("there is no product that is metered: apply a catalogue first")
    ids: set[str] = set()
    if asked.customers:
        for family in families(present, asked.customers):
            ids.update(family.ids)
        ids.update(asked.customers)
    first, last = asked.from_ms, asked.until_ms
    if asked.offsets or asked.arrived_from_ms is not None or asked.arrived_until_ms is not None:
        touched, from_ms, until_ms = _touched(client, asked)
        if not touched:
            raise ReplayError("no event has arrived there")
        ids = ids.intersection(touched) if ids else set(touched)
        first = max(from_ms - from_ms % window_ms, first if first is not None else FIRST_MS)
        last = min(until_ms - until_ms % window_ms + window_ms, last if last is not None else LAST_MS)
    for edge in (first, last):
        if edge is not None and edge % window_ms:
            raise ReplayError(f"{iso(edge)} is not on the edge of a metering window: give full hours")
    return Scope(products, sorted(ids), first, last)


def _touched(client: Client, asked: Asked) -> tuple[list[str], int, int]:
    """Ids and event times of what has arrived there."""
    parts = [f"(source_partition = {int(partition)} AND source_offset >= {int(start)} AND source_offset < {int(end)})" for partition, start, end in asked.offsets]
    conditions = [f"({' OR '.join(parts)})"] if parts else []
    if asked.arrived_from_ms is not None:
        conditions.append(f"recorded_at >= fromUnixTimestamp64Milli({int(asked.arrived_from_ms)}, 'UTC')")
    if asked.arrived_until_ms is not None:
        conditions.append(f"recorded_at < fromUnixTimestamp64Milli({int(asked.arrived_until_ms)}, 'UTC')")
    customers, first, last = client.query(ARRIVED.format(conditions=" AND ".join(conditions))).result_rows[0]
    return customers, first, last


def planned(client: Client, present: Documents, scope: Scope, ends: Iterable[int]) -> dict[str, Any]:
    """What a replay of this scope touches, as JSON."""
    types = sorted(
        {
            kind
            for name, products in scope.products.items()
            for product in products
            for kind in present.catalogues[name].catalogue.metrics[present.catalogues[name].catalogue.products[product].metric or ""].event_types
        }
    )
    conditions, asked = ["event_type IN {types:Array(String)}"], {"types": types, "customers": scope.customers}
    if scope.customers:
        conditions.append("customer IN {customers:Array(String)}")
    if scope.from_ms is not None:
        conditions.append(f"timestamp >= fromUnixTimestamp64Milli({scope.from_ms}, 'UTC')")
    if scope.until_ms is not None:
        conditions.append(f"timestamp < fromUnixTimestamp64Milli({scope.until_ms}, 'UTC')")
    events, customers, first, last, windows, size = client.query(EVENTS.format(conditions=" AND ".join(conditions)), parameters=asked).result_rows[0]
    mine = [family for family in families(present) if _concerned(family, scope)]
    span = {"from_ms": scope.from_ms if scope.from_ms is not None else FIRST_MS, "until_ms": scope.until_ms if scope.until_ms is not None else LAST_MS}
    finals = client.query(FINAL, parameters={"customers": sorted({each for family in mine for each in family.customers}), **span}).result_rows
    count = sum(len(products) for products in scope.products.values())
    return {
        "products": {name: sorted(products) for name, products in scope.products.items()},
        "customers": {"ids": scope.customers or "all", "with_usage": customers, "families": len(mine)},
        "period": {"from": None if scope.from_ms is None else iso(scope.from_ms), "until": None if scope.until_ms is None else iso(scope.until_ms)},
        "events": {"in_scope": events, "to_read": sum(ends), "bytes": size or 0, "first": iso(first) if events else None, "last": iso(last) if events else None},
        "windows": windows,
        "disk_bytes": windows * count * WINDOW_BYTES,
        "final_invoices_that_stay": [
            {"customer": customer, "invoice": name, "starting_at": iso(start), "ending_before": iso(end)} for customer, name, start, end in finals
        ],
    }


def _concerned(family: Family, scope: Scope) -> bool:
    return not scope.customers or bool(set(scope.customers).intersection(family.ids))
