-- The log of documents: every version of every catalogue and contract, and what was done about invoices. An account can be rebuilt from here.

CREATE TABLE IF NOT EXISTS document_records
(
    kind LowCardinality(String) COMMENT 'catalogue, contract, move or action',
    id String COMMENT 'Catalogue or contract; move: the customer that moves',
    version UInt64 COMMENT 'Counts from 1 for an id',
    customer Nullable(String) COMMENT 'contract: whose',
    root Nullable(String) COMMENT 'Root customer of the family',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When it was recorded, in the time of the contract''s clock',
    effective_at Nullable(DateTime64(3, 'UTC')) COMMENT 'From when it holds; none: from then on',
    author String COMMENT 'Who',
    edit String COMMENT 'Shared by all records of one atomic edit',
    body String COMMENT 'The document as canonical JSON',
    source_partition UInt32 COMMENT 'Partition of contract-changes; a catalogue is on every one',
    source_offset UInt64 COMMENT 'Offset there: the order in which they hold',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the warehouse took it'
)
ENGINE = ReplacingMergeTree
ORDER BY (kind, id, version, source_partition, source_offset)  -- versions of one document side by side; the last two: the identity. No partitions: kept for ever
COMMENT 'Documents as recorded; read the view documents';
