"""Raw usage events as one Avro file for `INSERT … FORMAT Avro`: the bodies are copied behind a header, never decoded here.

    file  = header with the stored record's schema · count · size · rows · sync
    row   = partition, offset, recorded_at (3 × 8 bytes) · body as the producer wrote it · guard (8 bytes)

The first three are Avro doubles because those have a fixed size (a struct packs all three at once) and hold every integer below 2⁵³. A body that is
cut short, too long or not a usage event moves what follows, so some guard is not where it belongs, and the table's constraint (or the
decoder) refuses the whole block. Then `whole_events` finds the bad ones with fastavro. Measured: 0.75 µs an event here, 2.5 µs in the warehouse.
"""

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipelines.sink.records import Record
from pipelines.topology import USAGE_EVENTS
from schemas.codec import CodecError, Schema

TABLE = "usage_event_records"
GUARD = b"usageEnd"
SYNC = b"taximeter-usage-"
PREFIX = struct.Struct("<ddd")

WriterOf = Callable[[str, bytes], tuple[Schema, int]]
"""`schemas.codec.Codec.writer_of`: the schema of a value and where its body starts."""


class Block(bytes):
    """An Avro file of usage events."""


def blocks(records: Iterable[Record], writer_of: WriterOf) -> list[Block]:
    """One file for each version of the schema among `records`. Values without a known header are left out: METER rejects them."""
    parts: dict[bytes, list[bytes]] = {}
    schemas: dict[bytes, Schema] = {}
    starts: dict[bytes, tuple[bytes, int]] = {}
    pack = PREFIX.pack
    for record in records:
        value = record.value
        if not value:
            continue
        known = starts.get(value[:10]) if value[:1] == b"\xc3" else None
        if known is None:
            try:
                schema, start = writer_of(USAGE_EVENTS.schema or "", value)
            except CodecError:
                continue
            known = (schema.fingerprint, start)
            schemas[schema.fingerprint] = schema
            if value[:1] == b"\xc3":
                starts[value[:10]] = known
        fingerprint, start = known
        rows = parts.setdefault(fingerprint, [])
        rows.append(pack(record.partition, record.offset, record.recorded_ms))
        rows.append(value[start:])
        rows.append(GUARD)
    return [_file(schemas[fingerprint], rows) for fingerprint, rows in parts.items()]


def whole_events(records: Sequence[Record], decode: Callable[[str, bytes], object]) -> list[Record]:
    """Those records that are usage events, each looked at alone."""
    whole = []
    for record in records:
        try:
            decode(USAGE_EVENTS.schema or "", record.value or b"")
        except CodecError:
            continue
        whole.append(record)
    return whole


def _file(schema: Schema, rows: list[bytes]) -> Block:
    body = b"".join(rows)
    header = b"Obj\x01" + _long(2) + _text(b"avro.schema") + _text(_stored_schema(schema)) + _text(b"avro.codec") + _text(b"null") + b"\x00" + SYNC
    return Block(header + _long(len(rows) // 3) + _long(len(body)) + body + SYNC)


def _stored_schema(schema: Schema) -> bytes:
    event: dict[str, Any] = json.loads(schema.text)
    before = [{"name": name, "type": "double"} for name in ("source_partition", "source_offset", "recorded_at")]
    after = {"name": "guard", "type": {"type": "fixed", "name": "Guard", "size": len(GUARD)}}
    return json.dumps({**event, "fields": [*before, *event["fields"], after]}).encode()


def _text(value: bytes) -> bytes:
    return _long(len(value)) + value


def _long(value: int) -> bytes:
    """Avro's variable-length zig-zag long; only for what is not negative."""
    rest = value << 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
