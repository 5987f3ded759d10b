"""Metered usage as the fold takes it: partial aggregates per customer, product, group and window.

A `Delta` is what METER found in some accepted events; deltas of one key merge in any order and any split to
the same aggregate. Ties are broken by transaction_id, never by arrival, so an aggregate does not
depend on the order of events.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple


class Point(NamedTuple):
    """A reading of a gauge: what `latest` and `time_weighted` keep."""

    timestamp_ms: int
    transaction_id: str
    value: Decimal


class Delta(NamedTuple):
    """Partial aggregate of accepted events with one key (catalogue, customer, product, group, window, arrival).

    Source: a `metered-usage` record, or the case runner. Exactly the fields that the metric's aggregation needs are set:
    count: `events`; sum, max, min: `value`; latest: one point; time_weighted: all points; unique: `members`.
    """

    catalogue: str
    product: str
    customer: str
    """The id under which the usage arrived: a customer's own, an alias, or one nobody knows yet."""
    group: Mapping[str, str]
    """Values of the product's pricing and presentation keys, and of the keys by which contracts of this customer
    filter usage (of an id that nobody knows yet: by which any contract does). A key whose property the event lacks is left out."""
    window_ms: int
    """Start of the metering window (UTC epoch milliseconds)."""
    recorded_ms: int
    """When it arrived (Kafka timestamp): exact where `sequence` is set, else the start of its quarter hour."""
    first_ms: int
    """Earliest event time inside: the order in which shared commits are drawn."""
    events: int
    value: Decimal | None = None
    points: tuple[Point, ...] = ()
    members: frozenset[str] = frozenset()
    sequence: int | None = None
    """Set when the delta is one event, for customers with thresholds: deltas with the same sequence are one event.
    Ascending in arrival order within a record."""
