-- Readers stand still while accounts exchange windows: all of the old is shown, then all of the new, and what switches is one row of `reader_stills`.
-- Meanwhile the views read copies, which are links to the parts as they were: made in milliseconds, whatever their size.
-- In each view both branches ask the same question, which a query answers once; the branch that is not shown is not read.

CREATE TABLE IF NOT EXISTS reader_stills
(
    generation UInt64 COMMENT 'Generation whose windows change places',
    step UInt64 COMMENT 'Version of the control record that asked for it',
    until DateTime64(3, 'UTC') COMMENT 'Readers see the copies until then; the row written last holds',
    at DateTime64(9, 'UTC') DEFAULT now64(9) COMMENT 'When the row was written'
)
ENGINE = MergeTree
ORDER BY at  -- few rows; the last one holds
COMMENT 'When the views show copies: during a cutover, and on the way back';

CREATE TABLE IF NOT EXISTS invoice_stills AS invoice_revisions
COMMENT 'invoice_revisions as readers saw it when they began to stand still; empty when no generation is open';

CREATE TABLE IF NOT EXISTS line_stills AS line_revisions
COMMENT 'line_revisions as readers saw it when they began to stand still; empty when no generation is open';

CREATE TABLE IF NOT EXISTS balance_stills AS balance_revisions
COMMENT 'balance_revisions as readers saw it when they began to stand still; empty when no generation is open';

CREATE OR REPLACE VIEW invoice_states
(
    customer String COMMENT 'Customer whose invoice it is',
    contract String COMMENT 'Contract',
    id String COMMENT 'Identity of the invoice; computed, so it is the same after every restart and replay',
    kind String COMMENT 'usage, scheduled (commit purchases, charges), true_up (rest of a postpaid commit) or correction (late usage)',
    status String COMMENT 'draft, final or void; deleted: the draft is no more',
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
WHERE (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 0
UNION ALL
SELECT customer, contract, id, kind, status, starting_at, ending_before, issue_at, currency, total, as_of, revision, written_at
FROM invoice_stills FINAL
WHERE (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 1
COMMENT 'One row for each invoice, as it is now, those among them that are no more';

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
FROM invoice_states
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
WHERE NOT deleted AND (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 0
UNION ALL
SELECT
    customer, contract, invoice, id, kind, product, group, starting_at, ending_before,
    toDecimal256OrNull(quantity, 20) AS quantity, line_stills.quantity AS quantity_text,
    toDecimal256OrNull(unit_price, 20) AS unit_price, line_stills.unit_price AS unit_price_text,
    tier, amount, currency, commit, override, as_of, revision, written_at
FROM line_stills FINAL
WHERE NOT deleted AND (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 1
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
WHERE NOT deleted AND (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 0
UNION ALL
SELECT customer, contract, id, type, currency, granted, applied, expired, remaining, as_of, revision, written_at
FROM balance_stills FINAL
WHERE NOT deleted AND (SELECT argMax(until, at) > now64(3) FROM reader_stills) = 1
COMMENT 'One row for each commit, credit and recurring grant, as it is now';

CREATE OR REPLACE VIEW generations
(
    number UInt64 COMMENT 'Number of the generation: replays and corrections count together',
    state String COMMENT 'Its last step: begin, cutover (billed), back (taken back), close (billed for good, or forgotten when it was not billed), abort',
    correction Bool COMMENT 'It leaves out or brings events',
    note String COMMENT 'Why',
    author String COMMENT 'Who began it',
    began_at DateTime64(3, 'UTC') COMMENT 'When it was begun',
    changed_at DateTime64(3, 'UTC') COMMENT 'When its last step was recorded',
    scope String COMMENT 'JSON: products with their aggregation, customers, from_ms and until_ms of the windows'
)
AS SELECT
    JSONExtractUInt(document_records.body, 'number') AS number,
    argMax(JSONExtractString(document_records.body, 'step'), document_records.version) AS state,
    max(JSONExtractBool(document_records.body, 'correction')) AS correction,
    anyIf(JSONExtractString(document_records.body, 'note'), JSONExtractString(document_records.body, 'step') = 'begin') AS note,
    anyIf(document_records.author, JSONExtractString(document_records.body, 'step') = 'begin') AS author,
    min(document_records.recorded_at) AS began_at,
    max(document_records.recorded_at) AS changed_at,
    anyIf(JSONExtractRaw(document_records.body, 'scope'), JSONExtractString(document_records.body, 'step') = 'begin') AS scope
FROM document_records
WHERE kind = 'replay' AND JSONExtractString(document_records.body, 'step') != 'still'
GROUP BY number
COMMENT 'Replays and corrections';
