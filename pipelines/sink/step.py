"""SINK's step, pure: records of a topic in, rows of a table out. One mapper a topic (`mappers`), raw usage events as a block (`blocks`)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipelines.sink import mappers
from pipelines.sink.mappers import Row, Table
from pipelines.sink.records import Record
from pipelines.topology import BALANCE_THRESHOLDS, BALANCES, CONTRACT_CHANGES, METERED_USAGE, RATED_LINE_ITEMS, REJECTED_EVENTS, Topic
from schemas.codec import CodecError

Decode = Callable[[str, bytes], dict[str, object]]
"""`schemas.codec.Codec.decode`: schema name and bytes to a record."""

MAPPED: dict[str, tuple[Topic, mappers.Mapper]] = {
    RATED_LINE_ITEMS.name: (RATED_LINE_ITEMS, mappers.rated_batch),
    BALANCES.name: (BALANCES, mappers.balance),
    BALANCE_THRESHOLDS.name: (BALANCE_THRESHOLDS, mappers.crossing),
    REJECTED_EVENTS.name: (REJECTED_EVENTS, mappers.rejected_event),
    METERED_USAGE.name: (METERED_USAGE, mappers.metered_usage),
    CONTRACT_CHANGES.name: (CONTRACT_CHANGES, mappers.contract_change),
}


class Rows(NamedTuple):
    """What some records come to: rows by table, and how many records could not be read."""

    tables: dict[Table, list[Row]]
    unreadable: int


def rows_of(records: Sequence[Record], decode: Decode) -> Rows:
    """The rows of `records`. One that can not be decoded becomes a rejected event with its bytes, so it is seen and not lost."""
    tables: dict[Table, list[Row]] = {}
    unreadable = 0
    for record in records:
        topic, mapper = MAPPED[record.topic]
        if record.value is None or topic.schema is None:
            continue  # a tombstone of the compacted topic: its revision with `deleted` came before
        try:
            value = decode(topic.schema, record.value)
        except CodecError as error:
            unreadable += 1
            tables.setdefault(mappers.REJECTED_EVENT_RECORDS, []).append(mappers.unreadable(record, error.reason, error.detail))
            continue
        for table, row in mapper(record, value):
            tables.setdefault(table, []).append(row)
    return Rows(tables, unreadable)
