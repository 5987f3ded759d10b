"""Bodies of deltas that METER joins from what it has encoded before are what Avro's own writer makes of them, byte for byte."""

import io
import json
from typing import Any

import fastavro
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import current
from schemas.packed import usage_delta

texts = st.text(max_size=100) | st.sampled_from(["", "ü" * 64, "x" * 64, "x" * 65, "\x1f", "a" * 9_000])
numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 63, 64, 127, 128, 8_191, 8_192])
deltas = st.fixed_dictionaries(
    {
        "catalogue": texts,
        "product": texts,
        "customer": texts,
        "group": st.dictionaries(texts, texts, max_size=3),
        "window_ms": numbers,
        "recorded_ms": numbers,
        "first_ms": numbers,
        "events": numbers,
        "value": st.none() | texts,
        "points": st.lists(st.tuples(numbers, texts, texts), max_size=3) | st.just([(1, "t", "2")] * 100),
        "members": st.lists(texts, max_size=3) | st.just(["m"] * 100),
        "sequence": st.none() | numbers,
    }
)


def schema() -> Any:
    record = json.loads(current("metered_usage").text)
    return fastavro.parse_schema(next(field["type"]["items"] for field in record["fields"] if field["name"] == "deltas"))


@given(deltas)
def test_a_joined_delta_is_the_written_one(delta: dict[str, Any]) -> None:
    points = [{"timestamp_ms": at, "transaction_id": name, "value": value} for at, name, value in delta["points"]]
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema(), {**delta, "points": points})

    assert usage_delta(**delta) == written.getvalue()
