"""Records of metered-usage put together from the Avro bodies of their deltas, which need not be decoded for that."""

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import fastavro

from schemas.codec import current

_BEFORE: Final = b"\x00\x01\x01"
"""`kind` metered (symbol 0), `origin_partition` −1, `origin_offset` −1: the fields in front of the deltas."""
_BACKFILL: Final = b"\x04\x01\x01"
"""The same with `kind` backfill (symbol 2)."""
_END: Final = b"\x00"


def metered_usage(deltas: Sequence[bytes], documents: int, *, backfill: bool = False) -> bytes:
    """The body of a `metered_usage` record (current version) with these bodies of `UsageDelta`; `documents` and kind (metered or backfill) as in the schema."""
    known = long(documents) if documents >= 0 else b"\x01"
    return b"".join((_BACKFILL if backfill else _BEFORE, long(len(deltas)) if deltas else b"", *deltas, _END, known))


def usage_delta(delta: Mapping[str, Any]) -> bytes:
    """The body of one `UsageDelta`."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _delta(), delta)
    return out.getvalue()


@cache
def _delta() -> Any:
    """The schema of a `UsageDelta`, from that of the record which has them."""
    record: Any = json.loads(current("metered_usage").text)
    items = next(field["type"]["items"] for field in record["fields"] if field["name"] == "deltas")
    return fastavro.parse_schema(items)


def long(number: int) -> bytes:
    """Avro's variable-length zig-zag long, for what is not negative."""
    out = bytearray()
    number <<= 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
