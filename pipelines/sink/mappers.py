"""Row mappers: one for each topic. A row is a tuple in the order of its table's columns; instants are UTC epoch milliseconds."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pipelines.sink.records import Record

Row = tuple[Any, ...]


class Table(NamedTuple):
    """A table of `schemas/clickhouse` and those of its columns that SINK fills."""

    name: str
    columns: tuple[str, ...]


Mapper = Callable[[Record, dict[str, Any]], Iterable[tuple[Table, Row]]]

INVOICE_REVISIONS = Table(
    "invoice_revisions",
    ("customer", "contract", "id", "kind", "status", "starting_at", "ending_before", "issue_at", "currency", "total", "revision", "recorded_at", "as_of"),
)
LINE_REVISIONS = Table(
    "line_revisions",
    (
        *("customer", "contract", "invoice", "id", "kind", "product", "group", "starting_at", "ending_before", "quantity", "unit_price", "tier", "amount"),
        *("currency", "commit", "override", "deleted", "revision", "recorded_at", "as_of"),
    ),
)
BALANCE_REVISIONS = Table(
    "balance_revisions",
    ("customer", "contract", "id", "type", "currency", "granted", "applied", "expired", "remaining", "deleted", "revision", "as_of"),
)
CROSSING_RECORDS = Table(
    "crossing_records",
    ("customer", "contract", "threshold", "crossing", "state", "value", "at", "currency", "source_partition", "source_offset"),
)
METERED_USAGE_RECORDS = Table(
    "metered_usage_records",
    (
        *("customer", "catalogue", "product", "group", "window_at", "first_at", "recorded_at", "events", "value", "points", "members", "sequence"),
        *("kind", "origin_partition", "origin_offset", "source_partition", "source_offset", "source_index"),
    ),
)
REJECTED_EVENT_RECORDS = Table(
    "rejected_event_records",
    ("topic", "partition", "offset", "recorded_at", "reason", "detail", "transaction_id", "customer", "key", "value"),
)
DOCUMENT_RECORDS = Table(
    "document_records",
    (
        *("kind", "id", "version", "customer", "root", "recorded_at", "effective_at", "author", "edit", "body"),
        *("source_partition", "source_offset"),
    ),
)
TABLES = (INVOICE_REVISIONS, LINE_REVISIONS, BALANCE_REVISIONS, CROSSING_RECORDS, METERED_USAGE_RECORDS, REJECTED_EVENT_RECORDS, DOCUMENT_RECORDS)


def rated_batch(record: Record, batch: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    """Invoices and lines of one account; the revision is the batch's."""
    revised = (batch["revision"], batch["recorded_at"], batch["as_of"])
    for invoice in batch["invoices"]:
        yield INVOICE_REVISIONS, tuple(invoice[name] for name in INVOICE_REVISIONS.columns[:-3]) + revised
    for line in batch["lines"]:
        yield LINE_REVISIONS, tuple(line[name] for name in LINE_REVISIONS.columns[:-3]) + revised


def balance(record: Record, value: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    yield BALANCE_REVISIONS, tuple(value[name] for name in BALANCE_REVISIONS.columns)


def crossing(record: Record, value: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    yield CROSSING_RECORDS, (*(value[name] for name in CROSSING_RECORDS.columns[:-2]), record.partition, record.offset)


def metered_usage(record: Record, batch: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    """One row a delta; its place in the record is part of its identity."""
    source = (batch["kind"], batch["origin_partition"], batch["origin_offset"], record.partition, record.offset)
    for index, delta in enumerate(batch["deltas"]):
        yield (
            METERED_USAGE_RECORDS,
            (
                delta["customer"],
                delta["catalogue"],
                delta["product"],
                delta["group"],
                delta["window_ms"],
                delta["first_ms"],
                delta["recorded_ms"],
                delta["events"],
                delta["value"],
                [(point["timestamp_ms"], point["transaction_id"], point["value"]) for point in delta["points"]],
                delta["members"],
                delta["sequence"],
                *source,
                index,
            ),
        )


def rejected_event(record: Record, value: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    yield REJECTED_EVENT_RECORDS, tuple(value[name] for name in REJECTED_EVENT_RECORDS.columns)


def contract_change(record: Record, value: dict[str, Any]) -> Iterable[tuple[Table, Row]]:
    yield DOCUMENT_RECORDS, (*(value[name] for name in DOCUMENT_RECORDS.columns[:-2]), record.partition, record.offset)


def unreadable(record: Record, reason: str, detail: str) -> Row:
    """The row of a record that is not what its topic holds."""
    return (record.topic, record.partition, record.offset, record.recorded_ms, reason, detail, None, None, record.key, record.value)
