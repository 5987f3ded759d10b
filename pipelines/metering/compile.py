"""A product as SQL: filter, group values, value and partial aggregate, as trees over a table of events.

Nothing that a user wrote reaches the engine as text: names and values become escaped literals (`trees`), expressions are parsed
against an allow-list (`contracts.expressions`) and compiled from their tree (`values`). The trees hold for METER's batch table and for
the raw events in the warehouse alike: both have the columns `transaction_id`, `customer`, `event_type`, `timestamp` (UTC milliseconds),
`properties` (map of text to text).
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlglot import exp

from contracts.catalogue import Catalogue, Condition, Expression, Metric, Product, Where
from contracts.expressions import parse
from pipelines.metering.trees import Tree, among, call, has, property_of, whole
from pipelines.metering.values import decimal_of, is_number, value_of
from schemas.codec import ID_BYTES


class Meter(NamedTuple):
    """What METER has to do for one product."""

    catalogue: str
    product: str
    aggregation: str
    event_types: tuple[str, ...]
    conditions: tuple[Tree, ...]
    """Filters of metric and product, all must hold; the first is that of the event's type."""
    value: Tree | None
    """Decimal(76, 18) of the event, or text for `unique`; none for `count`."""
    property: str | None
    """Where the value is just that of a property."""
    invalid: Tree | None
    """True for an event that passes the filters and has not the value that is needed."""
    group_keys: tuple[str, ...]


def conditions(where: Where) -> Iterable[Tree]:
    """One tree for each filter."""
    for key, condition in where.items():
        if isinstance(condition, Condition):
            if condition.exists is not None:
                yield has(key) if condition.exists else call("not", has(key))
            if condition.not_in is not None:
                yield call("not", exp.and_(has(key), among(property_of(key), condition.not_in)))
        else:
            wanted = condition if isinstance(condition, list) else [condition]
            yield exp.and_(has(key), among(property_of(key), wanted))


def meters(catalogue: Catalogue) -> list[Meter]:
    """What to meter for every product with a metric, in the order of the document."""
    found = []
    for product_id, product in catalogue.products.items():
        metric = catalogue.metrics.get(product.metric or "")
        if product.type == "usage" and metric is not None:
            found.append(_meter(catalogue.id, product_id, product, metric))
    return found


def _meter(catalogue: str, product_id: str, product: Product, metric: Metric) -> Meter:
    filters: list[Tree] = [among(exp.column("event_type"), list(metric.event_types))]
    filters += conditions(metric.where)
    filters += conditions(product.where)
    value: Tree | None = None
    invalid: Tree | None = None
    if metric.aggregation == "unique" and metric.value is not None:
        value, present = _member(metric.value)
        filters.append(present)
        invalid = exp.GT(this=call("length", value), expression=whole(ID_BYTES))
    elif metric.aggregation != "count" and metric.value is not None:
        value, invalid = _numeric(metric.value)
    keys = dict.fromkeys([*product.pricing_group_keys, *product.presentation_group_keys])
    simple = metric.value if value is not None and isinstance(metric.value, str) else None
    return Meter(catalogue, product_id, metric.aggregation, tuple(metric.event_types), tuple(filters), value, simple, invalid, tuple(keys))


def _numeric(value: str | Expression) -> tuple[Tree, Tree]:
    """The number of an event that has one, and the condition that it has none."""
    if isinstance(value, Expression):
        computed = value_of(parse(value.expression))
        return call("assumeNotNull", computed), call("isNull", computed)
    return decimal_of(property_of(value)), call("not", is_number(value))


def _member(value: str | Expression) -> tuple[Tree, Tree]:
    """The text that tells events apart, and the condition that there is one."""
    if isinstance(value, Expression):
        computed = value_of(parse(value.expression))
        return call("toString", call("assumeNotNull", computed)), call("isNotNull", computed)
    return property_of(value), has(value)
