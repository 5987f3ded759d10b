"""The pure part of METER: which events of a batch count, and how their deltas are packed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.metering.dedup import VALUE

PACK_BYTES: Final = 400_000
"""About so much goes into one record of metered-usage; Kafka's default limit is a million."""


class Verdicts(NamedTuple):
    """What dedup says about the events of a batch, by position in the batch's lists."""

    fresh: list[tuple[bytes, bytes]]
    """New entries for the store, in order of arrival."""
    duplicates: list[int]
    conflicts: list[tuple[int, int]]
    """(position, offset of the event that has the id)."""


def judge(keys: Sequence[bytes], bodies: Sequence[int], offsets: Sequence[int], known: Mapping[int, bytes]) -> Verdicts:
    """First of an id counts; the same offset again is the same event; another body is a conflict.

    `known` has the store's values by position.
    """
    fresh: dict[bytes, bytes] = {}
    duplicates: list[int] = []
    conflicts: list[tuple[int, int]] = []
    pack = VALUE.pack
    for position, (key, body, offset) in enumerate(zip(keys, bodies, offsets, strict=True)):
        value = known.get(position) or fresh.get(key)
        if value is None:
            fresh[key] = pack(offset, body)
            continue
        first_offset, first_body = VALUE.unpack(value)
        if first_offset == offset:
            continue
        if first_body == body:
            duplicates.append(position)
        else:
            conflicts.append((position, first_offset))
    return Verdicts(list(fresh.items()), duplicates, conflicts)


def untimely(
    timestamps: npt.NDArray[np.int64], recorded_ms: npt.NDArray[np.int64], late_ms: int, ahead_ms: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of events that are too old, and of those too far ahead. A limit itself is still accepted."""
    old = np.flatnonzero(timestamps < recorded_ms - late_ms)
    ahead = np.flatnonzero(timestamps > recorded_ms + ahead_ms)
    return old, ahead


def delta(catalogue: str, product: str, aggregation: str, keys: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """A row of `compile.statement` as a UsageDelta of the wire."""
    customer, window, recorded, place, first, events, *rest = row
    made: dict[str, Any] = {
        "catalogue": catalogue,
        "product": product,
        "customer": customer,
        "group": {},
        "window_ms": window,
        "recorded_ms": recorded,
        "first_ms": first,
        "events": events,
        "sequence": place,
    }
    if aggregation != "count":
        aggregate, *rest = rest
        if aggregation == "unique":
            made["members"] = sorted(aggregate)
        elif aggregation in {"latest", "time_weighted"}:
            made["points"] = [{"timestamp_ms": t, "transaction_id": i, "value": v} for t, i, v in sorted(aggregate)]
        else:
            made["value"] = aggregate
    made["group"] = {key: value for key, value in zip(keys, rest, strict=True) if value is not None}
    return made


def packs(deltas: Iterable[dict[str, Any]], size: int = PACK_BYTES) -> Iterable[list[dict[str, Any]]]:
    """Deltas in portions that fit a record. Large ones are split: members and points of a key may come in several deltas."""
    pack: list[dict[str, Any]] = []
    weight = 0
    for each in deltas:
        for part in _split(each, size):
            bytes_ = 150 + sum(len(m) * 4 + 5 for m in part.get("members", ())) + sum(
                len(p["transaction_id"]) * 4 + len(p["value"]) + 15 for p in part.get("points", ())
            )
            if pack and weight + bytes_ > size:
                yield pack
                pack, weight = [], 0
            pack.append(part)
            weight += bytes_
    if pack:
        yield pack


def _split(each: dict[str, Any], size: int) -> Iterable[dict[str, Any]]:
    field = "members" if each.get("members") else "points"
    items = each.get(field, [])
    many = max(1, size // 4000)
    if len(items) <= many:
        yield each
        return
    for start in range(0, len(items), many):
        yield {**each, field: items[start : start + many], "events": each["events"] if start == 0 else 0}
