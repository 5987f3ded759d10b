"""What an accepted event is to each product, in plain Python: the deltas that the offline way and METER's small batches are made of.

METER's large batches find the same with SQL (`pipelines.metering.statements`); property tests hold the two together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue, Expression, Metric, Product
from contracts.contract import Contract
from contracts.expressions import Node, Property, evaluate, parse
from contracts.families import Families
from contracts.matching import matches
from contracts.money import plain
from contracts.usage import Delta, Point

__all__ = ["QUARTER_MS", "Counting", "Meter", "Owners", "Use", "meters", "owned_by", "owners"]

QUARTER_MS: Final = 900_000
"""Arrival is kept to the quarter hour where nobody watches a threshold."""


MOST_ALIKE: Final = 10_000
"""Kinds of events that are remembered."""


class Owners(NamedTuple):
    """What metering must know of the contracts."""

    roots: Mapping[str, str]
    """Customer id or alias to the root customer of its family; an id that is not in it is its own."""
    singles: frozenset[str]
    """Ids in families with thresholds: their events are metered one by one."""
    filters: Mapping[str, frozenset[str]]
    """Property name to the ids of customers whose contracts filter usage by it, names ascending."""


def owners(families: Families) -> Owners:
    """As they are now."""
    tops, contracts = families.roots.copy(), families.contracts
    watched = {tops[contract.customer] for contract in contracts.values() if contract.thresholds}
    filters: dict[str, set[str]] = {}
    for contract in contracts.values():
        if contract.usage_filter is not None:
            for key in contract.usage_filter.where:
                filters.setdefault(key, set()).update((contract.customer, *contract.aliases))
    # Two contracts of one customer may each name aliases: the customer's filters hold for all of them.
    for contract in contracts.values():
        for each in filters.values():
            if contract.customer in each:
                each.update(contract.aliases)
    return Owners(tops, frozenset(each for each, top in tops.items() if top in watched), {key: frozenset(filters[key]) for key in sorted(filters)})


def owned_by(contract: Contract) -> tuple[object, ...]:
    """What `owners` looks at: contracts that differ in nothing of it have the same."""
    where = contract.usage_filter.where if contract.usage_filter is not None else {}
    return contract.customer, tuple(contract.aliases), contract.parent, bool(contract.thresholds), frozenset(where)


class Meter(NamedTuple):
    """What there is to do for one product."""

    catalogue: str
    product_id: str
    product: Product
    metric: Metric
    value: Node | None
    keys: tuple[str, ...]
    only: Callable[[UsageEvent], bool] | None = None
    """Whether an event may concern the product at all; none: every one may."""

    def concerns(self, properties: Mapping[str, str]) -> bool:
        """Whether an event of the metric's types with these properties passes all filters."""
        return matches(self.metric.where, properties) and matches(self.product.where, properties)

    def use(self, event: UsageEvent) -> "Use | Literal['not_a_number'] | None":
        """Of an event that passes the filters; none: it does not concern the product after all."""
        if self.only is not None and not self.only(event):
            return None
        if self.metric.aggregation == "unique":
            text = _member(self.value, event.properties)
            return None if text is None else Use(self, None, text)
        value = None if self.value is None else evaluate(self.value, event.properties)
        return "not_a_number" if value is None and self.value is not None else Use(self, value, "")


class Use(NamedTuple):
    """What one event is to one product."""

    meter: Meter
    value: Decimal | None
    member: str


def meters(catalogue: Catalogue) -> Iterable[Meter]:
    """One for each product with a metric, in the order of the document."""
    for product_id, product in catalogue.products.items():
        metric = catalogue.metrics.get(product.metric or "")
        if product.type != "usage" or metric is None:
            continue
        value: Node | None = None
        if isinstance(metric.value, Expression):
            value = parse(metric.value.expression)
        elif metric.value is not None and metric.aggregation != "count":
            value = Property(metric.value)
        keys = tuple(dict.fromkeys([*product.pricing_group_keys, *product.presentation_group_keys]))
        yield Meter(catalogue.id, product_id, product, metric, value, keys)


