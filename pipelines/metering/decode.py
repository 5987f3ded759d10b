"""Many Avro bodies decoded at once: spliced behind one container header, read by the engine into a Memory table.

In front of each body goes a preface of fixed size: the event's place in the batch under a key that changes with every batch, its arrival
and its partition. After decoding, every place must be there, in order, under the key of the batch. A body that ends early or late
shifts all that follows, so it cannot go unseen, and nobody who writes events knows the key.

A batch that does not decode is halved until the bad messages are alone with few others; those few are taken apart by fastavro.
"""

import io
import json
import secrets
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import fastavro
import numpy as np
import numpy.typing as npt

from pipelines.metering.engine import Engine, EngineError
from schemas.codec import CONFLUENT_HEADER, EVENT_BYTES, SINGLE_OBJECT, SINGLE_OBJECT_HEADER, Codec, CodecError, Schema, current, parse, read_body
from schemas.packed import long

TABLE: Final = "meter.batch"
PREFACE: Final = 18
"""Bytes in front of a body: place 8, arrival 8, partition 2."""
SMALL: Final = 128
"""So many messages are taken apart one by one rather than halved: about what one statement of the engine costs."""
SCHEMA: Final = "usage_event"
SENTINEL: Final = (1 << 63) - 1

_CREATE: Final = f"""CREATE TABLE IF NOT EXISTS {TABLE} (n UInt64, recorded_ms Int64, partition UInt16, transaction_id String,
customer String, event_type String, timestamp Int64, properties Map(String, String)) ENGINE = Memory"""
_STRUCTURE: Final = (
    "place FixedString(8), arrival FixedString(8), source FixedString(2), transaction_id String, customer String, "
    "event_type String, timestamp Int64, properties Map(String, String)"
)


class Bad(NamedTuple):
    """A message that is no usage event: its position in the batch, and why."""

    position: int
    reason: str
    detail: str


class Batch(NamedTuple):
    """Columns of a batch, as Python and numpy hold them."""

    values: Sequence[bytes]
    recorded_ms: npt.NDArray[np.int64]
    partitions: npt.NDArray[np.uint16]
    header: int = SINGLE_OBJECT_HEADER
    """Bytes in front of the body in every value."""

    def part(self, positions: npt.NDArray[np.int64]) -> "Batch":
        return Batch([self.values[i] for i in positions.tolist()], self.recorded_ms[positions], self.partitions[positions], self.header)


class Loaded(NamedTuple):
    """What of a batch is in the table."""

    positions: npt.NDArray[np.int64]
    """Of the good messages, ascending: column `n` of their rows."""
    bad: list[Bad]
    answer: bytes
    """What the statement of `load` gave for the good ones."""


