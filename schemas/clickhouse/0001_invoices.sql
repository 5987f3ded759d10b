-- What RATE emits: revisions of invoices, lines, balances and crossings. A row's identity is computed, never generated; of the rows of one
-- identity the highest revision holds, so a repeat is harmless and a correction is just another row. Analysts read the views (0004).

CREATE TABLE IF NOT EXISTS invoice_revisions
(
    customer LowCardinality(String) COMMENT 'Customer whose invoice it is',
    contract String COMMENT 'Contract',
    id String COMMENT 'Computed identity of the invoice',
    kind LowCardinality(String) COMMENT 'usage, scheduled, true_up or correction',
    status LowCardinality(String) COMMENT 'draft, final or void; deleted: the draft is no more',
    starting_at DateTime64(3, 'UTC') COMMENT 'Start of the statement period',
    ending_before DateTime64(3, 'UTC') COMMENT 'End of the statement period, exclusive',
    issue_at DateTime64(3, 'UTC') COMMENT 'When it is due to be issued',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    total Decimal(38, 6) COMMENT 'Sum of the lines, in the currency',
    revision UInt64 COMMENT 'The highest of an identity holds',
    recorded_at DateTime64(3, 'UTC') COMMENT 'Arrival of what caused this revision',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(starting_at)  -- a year of invoices is small and leaves as a whole; an identity never changes its period, so never its partition
ORDER BY (customer, id)           -- customer: every read is about one; id: the identity
COMMENT 'Revisions of invoices; read the view invoices';

CREATE TABLE IF NOT EXISTS line_revisions
(
    customer LowCardinality(String) COMMENT 'Customer whose line it is',
    contract String COMMENT 'Contract',
    invoice String COMMENT 'Invoice that the line is on',
    id String COMMENT 'Computed identity of the line',
    kind LowCardinality(String) COMMENT 'usage, commit, charge, subscription, composite, minimum, maximum, discount, true_up or correction',
    product LowCardinality(Nullable(String)) COMMENT 'Product; none: the line is about the whole invoice',
    group Map(LowCardinality(String), String) COMMENT 'Values of the group keys',
    starting_at DateTime64(3, 'UTC') COMMENT 'Start of what the line covers',
    ending_before DateTime64(3, 'UTC') COMMENT 'End of it, exclusive',
    quantity Nullable(String) COMMENT 'Exact decimal text',
    unit_price Nullable(String) COMMENT 'Exact decimal text',
    tier Nullable(Int32) COMMENT 'Tier, counted from 1',
    amount Decimal(38, 6) COMMENT 'In the currency, rounded once to its minor unit',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    commit Nullable(String) COMMENT 'Commit or credit that covers the line, or that it draws',
    override Nullable(String) COMMENT 'Override that won',
    deleted Bool COMMENT 'A re-fold dropped the line',
    revision UInt64 COMMENT 'The highest of an identity holds',
    recorded_at DateTime64(3, 'UTC') COMMENT 'Arrival of what caused this revision',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(starting_at)  -- as invoices; the start is part of the identity
ORDER BY (customer, invoice, id)  -- customer, then one invoice's lines side by side; id: the identity
COMMENT 'Revisions of lines; read the view invoice_lines';

CREATE TABLE IF NOT EXISTS balance_revisions
(
    customer LowCardinality(String) COMMENT 'Customer who owns the grant',
    contract String COMMENT 'Contract',
    id String COMMENT 'Commit, credit or recurring grant',
    type LowCardinality(String) COMMENT 'prepaid, postpaid or credit',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    granted Decimal(38, 6) COMMENT 'Granted so far, over all segments that have started',
    applied Decimal(38, 6) COMMENT 'Drawn, drafts included; postpaid: what counts to it',
    expired Decimal(38, 6) COMMENT 'Lost at the end of a segment',
    remaining Decimal(38, 6) COMMENT 'What is left; never below zero',
    deleted Bool COMMENT 'The grant is no more',
    revision UInt64 COMMENT 'The highest of an identity holds',
    as_of DateTime64(3, 'UTC') COMMENT 'Clock of the account',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (customer, contract, id)  -- the identity, with the customer first because every read is about one; no partitions: few rows, kept for ever
COMMENT 'Revisions of balances; read the view balances';

CREATE TABLE IF NOT EXISTS crossing_records
(
    customer LowCardinality(String) COMMENT 'Customer',
    contract String COMMENT 'Contract',
    threshold String COMMENT 'Threshold',
    crossing UInt64 COMMENT 'Number of the alarm, from 1',
    state LowCardinality(String) COMMENT 'in_alarm, or ok when it is over',
    value String COMMENT 'Exact decimal text of the value that crossed',
    at DateTime64(3, 'UTC') COMMENT 'Arrival of the event, or time of the change, that crossed',
    currency LowCardinality(String) COMMENT 'ISO 4217; empty for usage',
    source_partition UInt32 COMMENT 'Partition of balance-thresholds',
    source_offset UInt64 COMMENT 'Offset there',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree(source_offset)
ORDER BY (customer, contract, threshold, crossing, state)  -- the identity; a crossing has one number for ever
COMMENT 'Crossings; read the view alerts';
