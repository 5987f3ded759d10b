-- Usage: raw events as they arrived, what METER found in them, and what was rejected.

CREATE TABLE IF NOT EXISTS usage_event_records
(
    customer LowCardinality(String) COMMENT 'Customer id or alias, as it arrived',
    event_type LowCardinality(String) COMMENT 'Type of the event',
    timestamp DateTime64(3, 'UTC') COMMENT 'When it happened',
    transaction_id String COMMENT 'The first of an id counts',
    properties Map(LowCardinality(String), String) COMMENT 'Properties; numbers as decimal text',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it arrived: timestamp of the Kafka record',
    source_partition UInt32 COMMENT 'Partition of usage-events',
    source_offset UInt64 COMMENT 'Offset there',
    guard FixedString(8) COMMENT 'Stands behind every event while it travels, so a broken one is seen before its rows count',
    CONSTRAINT events_are_whole CHECK guard = 'usageEnd'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)  -- arrival: a batch touches one partition; months leave as a whole
ORDER BY (customer, event_type, timestamp, source_partition, source_offset)  -- one customer's metric over time; partition and offset: the identity
COMMENT 'Raw usage events; read the view usage_events';

CREATE TABLE IF NOT EXISTS metered_usage_records
(
    customer LowCardinality(String) COMMENT 'Customer id or alias, as it arrived',
    catalogue LowCardinality(String) COMMENT 'Catalogue',
    product LowCardinality(String) COMMENT 'Product',
    group Map(LowCardinality(String), String) COMMENT 'Values of the group keys',
    window_at DateTime64(3, 'UTC') COMMENT 'Start of the metering window',
    first_at DateTime64(3, 'UTC') COMMENT 'Earliest event inside',
    recorded_at DateTime64(3, 'UTC') COMMENT 'Arrival: exact where sequence is set, else the start of its quarter hour',
    events UInt64 COMMENT 'Accepted events',
    value Nullable(String) COMMENT 'Partial aggregate of sum, max or min: exact decimal text',
    points Array(Tuple(timestamp_ms Int64, transaction_id String, value String)) COMMENT 'Readings of latest and time_weighted',
    members Array(String) COMMENT 'Values of unique',
    sequence Nullable(Int64) COMMENT 'Set when the delta is one event',
    kind LowCardinality(String) COMMENT 'metered, transfer or backfill',
    origin_partition Int32 COMMENT 'transfer: where the windows were',
    origin_offset Int64 COMMENT 'transfer: the record that moved them',
    source_partition UInt32 COMMENT 'Partition of metered-usage',
    source_offset UInt64 COMMENT 'Offset there',
    source_index UInt32 COMMENT 'Place in the record'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)  -- as usage events
ORDER BY (customer, catalogue, product, window_at, source_partition, source_offset, source_index)  -- an account's windows; the last three: the identity
COMMENT 'Deltas of metered usage; read the view usage_hourly';

CREATE TABLE IF NOT EXISTS rejected_event_records
(
    topic LowCardinality(String) COMMENT 'Where the event was',
    partition UInt32 COMMENT 'Partition there',
    offset UInt64 COMMENT 'Offset there',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it arrived',
    reason LowCardinality(String) COMMENT 'Why it did not count',
    detail String COMMENT 'More about the reason',
    transaction_id Nullable(String) COMMENT 'As far as it could be read',
    customer Nullable(String) COMMENT 'As far as it could be read',
    key Nullable(String) COMMENT 'Bytes of the key',
    value Nullable(String) COMMENT 'Bytes of the event',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)  -- months leave as a whole
ORDER BY (topic, partition, offset)  -- the identity: where the event was
COMMENT 'Rejected events; read the view rejected_events';
