"""The packed log of accepted ids: what a batch writes beside its usage, and how it is read again.

A record is a stretch of offsets of one partition of usage-events with the key, the hash of the body and the offset of every event in it that
counted. It is in the transaction that counted them, so it is the truth about which events did, for whoever must know it later: a dedup store
that was lost (`relearn.py`), a product that is new (`backfill.py`).
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.metering.dedup import VALUE, Entries
from pipelines.metering.step import Identities, in_order
from schemas.codec import Codec

SCHEMA: Final = "accepted_ids"
PACKED: Final = np.dtype([("key", "V16"), ("body", "<u8"), ("place", "<u4")])
MOST: Final = 30_000
"""Ids in one record: well under Kafka's default limit of a megabyte."""
_ENTRY: Final = np.dtype([("offset", "<i8"), ("body", "<u8")])
assert _ENTRY.itemsize == VALUE.size  # noqa: S101 - one layout, written by numpy and read by struct


class Stretch(NamedTuple):
    """Accepted events among the offsets [first, end) of a partition."""

    first: int
    end: int
    ids: npt.NDArray[np.void]
    """Rows of `PACKED`; `place` is the offset less `first`."""

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        return self.ids["place"].astype(np.int64) + self.first


def stretches(accepted: Identities, partitions: npt.NDArray[np.uint16], spans: Iterable[tuple[int, int, int]]) -> Iterable[tuple[int, Stretch]]:
    """By partition, what of a batch is accepted: rows in order of key, the partition of each; `spans`: (partition, first offset, offset behind the last)."""
    order = np.argsort(partitions, kind="stable")
    sorted_partitions = partitions[order]
    for partition, first, end in spans:
        begin, stop = np.searchsorted(sorted_partitions, [partition, partition + 1])
        mine = accepted[order[begin:stop]]
        cuts = [first, *(np.sort(mine["offset"])[MOST::MOST].tolist() if len(mine) > MOST else ()), end]
        for start, behind in pairwise(cuts):
            part = mine if len(cuts) == 2 else mine[(mine["offset"] >= start) & (mine["offset"] < behind)]
            packed = np.empty(len(part), PACKED)
            packed["key"], packed["body"], packed["place"] = part["key"], part["body"], part["offset"] - start
            yield partition, Stretch(start, behind, packed)


def packed(codec: Codec, stretch: Stretch) -> bytes:
    """The value of a record."""
    return codec.encode(SCHEMA, {"first": stretch.first, "end": stretch.end, "ids": stretch.ids.tobytes()})


def unpacked(codec: Codec, value: bytes) -> Stretch:
    """What `packed` made. Raises CodecError."""
    record: dict[str, Any] = codec.decode(SCHEMA, value)
    return Stretch(record["first"], record["end"], np.frombuffer(record["ids"], PACKED))


def entries(found: Iterable[Stretch], start: int, end: int) -> Entries:
    """For the dedup store: the ids of the events in [start, end)."""
    parts = []
    for stretch in found:
        offsets = stretch.offsets
        inside = (offsets >= start) & (offsets < end)
        part = np.empty(int(inside.sum()), [("key", "V16"), ("offset", "<i8"), ("body", "<u8")])
        part["key"], part["body"], part["offset"] = stretch.ids["key"][inside], stretch.ids["body"][inside], offsets[inside]
        parts.append(part)
    if not parts:
        return Entries([], [])
    together = np.concatenate(parts)
    together = together[in_order(np.ascontiguousarray(together["key"]))]
    values = np.empty(len(together), _ENTRY)
    values["offset"], values["body"] = together["offset"], together["body"]
    return Entries(together["key"].tolist(), values.view("V16").tolist())
