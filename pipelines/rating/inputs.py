"""A record of RATE's sources as the step takes it."""

from typing import Any, NamedTuple


class Input(NamedTuple):
    """A decoded record."""

    topic: str
    offset: int
    recorded_ms: int
    """Arrival of what it tells of (epoch milliseconds)."""
    value: dict[str, Any]

    @property
    def transfer(self) -> bytes:
        """What tells a transfer from every other one, and is the same when it comes again; empty for other records."""
        value = self.value
        if value.get("kind") != "transfer":
            return b""
        return b"%d %d" % (value["origin_partition"], value["origin_offset"])