class Decoder:
    """Puts batches into `TABLE`."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._codec = codec
        self._header = SINGLE_OBJECT + current(SCHEMA).fingerprint
        engine.run(_CREATE)

    def load(self, batch: Batch, statement: str, width: int) -> Loaded:
        """Decode into the table, then ask `statement`: one row of `width` bytes (RowBinary) an event and the sentinel, the first eight its `n`.

        Raises RegistryError while the schema registry does not answer.
        """
        whole, bad = self.uniform(batch)
        positions = np.arange(len(whole.values), dtype=np.int64)
        if bad:
            positions = np.delete(positions, [each.position for each in bad])
        answer = self._fill(whole, positions, statement, width)
        if answer is None:
            bad += self._search(whole, positions, statement, width)
            wrong = [each.position for each in bad]
            positions = positions[~np.isin(positions, wrong)]
            answer = self._fill(whole, positions, statement, width)
        if answer is None:
            positions, more, answer = self._slowly(whole, positions, statement, width)
            bad += more
        return Loaded(positions, bad, answer[:-width])

    def uniform(self, batch: Batch) -> tuple[Batch, list[Bad]]:
        """All values behind a header of one length, with a body in the current version: other versions are read and written again."""
        bad: list[Bad] = []
        values = batch.values
        if len(values) and max(map(len, values)) > EVENT_BYTES:
            short = list(values)
            for position, value in enumerate(values):
                if len(value) > EVENT_BYTES:
                    bad.append(Bad(position, "too_large", f"{len(value)} bytes; an event may have {EVENT_BYTES}. It still lies where it was sent to"))
                    short[position] = self._header
            values = short
        for header in (self._header, self._codec.header(SCHEMA)):
            if all([value.startswith(header) for value in values]):  # noqa: C419 - a list is twice as fast here
                return batch._replace(values=values, header=len(header)), bad
        found = list(values)
        for position, value in enumerate(values):
            if not value.startswith(self._header):
                try:
                    found[position] = self._header + self._body(value)
                except CodecError as error:
                    bad.append(Bad(position, error.reason, error.detail))
        return batch._replace(values=found), bad

    def _body(self, value: bytes) -> bytes:
        writer, start = self._codec.writer_of(SCHEMA, value)
        if writer.fingerprint == current(SCHEMA).fingerprint:
            return value[start:]
        return _written(self._codec.decode(SCHEMA, value))

    def _fill(self, batch: Batch, positions: npt.NDArray[np.int64], statement: str, width: int) -> bytes | None:
        """The statement's answer when the table holds exactly the messages at `positions` (and the sentinel); else none."""
        self._engine.run(f"TRUNCATE TABLE {TABLE}")
        if not len(positions):
            return b""
        key = secrets.randbits(63)
        try:
            self._write(batch, positions, key)
            self._engine.run(f"INSERT INTO {TABLE} {self._source(key)} SETTINGS max_block_size = 16384")
            answer = self._engine.query(statement, "RowBinary")
        except EngineError:
            return None
        return answer if _whole(answer, positions, width) else None

    def _write(self, batch: Batch, positions: npt.NDArray[np.int64], key: int) -> None:
        part = batch if len(positions) == len(batch.values) else batch.part(positions)
        with self._engine.scratch.open("wb", buffering=0) as scratch:
            for piece in splice(part, positions, key):
                scratch.write(piece)

    def _source(self, key: int) -> str:
        return (
            f"SELECT bitXor(reinterpretAsUInt64(place), {key}) AS n, reinterpretAsInt64(arrival) AS recorded_ms, "
            "reinterpretAsUInt16(source) AS partition, transaction_id, customer, event_type, timestamp, properties "
            f"FROM file('{self._engine.scratch}', 'Avro', '{_STRUCTURE}')"
        )

    def _search(self, batch: Batch, positions: npt.NDArray[np.int64], statement: str, width: int) -> list[Bad]:
        """The bad messages among `positions`, which do not decode together."""
        if len(positions) <= SMALL:
            return [bad for i in positions.tolist() if (bad := self._examine(i, batch)) is not None]
        found: list[Bad] = []
        middle = len(positions) // 2
        for half in (positions[:middle], positions[middle:]):
            if self._fill(batch, half, statement, width) is None:
                found += self._search(batch, half, statement, width)
        return found

    def _examine(self, position: int, batch: Batch) -> Bad | None:
        body = io.BytesIO(batch.values[position])
        body.seek(batch.header)
        schema = current(SCHEMA)
        try:
            read_body(body, schema, schema)
        except CodecError as error:
            return Bad(position, error.reason, error.detail)
        return None

    def _slowly(self, batch: Batch, positions: npt.NDArray[np.int64], statement: str, width: int) -> tuple[npt.NDArray[np.int64], list[Bad], bytes]:
        """For events that fastavro reads and the engine does not: written again by fastavro; what is still unreadable is garbage."""
        again = list(batch.values)
        bad = []
        for i in positions.tolist():
            try:
                again[i] = self._header + _written(usage_event(again[i], batch.header))
            except (CodecError, ValueError, OverflowError) as error:
                bad.append(Bad(i, "garbage", str(error)))
        readable = positions[~np.isin(positions, [each.position for each in bad])]
        rewritten = Batch(again, batch.recorded_ms, batch.partitions)
        bad += [Bad(i, "garbage", "not what any writer of this schema writes") for i in self._unreadable(rewritten, readable, statement, width)]
        good = positions[~np.isin(positions, [each.position for each in bad])]
        answer = self._fill(rewritten, good, statement, width)
        if answer is None:
            raise EngineError("a batch of events that the engine reads one by one can not be read as a whole")
        return good, bad, answer

    def _unreadable(self, batch: Batch, positions: npt.NDArray[np.int64], statement: str, width: int) -> list[int]:
        if self._fill(batch, positions, statement, width) is not None:
            return []
        if len(positions) == 1:
            return [int(positions[0])]
        middle = len(positions) // 2
        return [
            *self._unreadable(batch, positions[:middle], statement, width),
            *self._unreadable(batch, positions[middle:], statement, width),
        ]


