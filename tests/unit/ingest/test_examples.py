"""What the examples in other languages have written into them is what our codec writes. (Where their tools are, `tests/broker/console/test_producers.py` runs them.)"""

import json
import re
from pathlib import Path

import pytest

from pipelines.topology import USAGE_EVENTS
from schemas.codec import FOLDER, Codec

ROOT = Path(__file__).parents[3]
PRODUCERS = ROOT / "docs" / "examples" / "producers"
SAMPLE = {"transaction_id": "t-1", "customer": "acme", "event_type": "api_call", "timestamp": 1_760_097_600_000, "properties": {"calls": "5", "region": "eu"}}
EXAMPLES = ("java/UsageProducer.java", "go/main.go", "typescript/producer.ts")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_header_the_topic_and_the_order_of_the_fields(name: str) -> None:
    text = (PRODUCERS / name).read_text(encoding="utf-8")
    # given the constants of the example, then they are the product's
    assert re.findall(r"c301[0-9a-f]{16}", text) == [Codec().header("usage_event").hex()]
    assert re.search(rf"\b{USAGE_EVENTS.name}\b", text)
    # and it writes the fields in the order of the schema
    encoder = text[re.search(r"(?:byte\[\] encode|\) Encode|function encode)\(", text).start() :].casefold().replace("_", "")  # type: ignore[union-attr]
    fields = [field["name"].replace("_", "") for field in json.loads((FOLDER / "usage_event.avsc").read_text())["fields"]]
    places = [encoder.index(f"event.{field}") for field in fields]
    assert places == sorted(places)
    # and what every producer has to keep
    assert re.search(r"acks|Acks", text)
    assert re.search(r"key", text, re.IGNORECASE) or "event.transactionId(), encode(event)" in text


def test_the_sample_of_the_page_is_what_the_codec_writes() -> None:
    page = (ROOT / "docs" / "how-to" / "report-usage.md").read_text(encoding="utf-8")
    written = Codec().encode("usage_event", SAMPLE).hex()
    assert f"\n{written}\n" in page
    assert Codec().decode("usage_event", bytes.fromhex(written)) == SAMPLE
    for name in EXAMPLES:
        assert f"docs/examples/producers/{name}" in page
