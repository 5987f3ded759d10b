"""Every metric there is, by stage. The dashboard and the alert rules in `deploy/` are tested against these names.

A stage serves those of `EVERY` and its own. Counters begin at zero when a process starts. Latencies of events go by the timestamps of their
Kafka records: when the producer sent them (or the broker took them, with LogAppendTime), by the clocks of two machines where there are two.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from pipelines.monitoring.spread import DURATIONS_S, LATENCIES_S, Spread

STATES: Final = ("starting", "learning", "recovering", "running", "waiting", "stopping", "failed")

# Every stage

EVERY: Final = CollectorRegistry()
STATE: Final = Enum(
    "taximeter_state", "What the stage says it does; waiting: for Kafka, ClickHouse or the schema registry", states=list(STATES), registry=EVERY
)
LAG: Final = Gauge(
    "taximeter_lag_records",
    "Records that wait for this process, as far as it knows; the exporter's taximeter_group_lag_records is by the broker",
    registry=EVERY,
)
PROGRESS_AGE: Final = Gauge("taximeter_last_progress_age_seconds", "Since the last commit, or since there was nothing to do", registry=EVERY)
REPORT_AGE: Final = Gauge("taximeter_last_report_age_seconds", "Since the main loop told how it does, which it does every second or two", registry=EVERY)

# METER

METER: Final = CollectorRegistry()
EVENTS: Final = Counter(
    "taximeter_meter_events", "Usage events in committed transactions, by what became of them: accepted, duplicate, rejected", ["outcome"], registry=METER
)
REJECTS: Final = Counter("taximeter_meter_rejects", "Usage events that were rejected, by reason", ["reason"], registry=METER)
EVENT_TO_METERED: Final = Spread(
    "taximeter_meter_event_to_metered_seconds", "From the timestamp of each usage event's record to the end of the transaction that has it", LATENCIES_S, METER
)
TRANSACTION: Final = Histogram(
    "taximeter_meter_transaction_seconds", "From the beginning of a batch's Kafka transaction until it is committed", buckets=DURATIONS_S, registry=METER
)
TRANSACTIONS_FAILED: Final = Counter(
    "taximeter_meter_transactions_failed", "Transactions that were not committed; their events were read again", registry=METER
)
BATCH_EVENTS: Final = Histogram(
    "taximeter_meter_batch_events", "Events of a batch", buckets=(1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 50_000), registry=METER
)
PAST_EVENTS: Final = Counter("taximeter_meter_past_events", "Events of the past that were metered for new products or a generation", registry=METER)
PAST_MISSING: Final = Gauge(
    "taximeter_meter_past_missing_records",
    "Records of usage-events in this worker's partitions that are still to be read for new products or a generation",
    registry=METER,
)
DEDUP_IDS: Final = Gauge("taximeter_meter_dedup_ids", "Transaction ids that are known, about (RocksDB's estimate)", registry=METER)
DEDUP_BYTES: Final = Gauge("taximeter_meter_state_bytes", "Size of the dedup store, on disk and in memory, about", registry=METER)

# RATE

RATE: Final = CollectorRegistry()
APPLIED: Final = Counter("taximeter_rate_records", "Records that were applied, by topic", ["topic"], registry=RATE)
ROWS: Final = Counter("taximeter_rate_rows", "Rows written to the changelog", registry=RATE)
CROSSINGS: Final = Counter("taximeter_rate_crossings", "Crossings of thresholds that were published", registry=RATE)
REFUSED: Final = Gauge(
    "taximeter_rate_refused_documents", "Documents that could not be applied since the partitions were taken over; the log says why", registry=RATE
)
UNREADABLE: Final = Counter("taximeter_rate_unreadable", "Records that could not be decoded", registry=RATE)
PARTITIONS: Final = Gauge("taximeter_rate_partitions", "Partitions that this worker owns", registry=RATE)
EVENT_TO_THRESHOLD: Final = Spread(
    "taximeter_rate_event_to_threshold_seconds",
    "From the timestamp of the record of the event that crossed a threshold until Kafka has acknowledged the crossing; contracts on a test clock are left out",
    LATENCIES_S,
    RATE,
)
WRITE: Final = Histogram(
    "taximeter_rate_write_seconds", "A write of RATE: until its rows are acknowledged by the changelog", buckets=DURATIONS_S, registry=RATE
)
STATE_BYTES: Final = Gauge("taximeter_rate_state_bytes", "Size of the local tables, on disk and in memory, about", registry=RATE)

# SINK

SINK: Final = CollectorRegistry()
STORED: Final = Counter("taximeter_sink_records", "Records whose rows are in the warehouse", ["lane"], registry=SINK)
LANE_LAG: Final = Gauge("taximeter_sink_lag_records", "Records that wait, by lane, as far as the consumer knows", ["lane"], registry=SINK)
SINK_UNREADABLE: Final = Counter("taximeter_sink_unreadable", "Records that could not be decoded or were refused by the warehouse", ["lane"], registry=SINK)
INSERT: Final = Histogram(
    "taximeter_sink_insert_seconds", "A batch: rows made, inserted and answered, waiting included", ["lane"], buckets=DURATIONS_S, registry=SINK
)
EVENT_TO_LINE: Final = Spread(
    "taximeter_sink_event_to_line_seconds",
    "For each line that was written: from the timestamp of the record that changed it (of usage: of the oldest event of its batch) until the warehouse has answered the insert",
    LATENCIES_S,
    SINK,
)

# The clock, alerts, the console and whatever it publishes

CLOCK: Final = CollectorRegistry()
TICKS: Final = Counter("taximeter_clock_ticks", "Ticks of the wall clock that Kafka has acknowledged, on each partition", registry=CLOCK)

ALERTS: Final = CollectorRegistry()
ALERTS_TAKEN: Final = Counter("taximeter_alerts_crossings", "Crossings that were taken on", registry=ALERTS)
ATTEMPTS: Final = Counter(
    "taximeter_alerts_attempts",
    "Attempts to deliver a message, by the state behind it: delivered, pending (it is tried again), dead",
    ["state"],
    registry=ALERTS,
)
WAITING: Final = Gauge("taximeter_alerts_waiting_messages", "Messages that are to be delivered", registry=ALERTS)

CONSOLE: Final = CollectorRegistry()
REQUESTS: Final = Counter("taximeter_console_requests", "Answers to HTTP requests, by method and status", ["method", "status"], registry=CONSOLE)
REQUEST: Final = Histogram("taximeter_console_request_seconds", "Until the answer begins", ["method"], buckets=DURATIONS_S, registry=CONSOLE)
PUBLISH: Final = Histogram("taximeter_publish_seconds", "An edit: from its draft to the end of its transaction", buckets=DURATIONS_S, registry=CONSOLE)
HOLDS: Final = Counter("taximeter_holds_decisions", "Decisions on holds that were asked for: granted or refused", ["outcome"], registry=CONSOLE)
HOLD: Final = Histogram(
    "taximeter_holds_turn_seconds",
    "A turn of the desk: decisions that were asked for together, until they are on the log",
    buckets=DURATIONS_S,
    registry=CONSOLE,
)

# The warehouse of the embedded stack

WAREHOUSE: Final = CollectorRegistry()
QUERIES: Final = Gauge("taximeter_warehouse_queries", "Queries that were answered since the start", registry=WAREHOUSE)

# The supervisor or the exporter: by the broker

GROUPS: Final = CollectorRegistry()
GROUP_LAG: Final = Gauge("taximeter_group_lag_records", "Records that wait for the consumer group, by the broker; ticks aside", ["group"], registry=GROUPS)
GROUP_COMMIT_AGE: Final = Gauge("taximeter_group_commit_age_seconds", "Since a commit of the group was seen", ["group"], registry=GROUPS)
GROUP_STUCK: Final = Gauge(
    "taximeter_group_stuck_seconds",
    "For how long records have waited in a partition in which nothing was committed meanwhile; 0: in none",
    ["group"],
    registry=GROUPS,
)
UP: Final = Gauge("taximeter_stage_up", "1: the stage's process runs", ["stage"], registry=GROUPS)
RESTARTS: Final = Gauge("taximeter_stage_restarts", "How often the supervisor has started it again", ["stage"], registry=GROUPS)

OWN: Final = {"meter": METER, "rate": RATE, "sink": SINK, "clock": CLOCK, "alerts": ALERTS, "console": CONSOLE, "warehouse": WAREHOUSE, "exporter": GROUPS}
"""By stage: its own metrics."""


def names() -> frozenset[str]:
    """Every name that a scrape can show, with `_total`, `_bucket` and the like."""
    found: set[str] = set()
    for registry in (EVERY, *OWN.values()):
        for metric in registry.collect():
            found.update(_shown(metric.name, metric.type))
    return frozenset(found)


def _shown(name: str, kind: str) -> set[str]:
    if kind == "counter":
        return {f"{name}_total"}
    if kind == "histogram":
        return {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return {name}
