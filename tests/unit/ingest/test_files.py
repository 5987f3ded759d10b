"""Usage events in files: each place is an event or a plain complaint, and numbers keep their digits."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.files import BadLine, Event, FileError, Format, events, format_of

AT = "2025-10-01T00:00:00Z"
AT_MS = 1_759_276_800_000
EVENT = Event("t1", "acme", "call", AT_MS, {"calls": "1.50"}, None)


def read(data: bytes | str, form: Format) -> list[Event | BadLine]:
    return list(events(io.BytesIO(data.encode() if isinstance(data, str) else data), form))


def line(**fields: Any) -> str:
    import json

    return json.dumps({"transaction_id": "t1", "customer": "acme", "event_type": "call", "timestamp": AT, **fields})


def test_json_lines_keep_the_digits_of_numbers() -> None:
    text = '{"transaction_id": "t1", "customer": "acme", "event_type": "call", "timestamp": "' + AT + '", "properties": {"calls": 1.50}}'

    assert read(text, "jsonl") == [EVENT]


@pytest.mark.parametrize(("written", "text"), (("1e3", "1000"), ("1.5E-3", "0.0015"), ("12345678901234567890.123", "12345678901234567890.123"), ("-0", "-0"), ("true", "true")))
def test_numbers_are_written_out(written: str, text: str) -> None:
    (found,) = read(line(properties={"n": 0}).replace('"n": 0', f'"n": {written}'), "jsonl")

    assert isinstance(found, Event)
    assert found.properties == {"n": text}


@pytest.mark.parametrize(
    ("text", "problem"),
    (
        ("{", "no JSON"),
        ("[]", "an event is a JSON object"),
        (line(customer=""), "customer is missing"),
        (line(timestamp="yesterday"), "timestamp"),
        (line(timestamp=None), "timestamp is missing"),
        (line(propertys={}), "unknown key 'propertys'"),
        (line(properties={"n": [1]}), "must be text, a number or a boolean"),
        (line(properties={"n": 0}).replace('"n": 0', '"n": NaN'), "no number in JSON"),
        (line(properties={"n": 0}).replace('"n": 0', '"n": 1e999'), "too many digits"),
        (line(properties={"n": 0}).replace('"n": 0', '"n": 1, "n": 2'), "a key stands twice"),
    ),
)
def test_a_bad_line_says_where_and_what_and_the_rest_is_read(text: str, problem: str) -> None:
    first, bad, last = read(f"{line()}\n{text}\n{line()}\n", "jsonl")

    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert isinstance(bad, BadLine)
    assert bad.place == 2
    assert problem in bad.problem


def test_csv_columns_that_are_no_fields_are_properties() -> None:
    text = f"transaction_id,customer,event_type,timestamp,calls,region\nt1,acme,call,{AT},1.50,\nt2,acme,call,{AT},2\n"

    assert read(text, "csv") == [EVENT, BadLine(3, "5 cells under 6 columns")]


def test_csv_without_its_columns_is_no_file_of_events() -> None:
    with pytest.raises(FileError, match="lacks event_type, timestamp"):
        read("transaction_id,customer\n", "csv")


def test_parquet_decimals_and_times_are_exact() -> None:
    table = pa.table(
        {
            "transaction_id": ["t1"],
            "customer": ["acme"],
            "event_type": ["call"],
            "timestamp": pa.array([datetime(2025, 10, 1, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
            "calls": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
            "nothing": pa.array([None], pa.string()),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)

    assert read(out.getvalue(), "parquet") == [EVENT]


def test_parquet_floats_are_refused() -> None:
    table = pa.table({"transaction_id": ["t1"], "customer": ["a"], "event_type": ["c"], "timestamp": [AT_MS], "calls": [1.5]})
    out = io.BytesIO()
    pq.write_table(table, out)

    (bad,) = read(out.getvalue(), "parquet")

    assert isinstance(bad, BadLine)
    assert "binary float" in bad.problem


def test_avro_files_of_our_own_schema_are_read() -> None:
    from schemas.codec import current

    out = io.BytesIO()
    event = {"transaction_id": "t1", "customer": "acme", "event_type": "call", "timestamp": AT_MS, "properties": {"calls": "1.50"}}
    fastavro.writer(out, current("usage_event").parsed, [event])

    assert read(out.getvalue(), "avro") == [EVENT]


@pytest.mark.parametrize("form", ("parquet", "avro"))
def test_a_file_of_another_kind_is_an_error_of_the_file(form: Format) -> None:
    with pytest.raises(FileError):
        read(b"this is neither", form)


@pytest.mark.parametrize(("name", "form"), (("a.jsonl", "jsonl"), ("a.NDJSON", "jsonl"), ("-", "jsonl"), ("x.csv", "csv"), ("x.parquet", "parquet"), ("x.avro", "avro")))
def test_the_ending_tells_the_format(name: str, form: Format) -> None:
    assert format_of(name) == form


def test_an_unknown_ending_says_which_are_known() -> None:
    with pytest.raises(FileError, match=r"\.jsonl"):
        format_of("usage.xlsx")


@given(st.binary(max_size=200), st.sampled_from(["jsonl", "csv", "parquet", "avro"]))
def test_no_bytes_break_the_reader(data: bytes, form: Format) -> None:
    """Whatever is in a file, its reading gives events and complaints, or says that it is no such file."""
    try:
        found = read(data, form)
    except FileError:
        return
    assert all(isinstance(each, Event | BadLine) for each in found)
