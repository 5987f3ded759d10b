"""The two wire formats, and what is no record."""

import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from schemas.codec import SINGLE_OBJECT, SINGLE_OBJECT_HEADER, Codec, CodecError, current
from schemas.packed import long, metered_usage
from tests.unit.codec.samples import DELTA, NAMES, VALUES

EVENT = VALUES["usage_event"]


@pytest.mark.parametrize("name", NAMES)
def test_single_object_encoding_has_marker_and_fingerprint(name: str) -> None:
    codec = Codec()

    data = codec.encode(name, VALUES[name])

    assert data.startswith(SINGLE_OBJECT + current(name).fingerprint)
    assert data.startswith(codec.header(name))
    assert VALUES[name].items() <= codec.decode(name, data).items()


def test_fingerprints_are_those_of_the_avro_specification() -> None:
    """`"null"` has the fingerprint 63dd24e7cc258f8a in the specification's own implementation, little endian on the wire."""
    from schemas.codec import parse

    assert parse("null", '{"type": "null"}').fingerprint.hex() in {"8a8f25cce724dd63", "63dd24e7cc258f8a"}
    assert parse("null", '{"type": "null"}').fingerprint == bytes.fromhex("63dd24e7cc258f8a")[::-1]


@pytest.mark.parametrize(
    ("data", "reason"),
    (
        (b"", "empty"),
        (b"\xc3", "truncated"),
        (b"\xc3\x01abc", "truncated"),
        (b"\xc3\x01" + bytes(8) + b"x", "unknown_schema"),
        (b"{}", "garbage"),
        (b"\xc3\x02" + bytes(20), "garbage"),
        (b"\x00", "truncated"),
        (b"\x00\x00\x00\x00\x07x", "unknown_schema"),
    ),
)
def test_what_is_no_record_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(CodecError) as caught:
        Codec().decode("usage_event", data)

    assert caught.value.reason == reason


@pytest.mark.parametrize("length", range(SINGLE_OBJECT_HEADER, 30))
def test_a_record_cut_anywhere_is_truncated(length: int) -> None:
    data = Codec().encode("usage_event", EVENT)
    assert length < len(data)

    with pytest.raises(CodecError) as caught:
        Codec().decode("usage_event", data[:length])

    assert caught.value.reason in {"truncated", "garbage"}


def test_bytes_behind_a_record_are_garbage() -> None:
    with pytest.raises(CodecError, match="3 bytes behind the end"):
        Codec().decode("usage_event", Codec().encode("usage_event", EVENT) + b"abc")


def test_a_record_of_another_type_is_an_unknown_schema() -> None:
    with pytest.raises(CodecError) as caught:
        Codec().decode("usage_event", Codec().encode("clock_tick", VALUES["clock_tick"]))

    assert caught.value.reason == "unknown_schema"


@pytest.mark.parametrize("wrong", ({"timestamp": "x"}, {"properties": {"a": 1}}, {"customer": None}, {"timestamp": 1 << 70}))
def test_what_does_not_fit_the_schema_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Codec().encode("usage_event", {**EVENT, **wrong})


@pytest.mark.parametrize("amount", ("0", "0.01", "-0.000001", "99999999999999999999999999999999.999999", "-1234567.5"))
def test_money_comes_back_to_the_last_place(amount: str) -> None:
    codec = Codec()
    invoice = {**VALUES["rated_batch"]["invoices"][0], "total": Decimal(amount)}

    back = codec.decode("rated_batch", codec.encode("rated_batch", {**VALUES["rated_batch"], "invoices": [invoice]}))

    assert back["invoices"][0]["total"] == Decimal(amount)


@pytest.mark.parametrize("documents", (-1, 0, 63, 64, 1 << 40))
@pytest.mark.parametrize("count", (0, 1, 3, 200))
def test_packed_usage_is_the_record_that_the_codec_writes(count: int, documents: int) -> None:
    codec = Codec()
    schema = json.loads(current("metered_usage").text)
    items = next(field["type"]["items"] for field in schema["fields"] if field["name"] == "deltas")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(items), DELTA)

    packed = codec.header("metered_usage") + metered_usage([body.getvalue()] * count, documents)

    assert packed == codec.encode("metered_usage", {"deltas": [DELTA] * count, "documents": documents})
    assert codec.decode("metered_usage", packed)["documents"] == documents


@pytest.mark.parametrize(("number", "bytes_"), ((0, b"\x00"), (1, b"\x02"), (63, b"\x7e"), (64, b"\x80\x01"), (8192, b"\x80\x80\x01")))
def test_avro_longs(number: int, bytes_: bytes) -> None:
    assert long(number) == bytes_
