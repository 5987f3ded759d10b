"""Ids and bodies are hashed as the engine does it, to the bit: what one batch has put into the store of ids the next one finds, whichever way it goes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.metering import hashing
from pipelines.metering.engine import Engine, engine

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text("aé€😀\0'\\", min_size=60, max_size=300)
"""CityHash takes four ways, by length, and SipHash a word for eight bytes."""
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "partition": st.integers(0, 65_535),
            "transaction_id": TEXTS,
            "customer": TEXTS,
            "event_type": TEXTS,
            "timestamp": st.integers(-(2**63), 2**63 - 1),
            "properties": st.dictionaries(TEXTS, TEXTS, max_size=6),
        }
    ),
    min_size=1,
    max_size=30,
)
PLAIN = {"partition": 0, "transaction_id": "", "customer": "", "event_type": "", "timestamp": 0, "properties": {}}
EDGES = [
    PLAIN | {"transaction_id": "x" * length, "customer": "y" * length, "properties": {"b" * length: "", "a": "z" * length}}
    for length in (1, 7, 8, 9, 15, 16, 17, 32, 33, 63, 64, 65, 128, 129, 255, 256, 257, 1_000, 4_000)
]


@pytest.fixture(scope="module")
def answering() -> Engine:
    return engine()


def text(value: str) -> str:
    return f"unhex('{value.encode().hex()}')"


def row(event: dict[str, Any]) -> str:
    pairs = ", ".join(f"{text(key)}, {text(value)}" for key, value in event["properties"].items())
    properties = f"map({pairs})" if pairs else "map()::Map(String, String)"
    return (
        f"SELECT sipHash128(toUInt16({event['partition']}), {text(event['transaction_id'])}) AS key, "
        f"cityHash64({text(event['customer'])}, {text(event['event_type'])}, toInt64('{event['timestamp']}'), mapSort({properties})) AS body"
    )


@given(events=EVENTS)
@example(events=EDGES)
@example(events=[PLAIN, PLAIN | {"properties": {"": ""}}])
def test_hashes_are_the_engines(answering: Engine, events: list[dict[str, Any]]) -> None:
    asked = " UNION ALL ".join(f"SELECT {place} AS n, * FROM ({row(event)})" for place, event in enumerate(events))
    answer = np.frombuffer(answering.query(f"SELECT key, body FROM ({asked}) ORDER BY n", "RowBinary"), [("key", "V16"), ("body", "<u8")])
    keys = hashing.keys((each["partition"] for each in events), (each["transaction_id"] for each in events))
    assert keys.tolist() == answer["key"].tolist()
    assert hashing.bodies(events).tolist() == answer["body"].tolist()
