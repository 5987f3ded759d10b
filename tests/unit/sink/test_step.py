"""Records to rows and blocks: identities, tombstones, what cannot be read, and what is not an event."""

import io
from typing import Any

import fastavro
import pytest

from pipelines.sink import mappers
from pipelines.sink.blocks import GUARD, blocks, whole_events
from pipelines.sink.records import Record
from pipelines.sink.step import MAPPED, rows_of
from pipelines.topology import USAGE_EVENTS
from schemas.codec import Codec
from tests.unit.codec.samples import VALUES

CODEC = Codec()


def record(topic: str, schema: str, value: dict[str, Any] | None = None, offset: int = 7) -> Record:
    return Record(topic, 3, offset, 1_759_276_800_000, b"k", CODEC.encode(schema, {**VALUES[schema], **(value or {})}))


@pytest.mark.parametrize("topic", sorted(MAPPED))
def test_every_row_fits_its_table(topic: str) -> None:
    schema = MAPPED[topic][0].schema or ""

    rows = rows_of([record(topic, schema)], CODEC.decode)

    assert rows.unreadable == 0
    assert rows.tables
    for table, found in rows.tables.items():
        assert all(len(row) == len(table.columns) for row in found)


@pytest.mark.parametrize("topic", sorted(MAPPED))
def test_the_same_record_gives_the_same_rows(topic: str) -> None:
    schema = MAPPED[topic][0].schema or ""

    assert rows_of([record(topic, schema)], CODEC.decode) == rows_of([record(topic, schema)], CODEC.decode)


def test_deltas_of_one_record_have_identities_of_their_own() -> None:
    found = rows_of([record("metered-usage", "metered_usage")], CODEC.decode).tables[mappers.METERED_USAGE_RECORDS]

    places = [mappers.METERED_USAGE_RECORDS.columns.index(name) for name in ("source_partition", "source_offset", "source_index")]
    assert [[row[place] for place in places] for row in found] == [[3, 7, 0], [3, 7, 1]]


def test_a_tombstone_is_no_row() -> None:
    assert rows_of([Record("balances", 0, 1, 2, b"k", None)], CODEC.decode).tables == {}


@pytest.mark.parametrize("topic", sorted(MAPPED))
def test_what_can_not_be_read_is_shown_with_its_bytes(topic: str) -> None:
    rows = rows_of([Record(topic, 1, 2, 3, b"k", b"\xc3\x01garbage!!")], CODEC.decode)

    assert rows.unreadable == 1
    (row,) = rows.tables[mappers.REJECTED_EVENT_RECORDS]
    shown = dict(zip(mappers.REJECTED_EVENT_RECORDS.columns, row, strict=True))
    assert (shown["topic"], shown["partition"], shown["offset"], shown["value"]) == (topic, 1, 2, b"\xc3\x01garbage!!")
    assert shown["reason"] == "unknown_schema"


def test_a_block_is_an_avro_file_of_the_events_as_they_are() -> None:
    events = [record(USAGE_EVENTS.name, "usage_event", {"transaction_id": f"t{number}"}, offset=number) for number in range(3)]

    (block,) = blocks(events, CODEC.writer_of)

    rows: list[Any] = list(fastavro.reader(io.BytesIO(block)))
    assert [(row["transaction_id"], row["source_partition"], row["source_offset"], row["guard"]) for row in rows] == [(f"t{n}", 3, n, GUARD) for n in range(3)]


def test_values_without_a_known_header_are_left_out_of_blocks() -> None:
    bad = [Record(USAGE_EVENTS.name, 0, offset, 0, None, value) for offset, value in enumerate([None, b"", b"{}", b"\xc3\x01" + bytes(9), b"\x00\x00\x00\x00\x01x"])]
    good = record(USAGE_EVENTS.name, "usage_event")

    (block,) = blocks([*bad, good], CODEC.writer_of)

    assert len(list(fastavro.reader(io.BytesIO(block)))) == 1
    assert blocks(bad, CODEC.writer_of) == []


def test_whole_events_are_found_one_by_one() -> None:
    good = record(USAGE_EVENTS.name, "usage_event")
    assert good.value is not None
    cut, long = good._replace(value=good.value[:-2]), good._replace(value=good.value + b"x")

    assert whole_events([cut, good, long], CODEC.decode) == [good]
