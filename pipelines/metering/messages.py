"""A batch of usage-events as METER holds it: columns, not records."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Messages(NamedTuple):
    """A batch as it came from usage-events, in columns; per partition in order of offset."""

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    partitions: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]
    recorded_ms: npt.NDArray[np.int64]

    def spans(self) -> list[tuple[int, int, int]]:
        """By partition: first offset, and offset behind the last one."""
        firsts: dict[int, int] = dict(zip(self.partitions[::-1].tolist(), self.offsets[::-1].tolist(), strict=True))
        ends: dict[int, int] = dict(zip(self.partitions.tolist(), self.offsets.tolist(), strict=True))
        return [(partition, firsts[partition], end + 1) for partition, end in sorted(ends.items())]

    def between(self, first: int, last: int) -> "Messages":
        """Those at positions [first, last)."""
        at = slice(first, last)
        return Messages(self.values[at], self.keys[at], self.partitions[at], self.offsets[at], self.recorded_ms[at])

    def part(self, positions: npt.NDArray[np.int64]) -> "Messages":
        """The messages at `positions`."""
        chosen = positions.tolist()
        return Messages(
            [self.values[i] for i in chosen],
            [self.keys[i] for i in chosen],
            self.partitions[positions],
            self.offsets[positions],
            self.recorded_ms[positions],
        )