def usage_event(value: bytes, header: int) -> dict[str, Any]:
    """The event behind the header of a value, in the current version. Raises CodecError, also when a property stands twice."""
    body = io.BytesIO(value)
    body.seek(header)
    event = read_body(body, _in_pairs(), _in_pairs())
    pairs = event["properties"]
    event["properties"] = {pair["key"]: pair["value"] for pair in pairs}
    if len(event["properties"]) < len(pairs):
        raise CodecError("garbage", "a property stands twice")
    return event


@cache
def _in_pairs() -> Schema:
    """The current version with its map as Avro writes it: an array of pairs."""
    schema = json.loads(current(SCHEMA).text)
    for field in schema["fields"]:
        if field["name"] == "properties":
            pair = [{"name": "key", "type": "string"}, {"name": "value", "type": field["type"]["values"]}]
            field |= {"type": {"type": "array", "items": {"type": "record", "name": "pair", "fields": pair}}, "default": []}
    return parse(SCHEMA, json.dumps(schema))


def _whole(answer: bytes, positions: npt.NDArray[np.int64], width: int) -> bool:
    """Every place is there, in order, and the sentinel behind them."""
    if len(answer) != width * (len(positions) + 1):
        return False
    places = np.frombuffer(answer, np.uint8).reshape(-1, width)[:, :8].copy().view("<i8").ravel()
    return np.array_equal(places, np.append(positions, SENTINEL))


def splice(batch: Batch, places: npt.NDArray[np.int64], key: int) -> tuple[bytes, bytearray, bytes]:
    """An Avro object container, in pieces, of all bodies of `batch`, with a preface each, and a sentinel event behind the last one.

    The header in front of each body makes room for the preface; what it lacks in length is put between the values.
    """
    count = len(batch.values) + 1
    gap = bytes(PREFACE - batch.header)
    values = [*batch.values, bytes(batch.header) + _SENTINEL_EVENT]
    body = bytearray(gap.join([b"", *values]))
    lengths = np.fromiter(map(len, values), np.int64, count) + len(gap)
    starts = np.cumsum(lengths) - lengths
    preface = np.zeros((count, PREFACE), np.uint8)
    keyed = np.append(places, SENTINEL).astype("<u8") ^ np.uint64(key)
    preface[:, 0:8] = keyed.view(np.uint8).reshape(-1, 8)
    preface[:, 8:16] = np.append(batch.recorded_ms, 0).astype("<i8").view(np.uint8).reshape(-1, 8)
    preface[:, 16:18] = np.append(batch.partitions, 0).astype("<u2").view(np.uint8).reshape(-1, 2)
    np.frombuffer(body, np.uint8)[starts[:, None] + np.arange(PREFACE)] = preface
    head, sync = _container()
    return head + long(count) + long(len(body)), body, sync


@cache
def _container() -> tuple[bytes, bytes]:
    """Header of the container, and its sync marker."""
    schema = json.loads(current(SCHEMA).text)
    preface = [("place", 8), ("arrival", 8), ("source", 2)]
    fields = [{"name": name, "type": {"type": "fixed", "name": f"{name}_bytes", "size": size}} for name, size in preface]
    for field in schema["fields"]:
        field.pop("default", None)
        if field["name"] == "timestamp":
            field["type"] = "long"
    schema["fields"] = fields + schema["fields"]
    sync = bytes(range(16))
    out = io.BytesIO()
    fastavro.writer(out, schema, [], sync_marker=sync)
    return out.getvalue(), sync


def _written(event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, current(SCHEMA).parsed, event)
    return out.getvalue()


_SENTINEL_EVENT: Final = b"\x00\x00\x02\xff\x00\x00"
"""Empty ids, event type FF (no text, so no product asks for it), timestamp 0, no properties."""
assert CONFLUENT_HEADER < SINGLE_OBJECT_HEADER < PREFACE  # noqa: S101 - `splice` needs the room
