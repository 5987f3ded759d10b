"""Generations as the warehouse has them, for those who read nothing but that."""

from typing import Final

from clickhouse_connect.driver.client import Client

from pipelines.replay.generations import Generations

STEPS: Final = """
SELECT id, version, any(body), min(toUnixTimestamp64Milli(recorded_at)), any(author), min(written_at) FROM document_records
WHERE kind = 'replay' GROUP BY id, version ORDER BY min(toUnixTimestamp64Milli(recorded_at)), id, version"""


def generations_of(client: Client) -> Generations:
    """All that were recorded. Raises clickhouse-connect's errors."""
    found = Generations()
    for name, version, body, recorded_ms, author, _ in client.query(STEPS).result_rows:
        found.record({"id": name, "version": version, "body": body, "recorded_at": recorded_ms, "author": author})
    return found
