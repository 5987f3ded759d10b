"""A product as SQL: filter, group values, window, value and partial aggregate, as one statement over a table of events.

The statements are built as trees from the catalogue. Nothing that a user wrote reaches the engine as text: names and values become
escaped literals, expressions are parsed against an allow-list (`contracts.expressions`). They hold for METER's batch table and for the
raw events in the warehouse alike: both have the columns `transaction_id`, `customer`, `event_type`, `timestamp` (UTC milliseconds),
`properties` (map of text to text); `recorded_ms` and `n` (the event's place) are METER's own.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlglot import exp

from contracts.catalogue import Catalogue, Condition, Expression, Metric, Product, Scalar, Where
from contracts.matching import scalar_text

DIALECT: Final = "clickhouse"
SCALE: Final = 18
NUMBER: Final = r"^[+-]?[0-9]{1,38}([.][0-9]{1,18})?$"
"""A number in a property: plain decimal text, at most 38 digits before and 18 behind the point; else it is not a number."""

_EXCLUDED: Final = "taximeter_excluded"

QUARTER_MS: Final = 900_000
NUMERIC: Final = frozenset({"sum", "max", "min", "latest", "time_weighted"})


class Meter(NamedTuple):
    """What METER has to do for one product."""

    catalogue: str
    product: str
    aggregation: str
    event_types: tuple[str, ...]
    conditions: tuple[exp.Expression, ...]
    """Filters of metric and product, event types included; all must hold."""
    value: exp.Expression | None
    """Decimal(76, 18) of the event, or text for `unique`; none for `count`."""
    invalid: exp.Expression | None
    """True for an event that passes the filters and has no number where one is needed."""
    group_keys: tuple[str, ...]


def text(value: str) -> exp.Expression:
    return exp.Literal.string(value)


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def property_of(key: str) -> exp.Expression:
    return call("arrayElement", exp.column("properties"), text(key))


def has(key: str) -> exp.Expression:
    return call("mapContains", exp.column("properties"), text(key))


def conditions(where: Where) -> Iterable[exp.Expression]:
    """One tree for each filter."""
    for key, condition in where.items():
        if isinstance(condition, Condition):
            if condition.exists is not None:
                yield has(key) if condition.exists else exp.not_(has(key))
            if condition.not_in is not None:
                yield exp.not_(exp.and_(has(key), _among(property_of(key), condition.not_in)))
        else:
            wanted = condition if isinstance(condition, list) else [condition]
            yield exp.and_(has(key), _among(property_of(key), wanted))


def _among(tree: exp.Expression, values: Sequence[Scalar]) -> exp.Expression:
    if not values:
        return exp.false()
    return exp.In(this=tree, expressions=[text(scalar_text(value)) for value in values])


def meters(catalogue: Catalogue) -> list[Meter]:
    """What to meter for every product with a metric, in the order of the document."""
    found = []
    for product_id, product in catalogue.products.items():
        metric = catalogue.metrics.get(product.metric or "")
        if product.type == "usage" and metric is not None:
            found.append(meter(catalogue.id, product_id, product, metric))
    return found


def meter(catalogue: str, product_id: str, product: Product, metric: Metric) -> Meter:
    filters: list[exp.Expression] = [_among(exp.column("event_type"), list(metric.event_types))]
    filters += conditions(metric.where)
    filters += conditions(product.where)
    value, invalid = None, None
    if metric.aggregation != "count" and metric.value is not None:
        if isinstance(metric.value, Expression):
            raise NotImplementedError("expressions")
        value = property_of(metric.value)
        if metric.aggregation == "unique":
            filters.append(has(metric.value))
        else:
            invalid = exp.not_(call("match", value.copy(), text(NUMBER)))
            value = call("toDecimal256", value, exp.Literal.number(SCALE))
    keys = dict.fromkeys([*product.pricing_group_keys, *product.presentation_group_keys])
    return Meter(catalogue, product_id, metric.aggregation, tuple(metric.event_types), tuple(filters), value, invalid, tuple(keys))


def check(each: Meter, position: int, table: str) -> str:
    """Rows (n, position): events that pass the filters of `each` and have no number where it needs one. Empty: it needs none."""
    if each.invalid is None:
        return ""
    select = exp.select(exp.column("n"), exp.alias_(exp.Literal.number(position), "meter")).from_(exp.to_table(table))
    return select.where(*[tree.copy() for tree in each.conditions], each.invalid.copy()).sql(dialect=DIALECT)


class Single(NamedTuple):
    """Whose usage METER does not add up freely. Names are tables of one column `customer`."""

    singles: str | None = None
    """Customers with thresholds: one delta an event."""
    filters: tuple[tuple[str, str], ...] = ()
    """(property, table): customers whose contracts filter usage by that property."""


class Statement(NamedTuple):
    """SQL before and behind the condition that leaves out rejected events and duplicates, which differs from batch to batch."""

    before: str
    behind: str

    def without(self, excluded: Sequence[int]) -> str:
        """The statement over all rows but those whose `n` is among `excluded`."""
        condition = f"n NOT IN ({','.join(map(str, excluded))})" if excluded else "true"
        return self.before + condition + self.behind


def statement(each: Meter, table: str, window_ms: int, single: Single) -> Statement:
    """The deltas of one product.

    Columns: customer, window_ms, recorded_ms, n (null: many events), first_ms, events, the aggregate (absent for count), then one
    column for each key of `groups_of(each, single)`, null where the event lacks the property.
    """
    customer = exp.column("customer")
    window = _floor(exp.column("timestamp"), window_ms)
    quarter = _floor(exp.column("recorded_ms"), QUARTER_MS)
    if single.singles is None:
        recorded, place = quarter, exp.null()
    else:
        alone = exp.In(this=customer.copy(), field=exp.to_table(single.singles))
        recorded = call("if", alone, exp.column("recorded_ms"), quarter)
        place = call("if", alone.copy(), call("toNullable", exp.column("n")), exp.null())
    columns = [
        customer,
        exp.alias_(window, "window_start"),
        exp.alias_(recorded, "recorded"),
        exp.alias_(place, "place"),
        exp.alias_(call("min", exp.column("timestamp")), "first_ms"),
        exp.alias_(call("count"), "events"),
    ]
    aggregate = _aggregate(each)
    if aggregate is not None:
        columns.append(exp.alias_(aggregate, "aggregate"))
    by: list[exp.Expression] = [customer.copy(), exp.column("window_start"), exp.column("recorded"), exp.column("place")]
    for position, key in enumerate(groups_of(each, single)):
        present: exp.Expression = has(key)
        owners = [owned for name, owned in single.filters if name == key]
        if key not in each.group_keys:
            present = exp.and_(present, exp.In(this=customer.copy(), field=exp.to_table(owners[0])))
        columns.append(exp.alias_(call("if", present, call("toNullable", property_of(key)), exp.null()), f"group_{position}"))
        by.append(exp.column(f"group_{position}"))
    select = exp.select(*columns).from_(exp.to_table(table)).where(*[tree.copy() for tree in each.conditions])
    # The condition comes last and only names of columns stand behind it, so the last occurrence is ours whatever users wrote.
    return Statement(*select.where(exp.column(_EXCLUDED)).group_by(*by).sql(dialect=DIALECT).rsplit(_EXCLUDED, 1))


def groups_of(each: Meter, single: Single) -> tuple[str, ...]:
    """The product's keys, then the properties by which some contract filters usage."""
    return tuple(dict.fromkeys([*each.group_keys, *(key for key, _ in single.filters)]))


def _floor(tree: exp.Expression, step: int) -> exp.Expression:
    return exp.Mul(this=call("intDiv", tree, exp.Literal.number(step)), expression=exp.Literal.number(step))


def _aggregate(each: Meter) -> exp.Expression | None:
    if each.value is None:
        return None
    value = each.value.copy()
    if each.aggregation == "unique":
        return call("groupUniqArray", value)
    if each.aggregation in {"sum", "max", "min"}:
        return call("toString", call(each.aggregation, value))
    point = call("tuple", exp.column("timestamp"), exp.column("transaction_id"), call("toString", value))
    if each.aggregation == "latest":
        return call("array", call("max", point))
    return call("groupArray", point)
