"""Verify: what is shown, what the log gives and what the raw events in ClickHouse give, compared by digest; a difference is located.

    lines      those that are not the same in all three
    windows    of these lines' products: those whose quantity is not the same
    events     of these windows: those that are missing in Kafka or in ClickHouse or differ there
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from contracts.case import UsageEvent
from contracts.money import plain
from contracts.rendering import digest, line_json
from contracts.result import Balance, Invoice, Line
from contracts.scales import raw_value
from contracts.timeline import iso
from contracts.windows import Aggregate
from pipelines.verifying.families import Family, Shown
from pipelines.verifying.windows import Counted, Kinds, Place, whole

SIDES: Final = ("shown", "kafka", "clickhouse")
MOST: Final = 50
"""Windows and events of a family that are listed; all are counted."""

Json = dict[str, Any]


class Bill(NamedTuple):
    """Invoices and balances of one side."""

    invoices: tuple[Invoice, ...]
    balances: tuple[Balance, ...]

    @property
    def digest(self) -> str:
        """Without what comes to zero: it may be left out."""
        kept = [_without_zeros(each) for each in self.invoices]
        return digest((each for each in kept if each.lines or each.total), (each for each in self.balances if each.granted or each.applied or each.expired))


class Windows(NamedTuple):
    """The windows of a family, one dictionary a side."""

    shown: Counted
    kafka: Counted
    clickhouse: Counted


def _without_zeros(invoice: Invoice) -> Invoice:
    return invoice._replace(lines=tuple(line for line in invoice.lines if line.amount or line.quantity))


def differing(bills: Mapping[str, Bill]) -> list[Json]:
    """Lines that are not the same on all sides: `{"invoice", "customer", "line", "shown", "kafka", "clickhouse"}`, each side a line or null."""
    sides: dict[str, dict[tuple[str, str], tuple[Invoice, Line]]] = {}
    for name, bill in bills.items():
        sides[name] = {(invoice.id, line.id): (invoice, line) for invoice in bill.invoices for line in _without_zeros(invoice).lines}
    found = []
    for key in dict.fromkeys(key for side in sides.values() for key in side):
        each = {name: side.get(key) for name, side in sides.items()}
        texts = {name: None if pair is None else line_json(pair[1]) for name, pair in each.items()}
        if len({str(text) for text in texts.values()}) > 1:
            invoice, line = next(pair for pair in each.values() if pair is not None)
            head: Json = {"customer": invoice.customer, "contract": invoice.contract, "invoice": invoice.id, "invoice_kind": invoice.kind, "line": line.id}
            head |= {"product": line.product, "group": dict(line.group), "starting_at": iso(line.starting_ms), "ending_before": iso(line.ending_ms)}
            head |= {"starting_ms": line.starting_ms, "ending_ms": line.ending_ms}
            found.append(head | texts)
    return found


def differing_windows(windows: Windows, kinds: Kinds, products: Iterable[str]) -> list[tuple[Place, dict[str, Aggregate | None]]]:
    """Windows of these products that are not the same on all sides."""
    wanted = set(products)
    found = []
    for place in sorted({*windows.shown, *windows.kafka, *windows.clickhouse}):
        if wanted and place.product not in wanted:
            continue
        sides = {name: _whole(kinds, place, getattr(windows, name).get(place)) for name in SIDES}
        if len({_said(kinds, place, each) for each in sides.values()}) > 1:
            found.append((place, sides))
    return found


def inputs_differ(kinds: Kinds, place: Place, sides: Mapping[str, Aggregate | None]) -> bool:
    """Whether the events of a window in Kafka are others than those in ClickHouse. Not when its metric has another definition than it was metered under."""
    return _said(kinds, place, sides["kafka"]) != _said(kinds, place, sides["clickhouse"])


def window_json(kinds: Kinds, place: Place, sides: Mapping[str, Aggregate | None]) -> Json:
    head: Json = {"customer": place.customer, "catalogue": place.catalogue, "product": place.product, "group": dict(place.group), "window": iso(place.window_ms)}
    return head | {name: None if each is None else {"events": each.events, "value": _value(kinds, place, each)} for name, each in sides.items()}


def event_json(partition: int, offset: int, kafka: UsageEvent | None, clickhouse: UsageEvent | None) -> Json:
    """An event that is not the same in Kafka and in ClickHouse, and in what."""
    if kafka is None or clickhouse is None:
        differs = ["missing in Kafka" if kafka is None else "missing in ClickHouse"]
    else:
        differs = [name for name in kafka._fields if getattr(kafka, name) != getattr(clickhouse, name)]
    some = kafka or clickhouse
    head = {"transaction_id": some.transaction_id if some else "", "partition": partition, "offset": offset, "differs": differs}
    return head | {"kafka": kafka and _event(kafka), "clickhouse": clickhouse and _event(clickhouse)}


def agrees(bills: Mapping[str, Bill]) -> bool:
    return len({bill.digest for bill in bills.values()}) == 1


def family_json(family: Family, before: Shown, bills: Mapping[str, Bill]) -> Json:
    """The head of a family's verdict."""
    return {"customer": family.root, "as_of": iso(before.now_ms), "digests": {name: bill.digest for name, bill in bills.items()}}


def _whole(kinds: Kinds, place: Place, slots: Mapping[int, Aggregate] | None) -> Aggregate | None:
    return None if not slots else whole(kinds, place, slots)


def _said(kinds: Kinds, place: Place, each: Aggregate | None) -> tuple[Any, ...]:
    """What of a window decides a bill, and how many events it has."""
    return (0, None) if each is None else (each.events, each.value if kinds.get((place.catalogue, place.product)) != "count" else None, each.points, each.members)


def _value(kinds: Kinds, place: Place, each: Aggregate) -> str | None:
    kind = kinds.get((place.catalogue, place.product), "count")
    if kind == "unique":
        return str(len(each.members))
    if kind == "count":
        return str(each.events)
    if each.points:
        return plain(each.points[-1].value)
    return None if each.value is None else plain(raw_value(each.value))


def _event(event: UsageEvent) -> Json:
    return {
        "customer": event.customer,
        "event_type": event.event_type,
        "timestamp": iso(event.timestamp_ms),
        "recorded_at": iso(event.recorded_ms),
        "properties": dict(sorted(event.properties.items())),
    }
