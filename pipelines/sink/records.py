"""A Kafka record as SINK takes it."""

from typing import NamedTuple


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    recorded_ms: int
    """The record's timestamp (UTC epoch milliseconds)."""
    key: bytes | None
    value: bytes | None
    awaited: bool = False
    """Somebody waits for it (`topology.AWAITED`)."""
