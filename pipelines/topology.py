"""The topics, their keys and their shapes: the one place that names them.

Every customer-keyed topic has the same partition count and the same partitioner (Kafka's murmur2), so that METER, RATE and whoever publishes
documents agree on the owner of a customer.
"""

from typing import Literal, NamedTuple

PARTITIONER = "murmur2_random"
"""librdkafka's name of the Java client's default partitioner, which Faust uses as well."""

ARRIVED = "arrived"
"""Header of metered-usage: when the oldest event of the record's batch arrived (UTC, epoch milliseconds, decimal text). For latencies alone."""
AWAITED = "awaited"
"""Header of what RATE publishes of something that somebody did, an edit, say: they look at it now. A hint for who gathers, and nothing else."""


class Topic(NamedTuple):
    name: str
    schema: str | None
    """Name of the Avro schema of the values (`schemas/avro/<schema>.avsc`)."""
    cleanup: Literal["delete", "compact"]
    customer_keyed: bool
    retention_ms: int | None
    """None: for ever."""


USAGE_EVENTS = Topic("usage-events", "usage_event", "delete", False, None)
REJECTED_EVENTS = Topic("rejected-events", "rejected_event", "delete", False, None)
ACCEPTED_EVENTS = Topic("accepted-events", "accepted_ids", "delete", False, None)
"""Keyed by the partition of usage-events, of which a few share one here (`metering/id_log.py`); kept as long as that."""
FORMER_IDS = "accepted-ids"
"""Where former releases wrote them, each partition by itself. Read where it is there."""
BACKFILLS = Topic("backfills", "backfill", "compact", False, None)
"""By partition of usage-events."""
METERED_USAGE = Topic("metered-usage", "metered_usage", "delete", True, None)
CONTRACT_CHANGES = Topic("contract-changes", "contract_change", "delete", True, None)
CLOCK = Topic("clock", "clock_tick", "delete", True, 86_400_000)
RATED_LINE_ITEMS = Topic("rated-line-items", "rated_batch", "delete", True, None)
BALANCES = Topic("balances", "balance", "compact", True, None)
BALANCE_THRESHOLDS = Topic("balance-thresholds", "crossing", "delete", True, None)
OBJECTS = Topic("objects", "object", "compact", False, None)
DELIVERIES = Topic("webhook-deliveries", "delivery", "compact", True, None)
HOLDS = Topic("holds", "hold", "compact", False, None)

TOPICS = (
    USAGE_EVENTS,
    REJECTED_EVENTS,
    ACCEPTED_EVENTS,
    BACKFILLS,
    METERED_USAGE,
    CONTRACT_CHANGES,
    CLOCK,
    RATED_LINE_ITEMS,
    BALANCES,
    BALANCE_THRESHOLDS,
    OBJECTS,
    DELIVERIES,
    HOLDS,
)

METER_GROUP = "taximeter-meter"
RATE_GROUP = "taximeter-rate"
SINK_GROUP = "taximeter-sink"
SINK_EVENTS_GROUP = "taximeter-sink-events"
"""Of the lane of raw usage events, which may be behind that of the results."""
ALERTS_GROUP = "taximeter-alerts"
