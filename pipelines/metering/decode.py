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
from schemas.codec import SINGLE_OBJECT, SINGLE_OBJECT_HEADER, Codec, CodecError, current, read_body

TABLE: Final = "meter.batch"
PREFACE: Final = 18
"""Bytes in front of a body: place 8, arrival 8, partition 2."""
SMALL: Final = 128
"""So many messages are taken apart one by one rather than halved: about what one statement of the engine costs."""

SENTINEL: Final = (1 << 63) - 1

_CREATE: Final = f"""CREATE TABLE IF NOT EXISTS {TABLE} (n UInt64, recorded_ms Int64, partition UInt16, transaction_id String,
customer String, event_type String, timestamp Int64, properties Map(String, String)) ENGINE = Memory"""
_STRUCTURE: Final = (
    "place FixedString(8), arrival FixedString(8), source FixedString(2), transaction_id String, customer String, "
    "event_type String, timestamp Int64, properties Map(String, String)"
)
_TORN: Final = (
    "SELECT countIf(NOT (isValidUTF8(transaction_id) AND isValidUTF8(customer) AND isValidUTF8(event_type) "
    "AND isValidUTF8(arrayStringConcat(mapKeys(properties), ' ')) AND isValidUTF8(arrayStringConcat(mapValues(properties), ' ')))) "
    f"FROM {TABLE} WHERE n != {SENTINEL}"
)
"""Events with text that is none: fastavro refuses them, the engine would not."""


class Message(NamedTuple):
    """A record of usage-events."""

    partition: int
    offset: int
    recorded_ms: int
    """Kafka timestamp: arrival."""
    key: bytes | None
    value: bytes | None


class Bad(NamedTuple):
    """A message that is no usage event: its position in the batch, and why."""

    position: int
    reason: str
    detail: str


class Batch(NamedTuple):
    """Columns of a batch, as Python and numpy hold them."""

    values: list[bytes]
    recorded_ms: npt.NDArray[np.int64]
    partitions: npt.NDArray[np.uint16]

    def part(self, positions: npt.NDArray[np.int64]) -> "Batch":
        return Batch([self.values[i] for i in positions], self.recorded_ms[positions], self.partitions[positions])


