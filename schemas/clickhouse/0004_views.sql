-- What analysts read. Each view shows the row that holds, one for each identity. FINAL is cheap where a key column is given (customer, …),
-- because only the parts of that key are merged.

CREATE OR REPLACE VIEW invoices
(
    customer String COMMENT 'Customer whose invoice it is',
    contract String COMMENT 'Contract',
    id String COMMENT 'Identity of the invoice; computed, so it is the same after every restart and replay',
    kind String COMMENT 'usage, scheduled (commit purchases, charges), true_up (rest of a postpaid commit) or correction (late usage)',
    status String COMMENT 'draft, final or void',
    starting_at DateTime64(3, 'UTC') COMMENT 'Start of the statement period',
    ending_before DateTime64(3, 'UTC') COMMENT 'End of the statement period, exclusive',
    issue_at DateTime64(3, 'UTC') COMMENT 'When it is due to be issued',
    currency String COMMENT 'ISO 4217',
    total Decimal(38, 6) COMMENT 'Sum of the lines, in the currency',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account when this was rated',
    revision UInt64 COMMENT 'Grows with every change of the invoice',
    written_at DateTime64(3, 'UTC') COMMENT 'When this revision arrived in the warehouse'
)
AS SELECT customer, contract, id, kind, status, starting_at, ending_before, issue_at, currency, total, as_of, revision, written_at
FROM invoice_revisions FINAL
WHERE status != 'deleted'
COMMENT 'One row for each invoice, as it is now';

CREATE OR REPLACE VIEW invoice_lines
(
    customer String COMMENT 'Customer whose line it is',
    contract String COMMENT 'Contract',
    invoice String COMMENT 'Invoice that the line is on: invoices.id',
    id String COMMENT 'Identity of the line; computed',
    kind String COMMENT 'usage, commit, charge, subscription, composite, minimum, maximum, discount, true_up or correction',
    product Nullable(String) COMMENT 'Product; none: the line is about the whole invoice',
    group Map(String, String) COMMENT 'Values of the group keys, e.g. group[''region'']',
    starting_at DateTime64(3, 'UTC') COMMENT 'Start of what the line covers',
    ending_before DateTime64(3, 'UTC') COMMENT 'End of it, exclusive',
    quantity Nullable(Decimal(76, 20)) COMMENT 'Units of the line, to 20 places',
    quantity_text Nullable(String) COMMENT 'The same as exact text',
    unit_price Nullable(Decimal(76, 20)) COMMENT 'Price of a unit, to 20 places',
    unit_price_text Nullable(String) COMMENT 'The same as exact text',
    tier Nullable(Int32) COMMENT 'Tier, counted from 1',
    amount Decimal(38, 6) COMMENT 'In the currency, rounded once to its minor unit',
    currency String COMMENT 'ISO 4217',
    commit Nullable(String) COMMENT 'Commit or credit that covers the line, or that it draws',
    override Nullable(String) COMMENT 'Override that won',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account when this was rated',
    revision UInt64 COMMENT 'Grows with every change of the line',
    written_at DateTime64(3, 'UTC') COMMENT 'When this revision arrived in the warehouse'
)
AS SELECT
    customer, contract, invoice, id, kind, product, group, starting_at, ending_before,
    toDecimal256OrNull(quantity, 20) AS quantity, line_revisions.quantity AS quantity_text,
    toDecimal256OrNull(unit_price, 20) AS unit_price, line_revisions.unit_price AS unit_price_text,
    tier, amount, currency, commit, override, as_of, revision, written_at
FROM line_revisions FINAL
WHERE NOT deleted
COMMENT 'One row for each line of each invoice, as it is now';

CREATE OR REPLACE VIEW balances
(
    customer String COMMENT 'Customer who owns the grant',
    contract String COMMENT 'Contract',
    id String COMMENT 'Commit, credit or recurring grant',
    type String COMMENT 'prepaid, postpaid or credit',
    currency String COMMENT 'ISO 4217',
    granted Decimal(38, 6) COMMENT 'Granted so far, over all segments that have started',
    applied Decimal(38, 6) COMMENT 'Drawn, drafts included; postpaid: what counts to it',
    expired Decimal(38, 6) COMMENT 'Lost at the end of a segment',
    remaining Decimal(38, 6) COMMENT 'What is left; never below zero',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account when this was rated',
    revision UInt64 COMMENT 'Grows with every change',
    written_at DateTime64(3, 'UTC') COMMENT 'When this revision arrived in the warehouse'
)
AS SELECT customer, contract, id, type, currency, granted, applied, expired, remaining, as_of, revision, written_at
FROM balance_revisions FINAL
WHERE NOT deleted
COMMENT 'One row for each commit, credit and recurring grant, as it is now';

