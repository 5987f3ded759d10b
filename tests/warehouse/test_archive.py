"""Accepted events of the past, as METER reads them from the warehouse when Kafka has let them go."""

from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from pipelines.metering.archive import Archive
from pipelines.metering.coverage import Span
from pipelines.settings import Settings
from schemas.codec import Codec

PARTITION = 4_001
AT_MS = 1_759_276_800_000


def row(offset: int, name: str) -> tuple[Any, ...]:
    return ("acme", "call", AT_MS + offset, name, {"calls": str(offset)}, AT_MS + offset + 7, PARTITION, offset, "usageEnd")


def test_what_was_accepted_and_nothing_else_in_portions(client: Client, address: str, tmp_path: Path) -> None:
    # given events of one partition, of which one was rejected and one repeats an id
    columns = ["customer", "event_type", "timestamp", "transaction_id", "properties", "recorded_at", "source_partition", "source_offset", "guard"]
    client.insert("usage_event_records", [row(offset, f"t{offset}") for offset in range(10)] + [row(10, "t3")], column_names=columns)
    client.insert(
        "rejected_event_records",
        [("usage-events", PARTITION, 6, AT_MS, "not_a_number", "")],
        column_names=["topic", "partition", "offset", "recorded_at", "reason", "detail"],
    )
    codec = Codec()
    archive = Archive(Settings(data=tmp_path, clickhouse=address), codec)

    # when a stretch is read, then it ends where it should and has what counted
    found, end = archive.read(PARTITION, Span(2, 11), 100)
    assert (found.offsets.tolist(), end) == ([2, 3, 4, 5, 7, 8, 9], 11)
    assert found.recorded_ms.tolist()[0] == AT_MS + 9
    assert codec.decode("usage_event", found.values[0] or b"") == {
        "transaction_id": "t2",
        "customer": "acme",
        "event_type": "call",
        "timestamp": AT_MS + 2,
        "properties": {"calls": "2"},
    }
    archive.close()

    # and a warehouse that does not answer gives nothing, up to where it was asked from
    gone = Archive(Settings(data=tmp_path, clickhouse="http://127.0.0.1:9/taximeter"), codec)
    found, end = gone.read(PARTITION, Span(2, 11), 100)
    assert (len(found.values), end) == (0, 2)
