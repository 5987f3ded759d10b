"""One codec for the values of every topic.

Written: Avro single-object encoding (`C3 01`, CRC-64-AVRO fingerprint of the writer's schema, little endian, body), or, when a
schema registry is configured, the Confluent wire format (`00`, schema id in 4 bytes, big endian, body). Readers take both, in every
version of a schema that was ever published: the current ones are `avro/<name>.avsc`, earlier ones `avro/history/<name>-<n>.avsc`.

Money is Avro `decimal(38, 6)` and travels as `decimal.Decimal`; counted quantities are decimal text; instants are integers, UTC
milliseconds since 1970, also where a schema calls them `timestamp-millis` (that is for other readers of the topics).

Errors
CodecError                   `reason`: empty, unknown_schema, truncated or garbage; the message says the rest
"""

import io
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.registry import Registry, RegistryError

FOLDER: Final = Path(__file__).parent / "avro"
SINGLE_OBJECT: Final = b"\xc3\x01"
SINGLE_OBJECT_HEADER: Final = 10
CONFLUENT: Final = b"\x00"
CONFLUENT_HEADER: Final = 5
MONEY: Final = Decimal("0.000001")
"""The smallest step of money on the wire."""

EVENT_BYTES: Final = 262_144
"""The longest usage event. Its texts may stand twice in a record of metered-usage or rejected-events, which Kafka limits to a million bytes."""
ID_BYTES: Final = 1_000
"""The longest id of an event, and the longest value that `unique` counts."""

Reason = Literal["empty", "unknown_schema", "truncated", "garbage"]
Value = Mapping[str, Any]


