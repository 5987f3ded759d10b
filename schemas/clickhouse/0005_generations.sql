-- A generation that is metered again has windows of its own (the product's name, a unit separator, the generation's number): they are not usage.

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
WHERE kind != 'transfer' AND position(product, char(31)) = 0
GROUP BY customer, catalogue, product, group, hour
COMMENT 'Metered usage by hour, product and group, as METER found it first: what a replay or a correction has put in its place is on the lines';

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
WHERE kind = 'replay'
GROUP BY number
COMMENT 'Replays and corrections';
