"""Bytes on the way in and out: HTTP content encodings and ClickHouse's own compressed blocks.

ClickHouse's `decompress=1` / `compress=1` framing is a row of blocks: CityHash128 of the rest (16 bytes), method (1), size with this header
(4, little endian), size uncompressed (4), then the data. Methods: 0x82 LZ4, 0x90 ZSTD, 0x02 none.
"""

import gzip
import struct
import zlib
from collections.abc import Callable

import lz4.block
import lz4.frame
from backports import zstd
from clickhouse_cityhash.cityhash import CityHash128

from pipelines.local.warehouse_errors import WarehouseError

LZ4, ZSTD, NONE = 0x82, 0x90, 0x02
BLOCK_BYTES = 1_048_576
HEADER = struct.Struct("<BII")
MAX_BODY = 1 << 30
"""A request's body, also after decompression; a larger insert is better sent in parts."""


def _bounded(decompressor: Callable[[bytes, int], bytes], body: bytes) -> bytes:
    data = decompressor(body, MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise WarehouseError("TOO_LARGE_SIZE_COMPRESSED", f"The body is over {MAX_BODY} bytes decompressed: send it in parts")
    return data


def _inflate(body: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj(wbits=47)
    try:
        data = stream.decompress(body, limit)
    except zlib.error:
        data = zlib.decompressobj(wbits=-15).decompress(body, limit)  # deflate without zlib's header, as some senders do
    return data


def _gunzip(body: bytes, limit: int) -> bytes:
    out = bytearray()
    while body and len(out) < limit:
        stream = zlib.decompressobj(wbits=31)
        out += stream.decompress(body, limit - len(out))
        body = stream.unused_data
    return bytes(out)


def _unlz4(body: bytes, limit: int) -> bytes:
    """clickhouse-connect sends one frame for each block, one after the other."""
    out = bytearray()
    while body and len(out) < limit:
        stream = lz4.frame.LZ4FrameDecompressor()
        out += stream.decompress(body, limit - len(out))
        body = stream.unused_data or b""
    return bytes(out)


def _unzstd(body: bytes, limit: int) -> bytes:
    out = bytearray()
    while body and len(out) < limit:
        stream = zstd.ZstdDecompressor()
        out += stream.decompress(body, limit - len(out))
        body = stream.unused_data
    return bytes(out)


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "lz4": _unlz4,
    "zstd": _unzstd,
}
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda body: zstd.compress(body, 1),
    "gzip": lambda body: gzip.compress(body, 1),
    "deflate": lambda body: zlib.compress(body, 1),
}


def decoded(body: bytes, encoding: str) -> bytes:
    """The body without its HTTP content encoding. Raise WarehouseError when it is unknown or the bytes are broken."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    decoder = DECODERS.get(encoding)
    if decoder is None:
        known = ", ".join(DECODERS)
        raise WarehouseError("UNKNOWN_COMPRESSION_METHOD", f"Unknown Content-Encoding {encoding!r}; known are {known}")
    try:
        return _bounded(decoder, body)
    except (zlib.error, RuntimeError, EOFError, zstd.ZstdError) as error:
        raise WarehouseError("CANNOT_DECOMPRESS", f"The body is not valid {encoding}: {error}") from error


def chosen_encoding(accepted: str) -> str | None:
    """The first encoding of ours that the client accepts, in the client's order of naming."""
    for part in accepted.split(","):
        name, _, quality = part.strip().partition(";")
        if name.lower() in ENCODERS and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return name.lower()
    return None


def blocks_decoded(body: bytes) -> bytes:
    """The data inside ClickHouse's compressed blocks; checksums are verified."""
    out = bytearray()
    position = 0
    while position < len(body):
        if position + 25 > len(body):
            raise WarehouseError("CANNOT_DECOMPRESS", "The last compressed block is cut short")
        checksum = body[position : position + 16]
        method, size, raw_size = HEADER.unpack_from(body, position + 16)
        block = body[position + 16 : position + 16 + size]
        if len(block) < size or size < HEADER.size or raw_size > MAX_BODY or len(out) + raw_size > MAX_BODY:
            raise WarehouseError("CANNOT_DECOMPRESS", "A compressed block is cut short or too large")
        if _checksum(block) != checksum:
            raise WarehouseError("CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data in a compressed block")
        out += _block_data(method, block[HEADER.size :], raw_size)
        position += 16 + size
    return bytes(out)


def blocks_encoded(body: bytes) -> bytes:
    """The data as ClickHouse's LZ4 blocks."""
    out = bytearray()
    for start in range(0, len(body), BLOCK_BYTES):
        part = body[start : start + BLOCK_BYTES]
        packed = lz4.block.compress(part, store_size=False)
        block = HEADER.pack(LZ4, len(packed) + HEADER.size, len(part)) + packed
        out += _checksum(block) + block
    return bytes(out)


def _block_data(method: int, packed: bytes, raw_size: int) -> bytes:
    try:
        if method == LZ4:
            return bytes(lz4.block.decompress(packed, uncompressed_size=raw_size))
        if method == ZSTD:
            return zstd.decompress(packed)
    except (RuntimeError, zstd.ZstdError, lz4.block.LZ4BlockError) as error:
        raise WarehouseError("CANNOT_DECOMPRESS", f"A compressed block is broken: {error}") from error
    if method == NONE:
        return packed
    raise WarehouseError("UNKNOWN_COMPRESSION_METHOD", f"Unknown codec of a compressed block: 0x{method:02x}")


def _checksum(block: bytes) -> bytes:
    value = CityHash128(block)
    return struct.pack("<QQ", value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF)
