"""The pure part of METER: which events of a batch count, and how their deltas are packed."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.metering.dedup import VALUE, Entries

PACK_BYTES: Final = 400_000
"""About so much goes into one record of metered-usage; Kafka's default limit is a million, and one delta has less than 600,000."""
MARK_BYTES: Final = 8
TARGET_BYTES: Final = 2
PLACE_BYTES: Final = 8
HEAD_BYTES: Final = TARGET_BYTES + PLACE_BYTES
"""Of a delta's row behind its mark: partition of metered-usage (UInt16), place of the event (Int64, −1: many), both little endian."""
_MANY: Final = (-1).to_bytes(PLACE_BYTES, "little", signed=True)

Identities = npt.NDArray[np.void]
"""Rows of key (16 bytes), body, offset: in the order of the keys, of one key in order of offset."""
IDENTITY: Final = np.dtype([("key", "V16"), ("body", "<u8"), ("offset", "<i8")])
_ENTRY: Final = np.dtype([("offset", "<i8"), ("body", "<u8")])
assert _ENTRY.itemsize == VALUE.size  # noqa: S101 - one layout, written by numpy and read by struct


class Verdicts(NamedTuple):
    """What dedup says about the events of a batch, by position in the batch's identities."""

    fresh: Entries
    duplicates: list[int]
    conflicts: list[tuple[int, int]]
    """(position, offset of the event that has the id)."""


def in_order(keys: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """The permutation that sorts keys bytewise, as the store does; equal ones keep their order."""
    halves = keys.view(">u8").reshape(-1, 2)
    high = halves[:, 0].astype(np.uint64)
    order = np.argsort(high)
    first = high[order]
    ties = np.flatnonzero(first[1:] == first[:-1])
    if len(ties):
        # The quick way of sorting is not stable: only what is equal so far is sorted again, by all of the key and by place.
        tied = np.union1d(ties, ties + 1)
        some = order[tied]
        order[tied] = some[np.lexsort((some, halves[some, 1].astype(np.uint64), high[some]))]
    return order


def judge(identities: Identities, known: Sequence[bytes | None]) -> Verdicts:
    """First of an id counts; the same offset again is the same event; another body is a conflict.

    `known` has the store's values by position.
    """
    keys = identities["key"]
    halves = np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)
    suspect = np.ones(len(keys), np.bool_)
    suspect[:1] = False
    for half in halves.T:
        suspect[1:] &= half[1:] == half[:-1]
    repeated = suspect.copy()
    suspect[[position for position, value in enumerate(known) if value is not None]] = True
    entries = np.empty(len(keys), _ENTRY)
    entries["offset"], entries["body"] = identities["offset"], identities["body"]
    new = ~suspect
    fresh = Entries(keys[new].tolist(), entries[new].view("V16").tolist())
    duplicates: list[int] = []
    conflicts: list[tuple[int, int]] = []
    first_offset = first_body = 0
    for position in np.flatnonzero(suspect).tolist():
        value = known[position]
        offset, body = int(identities["offset"][position]), int(identities["body"][position])
        if value is not None:
            first_offset, first_body = VALUE.unpack(value)
        elif repeated[position] and new[position - 1]:
            first_offset, first_body = int(identities["offset"][position - 1]), int(identities["body"][position - 1])
        if first_offset == offset:
            continue
        if first_body == body:
            duplicates.append(position)
        else:
            conflicts.append((position, first_offset))
    return Verdicts(fresh, duplicates, conflicts)


def untimely(
    timestamps: npt.NDArray[np.int64], recorded_ms: npt.NDArray[np.int64], late_ms: int, ahead_ms: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of events that are too old, and of those too far ahead. A limit itself is still accepted; nothing is before 1970."""
    old = np.flatnonzero(timestamps < np.maximum(recorded_ms - late_ms, 0))
    ahead = np.flatnonzero(timestamps > recorded_ms + ahead_ms)
    return old, ahead


def row(target: int, place: int | None, body: bytes) -> bytes:
    """A delta's row behind its mark."""
    return target.to_bytes(TARGET_BYTES, "little") + (_MANY if place is None else place.to_bytes(PLACE_BYTES, "little", signed=True)) + body


def packs(rows: Iterable[bytes], size: int = PACK_BYTES) -> Iterable[tuple[int, list[bytes]]]:
    """Deltas of one partition in portions that fit a record: (partition, Avro bodies). All deltas of one watched event stay together."""
    open_packs: dict[bytes, tuple[list[bytes], int, bytes]] = {}
    for row in rows:
        target, place = row[:TARGET_BYTES], row[TARGET_BYTES:HEAD_BYTES]
        pack, weight, last = open_packs.get(target, ([], 0, _MANY))
        if weight + len(row) > size and pack and (place == _MANY or place != last):
            yield int.from_bytes(target, "little"), pack
            pack, weight = [], 0
        pack.append(row[HEAD_BYTES:])
        open_packs[target] = (pack, weight + len(row), place)
    for target, (pack, _, _) in sorted(open_packs.items()):
        yield int.from_bytes(target, "little"), pack