class Decoder:
    """Puts batches into `TABLE`."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._codec = codec
        self._header = SINGLE_OBJECT + current("usage_event").fingerprint
        engine.run(_CREATE)

    def load(self, batch: Batch) -> tuple[npt.NDArray[np.int64], list[Bad]]:
        """Decode into the table; `n` of a row is the event's position in `batch`.

        Returns the positions of the good messages, ascending, and the bad ones. Only the good ones are in the table.
        """
        values, bad = self._uniform(batch.values)
        positions = np.arange(len(values), dtype=np.int64)
        if bad:
            positions = np.delete(positions, [each.position for each in bad])
        whole = Batch(values, batch.recorded_ms, batch.partitions)
        if self._fill(whole, positions):
            return positions, bad
        more = self._search(whole, positions)
        wrong = {each.position for each in more}
        positions = np.array([i for i in positions if i not in wrong], dtype=np.int64)
        if not self._fill(whole, positions):
            self._fill_slowly(whole, positions)
        return positions, sorted(bad + more)

    def _uniform(self, values: Sequence[bytes]) -> tuple[list[bytes], list[Bad]]:
        """All values behind the current version's header: others are read by their own version and written again."""
        header = self._header
        if all([value[:SINGLE_OBJECT_HEADER] == header for value in values]):  # noqa: C419 - a list is twice as fast here
            return list(values), []
        found, bad = list(values), []
        for position, value in enumerate(values):
            if value[:SINGLE_OBJECT_HEADER] != header:
                try:
                    found[position] = header + _body(self._codec.decode("usage_event", value))
                except CodecError as error:
                    bad.append(Bad(position, error.reason, error.detail))
        return found, bad

    def _fill(self, batch: Batch, positions: npt.NDArray[np.int64]) -> bool:
        """True when the table holds exactly the messages at `positions`, and the sentinel."""
        engine = self._engine
        engine.run(f"TRUNCATE TABLE {TABLE}")
        if not len(positions):
            return True
        key = secrets.randbits(63)
        part = batch if len(positions) == len(batch.values) else batch.part(positions)
        engine.scratch.write_bytes(splice(part, positions, key))
        try:
            engine.run(
                f"INSERT INTO {TABLE} SELECT bitXor(reinterpretAsUInt64(place), {key}), reinterpretAsInt64(arrival), "  # noqa: S608
                "reinterpretAsUInt16(source), transaction_id, customer, event_type, timestamp, properties "
                f"FROM file('{engine.scratch}', 'Avro', '{_STRUCTURE}') SETTINGS max_block_size = 65536"
            )
            places = np.frombuffer(engine.query(f"SELECT n FROM {TABLE}", "RowBinary"), "<u8")  # noqa: S608
            if not np.array_equal(places, np.append(positions, SENTINEL).astype("<u8")):
                return False
            return engine.query(_TORN, "TSV").strip() == b"0"
        except EngineError:
            return False

    def _search(self, batch: Batch, positions: npt.NDArray[np.int64]) -> list[Bad]:
        """The bad messages among `positions`, which do not decode together."""
        if len(positions) <= SMALL:
            return [bad for i in positions if (bad := self._examine(int(i), batch.values[i])) is not None]
        found: list[Bad] = []
        middle = len(positions) // 2
        for half in (positions[:middle], positions[middle:]):
            if not self._fill(batch, half):
                found += self._search(batch, half)
        return found

    def _examine(self, position: int, value: bytes) -> Bad | None:
        body = io.BytesIO(value)
        body.seek(SINGLE_OBJECT_HEADER)
        schema = current("usage_event")
        try:
            read_body(body, schema, schema)
        except CodecError as error:
            return Bad(position, error.reason, error.detail)
        return None

    def _fill_slowly(self, batch: Batch, positions: npt.NDArray[np.int64]) -> None:
        """For events that fastavro reads and the engine does not: through fastavro, and in its own way of writing."""
        again = list(batch.values)
        for i in positions:
            again[i] = self._header + _body(self._codec.decode("usage_event", batch.values[i]))
        if not self._fill(Batch(again, batch.recorded_ms, batch.partitions), positions):
            raise EngineError("a batch of events that are well-formed one by one does not decode as a whole")


def splice(batch: Batch, places: npt.NDArray[np.int64], key: int) -> bytes:
    """An Avro object container of all bodies of `batch`, with a preface each, and a sentinel event behind the last one.

    The values have a header of 10 bytes; with 8 bytes put between them there is room for the preface.
    """
    count = len(batch.values) + 1
    gap = bytes(PREFACE - SINGLE_OBJECT_HEADER)
    values = [*batch.values, _SENTINEL_EVENT]
    body = bytearray(gap + gap.join(values))
    lengths = np.fromiter(map(len, values), np.int64, count) + len(gap)
    starts = np.cumsum(lengths) - lengths
    preface = np.zeros((count, PREFACE), np.uint8)
    keyed = np.append(places, SENTINEL).astype("<u8") ^ np.uint64(key)
    preface[:, 0:8] = keyed.view(np.uint8).reshape(-1, 8)
    preface[:, 8:16] = np.append(batch.recorded_ms, 0).astype("<i8").view(np.uint8).reshape(-1, 8)
    preface[:, 16:18] = np.append(batch.partitions, 0).astype("<u2").view(np.uint8).reshape(-1, 2)
    np.frombuffer(body, np.uint8)[starts[:, None] + np.arange(PREFACE)] = preface
    head, sync = _container()
    return b"".join((head, _varint(count), _varint(len(body)), body, sync))


@cache
def _container() -> tuple[bytes, bytes]:
    """Header of the container, and its sync marker."""
    schema = json.loads(current("usage_event").text)
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


def _varint(number: int) -> bytes:
    out = bytearray()
    number <<= 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _body(event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, current("usage_event").parsed, event)
    return out.getvalue()


_SENTINEL_EVENT: Final = bytes(SINGLE_OBJECT_HEADER) + b"\x00\x00\x02\xff\x00\x00"
"""Empty ids, event type FF (no text, so no product asks for it), timestamp 0, no properties."""