CREATE OR REPLACE VIEW alerts
(
    customer String COMMENT 'Customer',
    contract String COMMENT 'Contract',
    threshold String COMMENT 'Threshold of the contract',
    crossing UInt64 COMMENT 'Number of the alarm of this threshold, from 1; it never changes',
    state String COMMENT 'in_alarm, or ok when it is over',
    value String COMMENT 'The value that crossed, as exact text',
    at DateTime64(3, 'UTC') COMMENT 'Arrival of the event, or time of the change, that crossed',
    currency String COMMENT 'ISO 4217; empty for usage',
    written_at DateTime64(3, 'UTC') COMMENT 'When it arrived in the warehouse'
)
AS SELECT customer, contract, threshold, crossing, state, value, at, currency, written_at
FROM crossing_records FINAL
COMMENT 'Changes of state of thresholds';

CREATE OR REPLACE VIEW rejected_events
(
    topic String COMMENT 'Where the event was',
    partition UInt32 COMMENT 'Partition there',
    offset UInt64 COMMENT 'Offset there',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it arrived',
    reason String COMMENT 'truncated, garbage, unknown_schema, empty, tombstone, too_old, too_far_ahead, not_a_number or conflict',
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

CREATE OR REPLACE VIEW usage_events
(
    customer String COMMENT 'Customer id or alias, as it arrived',
    event_type String COMMENT 'Type of the event',
    timestamp DateTime64(3, 'UTC') COMMENT 'When it happened',
    transaction_id String COMMENT 'The first of an id counts',
    properties Map(String, String) COMMENT 'Properties; numbers as decimal text, e.g. toDecimal128(properties[''tokens''], 6)',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it arrived: timestamp of the Kafka record',
    source_partition UInt32 COMMENT 'Partition of usage-events',
    source_offset UInt64 COMMENT 'Offset there'
)
AS SELECT customer, event_type, timestamp, transaction_id, properties, recorded_at, source_partition, source_offset
FROM usage_event_records FINAL
COMMENT 'Usage events that could be read, as they arrived: duplicates and rejected ones too';

CREATE OR REPLACE VIEW usage_hourly
(
    customer String COMMENT 'Customer id or alias, as it arrived',
    catalogue String COMMENT 'Catalogue',
    product String COMMENT 'Product',
    group Map(String, String) COMMENT 'Values of the group keys',
    hour DateTime('UTC') COMMENT 'Start of the hour',
    events UInt64 COMMENT 'Accepted events',
    value_sum Nullable(Decimal(76, 20)) COMMENT 'Sum of the values: the usage of a product that sums',
    value_max Nullable(Decimal(76, 20)) COMMENT 'Largest value of a batch: the usage of a product that takes the maximum',
    value_min Nullable(Decimal(76, 20)) COMMENT 'Smallest value of a batch: the usage of a product that takes the minimum',
    members UInt64 COMMENT 'Different values: the usage of a product that counts unique ones'
)
AS SELECT
    customer, catalogue, product, group, toStartOfHour(toDateTime(window_at, 'UTC')) AS hour,
    sum(events) AS events,
    sum(toDecimal256OrNull(value, 20)) AS value_sum,
    max(toDecimal256OrNull(value, 20)) AS value_max,
    min(toDecimal256OrNull(value, 20)) AS value_min,
    uniqExactArray(members) AS members
FROM metered_usage_records FINAL
WHERE kind != 'transfer'
GROUP BY customer, catalogue, product, group, hour
COMMENT 'Metered usage by hour, product and group';

CREATE OR REPLACE VIEW documents
(
    kind String COMMENT 'catalogue, contract, move or action',
    id String COMMENT 'Catalogue or contract; move: the customer that moves',
    version UInt64 COMMENT 'Counts from 1 for an id',
    edit String COMMENT 'Shared by all records of one atomic edit',
    customer Nullable(String) COMMENT 'contract: whose',
    root Nullable(String) COMMENT 'Root customer of the family',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it was recorded, in the time of the contract''s clock',
    effective_at Nullable(DateTime64(3, 'UTC')) COMMENT 'From when it holds; none: from then on',
    author String COMMENT 'Who',
    body String COMMENT 'The document as JSON, e.g. JSONExtractString(body, ''customer'')'
)
AS SELECT
    kind, id, version, edit,
    any(document_records.customer) AS customer, any(document_records.root) AS root, min(document_records.recorded_at) AS recorded_at,
    any(document_records.effective_at) AS effective_at, any(document_records.author) AS author, any(document_records.body) AS body
FROM document_records
GROUP BY kind, id, version, edit
COMMENT 'Every version of every document';
