"""Usage events in files: JSON lines, CSV, Parquet, Avro. Each place in a file is an event or a plain complaint.

JSON lines and Avro   {"transaction_id", "customer", "event_type", "timestamp", "properties": {…}, "recorded_at"?}
CSV and Parquet       the same columns; every other column is a property (empty or null: the event lacks it)

Times are RFC 3339 text, UTC milliseconds or, in Parquet and Avro, the format's own timestamps. Numbers in JSON keep their digits.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

from contracts.instants import instant_ms

Format = Literal["jsonl", "csv", "parquet", "avro"]
FIELDS: Final = ("transaction_id", "customer", "event_type", "timestamp")
_ENDINGS: Final[Mapping[str, Format]] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet", ".avro": "avro",
}

_MOST_DIGITS: Final = 100


class Event(NamedTuple):
    """An event of a file, ready for `UsageProducer.send`."""

    transaction_id: str
    customer: str
    event_type: str
    timestamp_ms: int
    properties: dict[str, str]
    recorded_ms: int | None


class BadLine(NamedTuple):
    """What is wrong with a line (JSON lines, CSV) or a row (Parquet, Avro); both count from 1."""

    place: int
    problem: str


class FileError(Exception):
    """The file as a whole cannot be read; the message says why and what can be."""


def format_of(name: str) -> Format:
    """The format that a file's name tells; standard input is JSON lines. Raises FileError."""
    if name == "-":
        return "jsonl"
    found = _ENDINGS.get(Path(name).suffix.lower())
    if found is None:
        raise FileError(f"{name}: the ending tells no format; use {', '.join(sorted(_ENDINGS))}, or --format")
    return found


def events(stream: IO[bytes], form: Format) -> Iterator[Event | BadLine]:
    """Everything in `stream`, in order. Raises FileError."""
    rows = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet, "avro": _avro}[form](stream)
    for place, row in rows:
        yield row if isinstance(row, BadLine) else _event(place, row)


def _json_lines(stream: IO[bytes]) -> Iterable[tuple[int, dict[str, Any] | BadLine]]:
    for place, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=_digits, parse_int=_digits, parse_constant=_no_number, object_pairs_hook=_unambiguous)
        except ValueError as error:
            yield place, BadLine(place, f"no JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield place, BadLine(place, "an event is a JSON object, {…}")
            continue
        yield place, row


def _digits(text: str) -> str:
    """A JSON number with its digits as they were written; an exponent is written out."""
    if "e" not in text and "E" not in text:
        return text
    number = Decimal(text)
    if abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"{text} has too many digits")
    return f"{number:f}"


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice")
    return row


def _csv(stream: IO[bytes]) -> Iterable[tuple[int, dict[str, Any] | BadLine]]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise FileError(f"no CSV: {error}") from error
        if header is None:
            return
        missing = [field for field in FIELDS if field not in header]
        if missing:
            raise FileError(f"the first line must name the columns, and lacks {', '.join(missing)}")
        while True:
            place = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield place, BadLine(place, f"no CSV: {error}")
                continue
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(header):
                yield place, BadLine(place, f"{len(cells)} cells under {len(header)} columns")
                continue
            yield place, _flat(dict(zip(header, cells, strict=True)))
    except UnicodeDecodeError as error:
        raise FileError(f"the file is not UTF-8 text: {error}") from error
    finally:
        text.detach()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: row[name] for name in (*FIELDS, "recorded_at") if row.get(name) not in (None, "")}
    properties = {name: value for name, value in row.items() if name not in (*FIELDS, "recorded_at") and value not in (None, "")}
    return {**known, "properties": properties}


def _parquet(stream: IO[bytes]) -> Iterable[tuple[int, dict[str, Any] | BadLine]]:
    import pyarrow as pa  # noqa: PLC0415 - large, and needed for this format only
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
    except pa.ArrowInvalid as error:
        raise FileError(f"no Parquet file: {error}") from error
    place = 0
    for batch in file.iter_batches(8192):
        for row in batch.to_pylist():
            place += 1
            yield place, row if isinstance(row.get("properties"), dict | list) else _flat(row)


def _avro(stream: IO[bytes]) -> Iterable[tuple[int, dict[str, Any] | BadLine]]:
    import fastavro  # noqa: PLC0415 - needed for this format only

    try:
        for place, row in enumerate(fastavro.reader(stream), 1):
            if not isinstance(row, dict):
                raise FileError("the Avro file holds no records")
            yield place, row if isinstance(row.get("properties"), dict) else _flat(row)
    except (ValueError, EOFError, KeyError, IndexError) as error:
        raise FileError(f"no whole Avro file: {error}") from error


def _event(place: int, row: dict[str, Any]) -> Event | BadLine:
    try:
        unknown = row.keys() - {*FIELDS, "properties", "recorded_at"}
        if unknown:
            raise ValueError(f"unknown key {min(unknown)!r}; properties of the event belong under \"properties\"")
        properties = row.get("properties") or {}
        if isinstance(properties, list):
            properties = dict(properties)
        if not isinstance(properties, dict):
            raise ValueError("properties must be an object")  # noqa: TRY004 - a complaint about the line
        recorded = row.get("recorded_at")
        return Event(
            _text(row, "transaction_id"),
            _text(row, "customer"),
            _text(row, "event_type"),
            timestamp_ms=_instant("timestamp", row.get("timestamp")),
            properties={str(key): _value(key, value) for key, value in properties.items() if value is not None},
            recorded_ms=None if recorded is None else _instant("recorded_at", recorded),
        )
    except ValueError as error:
        return BadLine(place, str(error))


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing" if value in (None, "") else f"{name} must be text, not {value!r}")
    return str(value)


def _instant(name: str, value: Any) -> int:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(aware.replace(microsecond=0).timestamp()) * 1000 + aware.microsecond // 1000
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value:
        if value.lstrip("-").isdigit():
            return int(value)
        try:
            return instant_ms(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    raise ValueError(f"{name} is missing" if value in (None, "") else f"{name} must be a time, not {value!r}")


def _value(key: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, float):
        raise ValueError(f"property {key!r} is a binary float ({value!r}), which is not exact; store decimals or text")  # noqa: TRY004 - as above
    raise ValueError(f"property {key!r} must be text, a number or a boolean, not {type(value).__name__}")
