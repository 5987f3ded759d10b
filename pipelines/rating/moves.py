"""Windows of a customer id that moves to another partition, as deltas of metered-usage."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.money import plain
from contracts.scales import raw_value
from contracts.windows import decode_cell
from pipelines.rating import keys

PORTION: Final = 1500
"""Deltas and, of those with many values, values in one record: well under Kafka's limit of a megabyte."""


def portions(cells: Iterable[tuple[bytes, bytes]], recorded_ms: int) -> Iterator[list[dict[str, Any]]]:
    """UsageDeltas of the wire in portions."""
    portion: list[dict[str, Any]] = []
    weight = 0
    for delta in _deltas(cells, recorded_ms):
        size = 1 + len(delta["points"]) + len(delta["members"])
        if portion and weight + size > PORTION:
            yield portion
            portion, weight = [], 0
        portion.append(delta)
        weight += size
    if portion:
        yield portion


def _deltas(cells: Iterable[tuple[bytes, bytes]], recorded_ms: int) -> Iterator[dict[str, Any]]:
    for key, body in cells:
        customer, catalogue, product, day = keys.cell_parts(key)
        if day < 0:
            continue
        for group, slots in decode_cell(body).items():
            for (window, _tag), found in slots.items():
                head = {"catalogue": catalogue, "product": product, "customer": customer, "group": dict(group), "window_ms": window}
                head |= {"recorded_ms": recorded_ms, "first_ms": found.first_ms, "sequence": None}
                head["value"] = None if found.value is None else plain(raw_value(found.value))
                points = [{"timestamp_ms": each.timestamp_ms, "transaction_id": each.transaction_id, "value": format(each.value, "f")} for each in found.points]
                members = sorted(found.members)
                for start in range(0, max(len(points), len(members), 1), PORTION):
                    part = {"points": points[start : start + PORTION], "members": members[start : start + PORTION]}
                    yield head | part | {"events": found.events if start == 0 else 0}