class Counting:
    """Holds the products and the customers as they are at one time. Deterministic: what it remembers changes nothing."""

    def __init__(self, products: Sequence[Meter], owning: Owners, window_ms: int) -> None:
        self.meters = products
        self._owners = owning
        self._window_ms = window_ms
        self._of_type: dict[str, list[Meter]] = {}
        for each in products:
            for kind in dict.fromkeys(each.metric.event_types):
                self._of_type.setdefault(kind, []).append(each)
        self._asked = {
            kind: tuple(dict.fromkeys(key for each in found for where in (each.metric.where, each.product.where) for key in where))
            for kind, found in self._of_type.items()
        }
        """By event type, the properties by which some product filters."""
        self._concerned: dict[tuple[str | None, ...], list[Meter]] = {}
        """By event type and the values of those."""

    def uses(self, event: UsageEvent) -> list[Use] | None:
        """In the order of the products. None: some product needs a number of the event and finds none."""
        found = []
        for meter in self._concerns(event.event_type, event.properties):
            use = meter.use(event)
            if use == "not_a_number":
                return None
            if use is not None:
                found.append(use)
        return found

    def _concerns(self, kind: str, properties: Mapping[str, str]) -> list[Meter]:
        """Products whose filters the event passes. Most events are like one before, so filters are gone through once for each kind of them."""
        asked = self._asked.get(kind)
        if asked is None:
            return []
        alike = (kind, *[properties.get(key) for key in asked])
        found = self._concerned.get(alike)
        if found is None:
            if len(self._concerned) >= MOST_ALIKE:
                self._concerned.clear()
            found = self._concerned[alike] = [meter for meter in self._of_type[kind] if meter.concerns(properties)]
        return found

    def deltas(self, event: UsageEvent, uses: Iterable[Use], sequence: int) -> list[Delta]:
        """One for each use; with exact arrival and the `sequence` where a threshold watches."""
        alone = sequence if self.watched(event.customer) else None
        return [self.delta(event, use, alone) for use in uses]

    def watched(self, customer: str) -> bool:
        """Whether some threshold sees every event of this id."""
        return customer in self._owners.singles

    def keys(self, meter: Meter, customer: str) -> tuple[str, ...]:
        """The properties that a delta keeps, where an event has them."""
        known = self._owners
        if not known.filters:
            return meter.keys
        # Nobody knows yet whose an unknown id is: its usage keeps all that some filter may ask for.
        unknown = customer not in known.roots
        return (*meter.keys, *(key for key, ids in known.filters.items() if unknown or customer in ids))

    def delta(self, event: UsageEvent, use: Use, sequence: int | None) -> Delta:
        """`sequence`: none for usage that nobody watches."""
        meter, kind, properties = use.meter, use.meter.metric.aggregation, event.properties
        gauge = kind in {"latest", "time_weighted"}
        return Delta(
            meter.catalogue,
            meter.product_id,
            event.customer,
            {key: properties[key] for key in self.keys(meter, event.customer) if key in properties},
            event.timestamp_ms - event.timestamp_ms % self._window_ms,
            event.recorded_ms if sequence is not None else event.recorded_ms - event.recorded_ms % QUARTER_MS,
            event.timestamp_ms,
            1,
            None if gauge else use.value,
            (Point(event.timestamp_ms, event.transaction_id, use.value),) if gauge and use.value is not None else (),
            frozenset({use.member}) if kind == "unique" else frozenset(),
            sequence,
        )


def _member(value: Node | None, properties: Mapping[str, str]) -> str | None:
    """What `unique` tells events apart by: the text of a property, or a computed number."""
    if isinstance(value, Property):
        return properties.get(value.name)
    number = None if value is None else evaluate(value, properties)
    return None if number is None else plain(number)
