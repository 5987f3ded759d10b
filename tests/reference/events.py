"""Section 7: which usage events count, whose they are, and which documents are known. Works on the raw list each time."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from contracts.case import Case
from contracts.catalogue import Catalogue, Condition, Expression, Metric, Product, Where
from contracts.contract import Contract
from tests.reference import expressions
from tests.reference.times import DAY, HOUR, duration, parse


class Event(NamedTuple):
    place: int
    """Position in the order of the file: of what arrives at one instant the earlier line comes first."""
    transaction_id: str
    customer: str
    event_type: str
    at: int
    recorded: int
    properties: Mapping[str, str]


def all_events(case: Case) -> list[Event]:
    """Runs taken apart, in order of arrival."""
    found: list[Event] = []
    for number, line in enumerate(case.usage):
        name = line.transaction_id or f"usage-{number + 1:06d}"
        at = parse(line.timestamp)
        recorded = at if line.recorded_at is None else parse(line.recorded_at)
        step = duration(line.repeat.every) if line.repeat else 0
        for k in range(line.repeat.times if line.repeat else 1):
            found.append(
                Event(
                    len(found), name if k == 0 else f"{name}-{k:06d}", line.customer or "", line.event_type, at + k * step, recorded + k * step, line.properties
                )
            )
    return sorted(found, key=lambda event: (event.recorded, event.place))


def judged(arrived: Sequence[Event], catalogue: Catalogue) -> tuple[list[Event], list[tuple[str, str]]]:
    """The events that count and (transaction id, reason) of those that do not, from all in order of arrival."""
    first: dict[str, Event] = {}
    rejected: list[tuple[str, str]] = []
    for event in arrived:
        if event.at < event.recorded - 34 * DAY:
            rejected.append((event.transaction_id, "too_old"))
        elif event.at > event.recorded + 24 * HOUR:
            rejected.append((event.transaction_id, "too_far_ahead"))
        elif any(numberless(event, product, catalogue) for product in catalogue.products.values()):
            rejected.append((event.transaction_id, "not_a_number"))
        elif event.transaction_id not in first:
            first[event.transaction_id] = event
        elif body(first[event.transaction_id]) != body(event):
            rejected.append((event.transaction_id, "conflict"))
    return list(first.values()), rejected


def body(event: Event) -> Any:
    return event.customer, event.event_type, event.at, dict(event.properties)


def text_of(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def meets(where: Where, properties: Mapping[str, str]) -> bool:
    """All filters hold."""
    for key, wanted in where.items():
        have = properties.get(key)
        if isinstance(wanted, Condition):
            if wanted.exists is not None and (have is not None) is not wanted.exists:
                return False
            if wanted.not_in is not None and have in [text_of(each) for each in wanted.not_in]:
                return False
        elif have not in [text_of(each) for each in (wanted if isinstance(wanted, list) else [wanted])]:
            return False
    return True


def counts_to(event: Event, metric: Metric, where: Where) -> bool:
    """The event is one of the metric, seen through a product's filter."""
    return event.event_type in metric.event_types and meets(metric.where, event.properties) and meets(where, event.properties)


def value_of(event: Event, metric: Metric) -> Fraction | None:
    if isinstance(metric.value, Expression):
        return expressions.evaluate(metric.value.expression, event.properties)
    return expressions.number(event.properties.get(metric.value or ""))


def member_of(event: Event, metric: Metric) -> str | None:
    """What a `unique` metric counts."""
    if isinstance(metric.value, Expression):
        value = expressions.evaluate(metric.value.expression, event.properties)
        return None if value is None else str(value)
    return event.properties.get(metric.value or "")


def numberless(event: Event, product: Product, catalogue: Catalogue) -> bool:
    if product.type != "usage" or product.metric is None:
        return False
    metric = catalogue.metrics[product.metric]
    if metric.aggregation in {"count", "unique"} or not counts_to(event, metric, product.where):
        return False
    return value_of(event, metric) is None


def owner(event: Event, contracts: Mapping[str, Contract], at: int) -> Contract | None:
    """The contract whose usage the event is at `at`: by customer or alias, by time, by filter; a filter that is met goes before no filter."""
    found: list[Contract] = []
    for contract in contracts.values():
        zone = contract.billing.timezone
        if contract.rate_card is None or event.customer not in (contract.customer, *aliases(contract.customer, contracts)):
            continue
        if at < parse(contract.starting_at, zone) or (contract.ending_before is not None and at >= parse(contract.ending_before, zone)):
            continue
        if contract.usage_filter is not None and not meets(contract.usage_filter.where, event.properties):
            continue
        found.append(contract)
    found.sort(key=lambda contract: (contract.usage_filter is None, contract.id))
    return found[0] if found else None


def aliases(customer: str, contracts: Mapping[str, Contract]) -> set[str]:
    return {alias for contract in contracts.values() if contract.customer == customer for alias in contract.aliases}


class Known(NamedTuple):
    """What is known at some moment."""

    catalogue: Catalogue
    contracts: Mapping[str, Contract]
    """Newest version of each."""
    events: Sequence[Event]
    """Those that count."""
    rejected: Sequence[tuple[str, str]]

    def usage(self, contract: str, start: int) -> list[Event]:
        """Events of a contract from `start` on, and those before from which a value may hold on into it: they go where usage at `start` goes."""
        found = []
        for event in self.events:
            owning = owner(event, self.contracts, max(event.at, start))
            if owning is not None and owning.id == contract:
                found.append(event)
        return found
