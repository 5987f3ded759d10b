"""Usage events that Kafka has let go: read from the raw events in the warehouse, for a product or a generation that must be metered over them.

Which of them were accepted is told by the warehouse too: those that can be read, were not rejected, and are the first of their id.
"""

import logging
import time
from typing import Final

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from contracts.errors import TaximeterError
from pipelines.metering.coverage import Span
from pipelines.metering.messages import Messages
from pipelines.settings import Settings
from pipelines.warehouse.client import connect
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

EVENTS: Final = """
SELECT source_offset, toUnixTimestamp64Milli(arrived), transaction_id, customer, event_type, toUnixTimestamp64Milli(at), properties FROM (
  SELECT source_offset, e.recorded_at AS arrived, transaction_id, customer, event_type, e.timestamp AS at, properties FROM usage_event_records AS e FINAL
  WHERE source_partition = {partition:UInt32} AND source_offset < {end:UInt64}
   AND source_offset NOT IN (SELECT offset FROM rejected_event_records WHERE topic = 'usage-events' AND partition = {partition:UInt32})
  ORDER BY source_offset LIMIT 1 BY transaction_id
) WHERE source_offset >= {start:UInt64} ORDER BY source_offset LIMIT {most:UInt64}"""
LEAST: Final = 50_000
"""A question looks at the whole partition, so it is not asked for little."""
PAUSE_S: Final = 1.0


class Archive:
    """The warehouse as METER needs it: seldom, and never in the way of live usage. Not thread safe."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._client: Client | None = None
        self._told = False
        self._after = 0.0

    def read(self, partition: int, span: Span, most: int) -> tuple[Messages, int]:
        """What was accepted in a beginning of `span`, and where that ends; nothing, up to its start, while the warehouse does not answer."""
        nothing = Messages([], [], np.empty(0, np.uint16), np.empty(0, np.int64), np.empty(0, np.int64))
        if time.monotonic() < self._after:
            return nothing, span.start
        asked = {"partition": partition, "start": span.start, "end": span.end, "most": max(most, LEAST)}
        try:
            if self._client is None:
                self._client = connect(self._settings)
            rows = self._client.query(EVENTS, parameters=asked).result_rows
        except (ClickHouseError, TaximeterError) as error:
            self._after = time.monotonic() + PAUSE_S
            self._client = None
            if not self._told:
                log.warning("usage-events[%d] before offset %d is gone, and the warehouse does not answer (%s): the past waits, live usage goes on", partition, span.end, error)
            self._told = True
            return nothing, span.start
        self._told = False
        values = [
            self._codec.encode("usage_event", {"transaction_id": name, "customer": owner, "event_type": kind, "timestamp": at_ms, "properties": dict(found)})
            for _, _, name, owner, kind, at_ms, found in rows
        ]
        offsets = np.array([row[0] for row in rows], np.int64)
        messages = Messages(values, [None] * len(rows), np.full(len(rows), partition, np.uint16), offsets, np.array([row[1] for row in rows], np.int64))
        return messages, span.end if len(rows) < max(most, LEAST) else int(offsets[-1]) + 1

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