class CodecError(ValueError):
    """Bytes that are no record of the expected type."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Schema(NamedTuple):
    """A version of a record type: as published (`text`), as fastavro wants it (`parsed`), and its name on the wire."""

    name: str
    text: str
    parsed: Any
    fingerprint: bytes
    """8 bytes, little endian, as they stand behind the marker."""


def parse(name: str, text: str) -> Schema:
    """The schema in `text` (JSON of an `.avsc` file)."""
    raw = json.loads(text)
    digest = bytes.fromhex(fingerprint(to_parsing_canonical_form(raw), "CRC-64-AVRO"))
    return Schema(name, text, fastavro.parse_schema(_plain_instants(raw)), digest)


def _plain_instants(node: Any) -> Any:
    """The schema without `timestamp-millis`: fastavro makes datetimes of those, which are slow and end in the year 9999."""
    if isinstance(node, list):
        return [_plain_instants(item) for item in node]
    if isinstance(node, dict):
        return {key: _plain_instants(item) for key, item in node.items() if (key, item) != ("logicalType", "timestamp-millis")}
    return node


@cache
def current(name: str) -> Schema:
    """The version that is written today, e.g. `current("usage_event")`."""
    return parse(name, (FOLDER / f"{name}.avsc").read_text())


@cache
def versions(name: str) -> Mapping[bytes, Schema]:
    """Every version that was ever published, by fingerprint; the current one wins over an equal earlier one."""
    known = {}
    for path in sorted((FOLDER / "history").glob(f"{name}-*.avsc")):
        schema = parse(name, path.read_text())
        known[schema.fingerprint] = schema
    latest = current(name)
    known[latest.fingerprint] = latest
    return known


def read_body(body: io.BytesIO, writer: Schema, reader: Schema) -> dict[str, Any]:
    """One record from `body`, which must end with it. Raises CodecError (truncated, garbage)."""
    same = writer.fingerprint == reader.fingerprint
    try:
        value = fastavro.schemaless_reader(body, writer.parsed, None if same else reader.parsed)
    except (EOFError, IndexError) as error:
        raise CodecError("truncated", f"the record ends early ({len(body.getvalue())} bytes)") from error
    except Exception as error:
        raise CodecError("garbage", f"not a {reader.name}: {error}") from error
    rest = len(body.getbuffer()) - body.tell()
    if rest:
        raise CodecError("garbage", f"{rest} bytes behind the end of the record")
    return cast("dict[str, Any]", value)


class Codec:
    """Encodes and decodes values by the name of their schema (`pipelines.topology.Topic.schema`). Thread safe but for its registry."""

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry
        self._headers: dict[str, tuple[bytes, Any]] = {}

    @classmethod
    def at(cls, registry_url: str | None) -> "Codec":
        """The codec of a deployment: with the schema registry at `registry_url`, or single-object encoding without one."""
        return cls(Registry(registry_url) if registry_url else None)

    def header(self, name: str) -> bytes:
        """What stands before the body of every value that this codec writes for schema `name`."""
        return self._writer(name)[0]

    def encode(self, name: str, value: Value) -> bytes:
        """`value` on the wire. Raises ValueError or TypeError when it does not fit the schema."""
        header, parsed = self._writer(name)
        out = io.BytesIO()
        out.write(header)
        fastavro.schemaless_writer(out, parsed, value)
        return out.getvalue()

    def decode(self, name: str, data: bytes) -> dict[str, Any]:
        """The record in `data`, in the current version's shape. Raises CodecError."""
        writer, start = self.writer_of(name, data)
        body = io.BytesIO(data)
        body.seek(start)
        return read_body(body, writer, current(name))

    def writer_of(self, name: str, data: bytes) -> tuple[Schema, int]:
        """The schema `data` was written with, and where its body starts. Raises CodecError (empty, truncated, unknown_schema, garbage)."""
        if not data:
            raise CodecError("empty", "no bytes")
        if data[:2] == SINGLE_OBJECT:
            if len(data) < SINGLE_OBJECT_HEADER:
                raise CodecError("truncated", f"{len(data)} bytes, shorter than the header of {SINGLE_OBJECT_HEADER}")
            schema = versions(name).get(data[2:SINGLE_OBJECT_HEADER])
            if schema is None:
                raise CodecError("unknown_schema", f"fingerprint {data[2:10].hex()} is no version of {name}")
            return schema, SINGLE_OBJECT_HEADER
        if data[:1] == CONFLUENT:
            if len(data) < CONFLUENT_HEADER:
                raise CodecError("truncated", f"{len(data)} bytes, shorter than the header of {CONFLUENT_HEADER}")
            return self._registered(name, int.from_bytes(data[1:CONFLUENT_HEADER], "big")), CONFLUENT_HEADER
        if SINGLE_OBJECT.startswith(data):
            raise CodecError("truncated", "1 byte, shorter than a header")
        raise CodecError("garbage", f"starts with {data[:2].hex()}: neither single-object encoding (c301) nor Confluent wire format (00)")

    def _registered(self, name: str, schema_id: int) -> Schema:
        if self._registry is None:
            raise CodecError("unknown_schema", f"schema id {schema_id}, but no schema registry is configured (TAXIMETER_SCHEMA_REGISTRY)")
        try:
            text = self._registry.schema(schema_id)
        except RegistryError as error:
            if error.transient:
                raise
            raise CodecError("unknown_schema", f"schema id {schema_id}: {error}") from error
        schema = _parse_once(name, text)
        if schema.parsed["name"] != current(name).parsed["name"]:
            raise CodecError("unknown_schema", f"schema id {schema_id} is {schema.parsed['name']}, not {current(name).parsed['name']}")
        return schema

    def _writer(self, name: str) -> tuple[bytes, Any]:
        known = self._headers.get(name)
        if known is None:
            schema = current(name)
            if self._registry is None:
                header = SINGLE_OBJECT + schema.fingerprint
            else:
                header = CONFLUENT + self._registry.register(schema.parsed["name"], schema.text).to_bytes(4, "big")
            known = self._headers[name] = (header, schema.parsed)
        return known


@cache
def _parse_once(name: str, text: str) -> Schema:
    return parse(name, text)
