"""A control record asks for a still (`pipelines.warehouse.stills`): SINK begins it between two batches, so that what readers see is whole."""

import logging
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from pipelines.replay.generations import KIND, Step
from pipelines.sink.mappers import DOCUMENT_RECORDS, Row
from pipelines.warehouse.stills import Still

log = logging.getLogger("taximeter.sink")

FRESH_MS: Final = 60_000
"""Who asked longer ago does not wait any more; so nothing stands still when the topics are read again."""
KIND_AT, VERSION_AT, RECORDED_AT, BODY_AT, PARTITION_AT = (
    DOCUMENT_RECORDS.columns.index(name) for name in ("kind", "version", "recorded_at", "body", "source_partition")
)


class Asked(NamedTuple):
    """A still that somebody waits for."""

    generation: int
    step: int

    def begin(self, client: Client) -> None:
        """Raises clickhouse-connect's errors when the warehouse does not answer. One that refuses keeps nothing else waiting: who asked gives up."""
        try:
            Still(client, self.generation, self.step).begin()
        except DatabaseError as error:
            log.warning("the views cannot stand still for generation %d: %s", self.generation, str(error).splitlines()[0][:300])


def asked(rows: Sequence[Row], now_ms: int | None = None) -> Asked | None:
    """The still that some rows of `document_records` ask for. Every partition has the record; the owner of the first answers it."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    for row in rows:
        if row[KIND_AT] == KIND and row[PARTITION_AT] == 0 and now_ms - row[RECORDED_AT] < FRESH_MS:
            step = msgspec.json.decode(row[BODY_AT], type=Step)
            if step.step == "still":
                return Asked(step.number, row[VERSION_AT])
    return None
