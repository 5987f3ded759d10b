-- The view of 0004 once more: the comment of `reason` names all reasons.

CREATE OR REPLACE VIEW rejected_events
(
    topic String COMMENT 'Where the event was',
    partition UInt32 COMMENT 'Partition there',
    offset UInt64 COMMENT 'Offset there',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it arrived',
    reason String COMMENT 'truncated, garbage, unknown_schema, empty, tombstone, too_large, incomplete, reserved_id, too_old, too_far_ahead, not_a_number or conflict',
    detail String COMMENT 'More about the reason',
    transaction_id Nullable(String) COMMENT 'As far as it could be read',
    customer Nullable(String) COMMENT 'As far as it could be read',
    key Nullable(String) COMMENT 'Bytes of the key',
    value Nullable(String) COMMENT 'Bytes of the event: hex(value) shows them',
    written_at DateTime64(3, 'UTC') COMMENT 'When it arrived in the warehouse'
)
AS SELECT topic, partition, offset, recorded_at, reason, detail, transaction_id, customer, key, value, written_at
FROM rejected_event_records FINAL
COMMENT 'Usage events that did not count, with the reason';
