"""Records of metered-usage put together from the Avro bodies of their deltas, which need not be decoded for that."""

from collections.abc import Sequence
from typing import Final

_BEFORE: Final = b"\x00\x01\x01"
"""`kind` metered (symbol 0), `origin_partition` −1, `origin_offset` −1: the fields in front of the deltas."""
_BACKFILL: Final = b"\x04\x01\x01"
"""The same with `kind` backfill (symbol 2)."""
_END: Final = b"\x00"


def metered_usage(deltas: Sequence[bytes], documents: int, *, backfill: bool = False) -> bytes:
    """The body of a `metered_usage` record (current version) with these bodies of `UsageDelta`; `documents` and kind (metered or backfill) as in the schema."""
    known = long(documents) if documents >= 0 else b"\x01"
    return b"".join((_BACKFILL if backfill else _BEFORE, long(len(deltas)) if deltas else b"", *deltas, _END, known))


def long(number: int) -> bytes:
    """Avro's variable-length zig-zag long, for what is not negative."""
    out = bytearray()
    number <<= 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
