"""Corrections of events: amend, remove, replace a range, and undo. Each is a generation of the windows that it touches, cut over and closed.

The events that a correction brings go to usage-events under ids of their own (`generations.reserved`), after the control record: so ordinary
products never count them, and the log holds both what was and what is.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.case import UsageEvent
from contracts.timeline import iso
from contracts.twins import Scope
from pipelines.corrected import COUNTS, Corrected, corrected, original_id
from pipelines.document_log import Documents
from pipelines.progress import Progress
from pipelines.reach import reach
from pipelines.replay.control import SHOWN_S, ReplayError, Replays
from pipelines.replay.generations import Generation, reserved
from pipelines.replay.recorded import generations_of
from pipelines.topology import PARTITIONER, USAGE_EVENTS

FOUND: Final = f"""
SELECT transaction_id, customer, event_type, toUnixTimestamp64Milli(at), toUnixTimestamp64Milli(arrived), properties FROM (
  SELECT transaction_id, customer, event_type, e.timestamp AS at, e.recorded_at AS arrived, properties FROM usage_event_records AS e FINAL
  WHERE {{condition}} AND (source_partition, source_offset) NOT IN (SELECT partition, offset FROM rejected_event_records WHERE topic = 'usage-events')
  ORDER BY source_partition, source_offset LIMIT 1 BY transaction_id
) WHERE {COUNTS} ORDER BY at, transaction_id"""
BY_ID: Final = "arrayExists(name -> transaction_id = name OR endsWith(transaction_id, concat({separator:String}, name)), {names:Array(String)})"
BY_RANGE: Final = """customer IN {customers:Array(String)} AND e.timestamp >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
 AND e.timestamp < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AND (empty({types:Array(String)}) OR event_type IN {types:Array(String)})"""
DAY_S: Final = 86_400.0


class Correction(NamedTuple):
    """Events that stop counting, and events that count from now on."""

    before: Sequence[UsageEvent]
    after: Sequence[UsageEvent]
    """With the ids that a service would give them."""
    note: str = ""
    author: str = ""


def events_named(client: Client, names: Sequence[str]) -> list[UsageEvent]:
    """The events that count now under these ids (or were brought for them). Raises ReplayError when one is missing."""
    in_force = corrected(generations_of(client))
    found = _found(client, BY_ID, {"names": list(names)}, in_force)
    missing = sorted(set(names) - {original_id(each.transaction_id) for each in found})
    if missing:
        raise ReplayError(f"there is no accepted event {missing[0]!r} in the warehouse that counts: nothing was done")
    return found


def events_between(client: Client, customers: Iterable[str], from_ms: int, until_ms: int, types: Sequence[str] = ()) -> list[UsageEvent]:
    """The events that count now under these ids and of a time in [from, until)."""
    asked = {"customers": sorted(customers), "from_ms": from_ms, "until_ms": until_ms, "types": list(types)}
    return _found(client, BY_RANGE, asked, corrected(generations_of(client)))


def begin(replays: Replays, correction: Correction) -> Generation:
    """Begin the generation and send its events; it is complete when it returns, and nothing is billed yet. Raises ReplayError."""
    present = replays.present()
    number = present.generations.next_number
    scope = _scope(present, (*correction.before, *correction.after), replays.window_ms)
    replays.begin(
        scope,
        note=correction.note,
        author=correction.author,
        left_out=[each.transaction_id for each in correction.before],
        added=len(correction.after),
        correction=True,
        number=number,
    )
    _send(replays, [each._replace(transaction_id=reserved(number, each.transaction_id)) for each in correction.after])
    return complete(replays)


def complete(replays: Replays, tell: Callable[[Any], None] = lambda _: None) -> Generation:
    """Wait until the open generation has all of its windows and events. Raises ReplayError."""
    generation = replays.current()
    replays.wait(generation, tell, DAY_S)
    replays.shown()
    return generation


def apply(replays: Replays, author: str = "") -> Generation:
    """Bill the open correction, for good. Raises ReplayError."""
    generation = replays.current()
    replays.step("cutover", author, generation.number)
    replays.step("close", author, generation.number)
    return generation


def undo(replays: Replays, number: int, note: str = "", author: str = "") -> Generation:
    """Begin the generation that takes a correction in force back. Raises ReplayError."""
    known = replays.present().generations
    if number not in known.in_force():
        raise ReplayError(f"correction {number} is not in force: `taximeter correct list` shows those that are")
    replays.begin(known.by_number[number].scope, note=note or f"undoes correction {number}", author=author, undoes=number)
    return complete(replays)


def listed(client: Client) -> list[dict[str, Any]]:
    """Every correction, oldest first, with its events."""
    known = generations_of(client)
    in_force = set(known.in_force())
    found = []
    for each in sorted(known.by_number.values(), key=lambda one: one.number):
        if not each.correction or each.state is None:
            continue
        before = _found(client, "transaction_id IN {names:Array(String)}", {"names": each.left_out}, Corrected(numbers=frozenset(known.by_number)))
        after = _found(client, "startsWith(transaction_id, {start:String})", {"start": reserved(each.number)}, Corrected(numbers=frozenset(known.by_number)))
        found.append(
            {
                "number": each.number,
                "in_force": each.number in in_force,
                "state": each.state,
                "note": each.note,
                "author": each.author,
                "at": iso(each.began_ms),
                "undone_by": next((one.number for one in known.by_number.values() if one.undoes == each.number and one.state in ("live", "closed")), None),
                "left_out": [event_json(event) for event in before],
                "brought": [event_json(event) for event in after],
            }
        )
    return found


def event_json(event: UsageEvent) -> dict[str, Any]:
    return {
        "transaction_id": original_id(event.transaction_id),
        "customer": event.customer,
        "event_type": event.event_type,
        "timestamp": iso(event.timestamp_ms),
        "properties": dict(sorted(event.properties.items())),
    }


def _found(client: Client, condition: str, asked: Mapping[str, Any], in_force: Corrected) -> list[UsageEvent]:
    rows = client.query(FOUND.replace("{condition}", condition), parameters={**asked, **in_force.asked()}).result_rows
    return [UsageEvent(name, customer, kind, at_ms, arrived_ms, dict(properties)) for name, customer, kind, at_ms, arrived_ms, properties in rows]


def _scope(present: Documents, events: Sequence[UsageEvent], window_ms: int) -> Scope:
    """The windows of these events, for every product that may count them."""
    if not events:
        raise ReplayError("there is no event to correct: nothing was done")
    types = {each.event_type for each in events}
    products: dict[str, dict[str, str]] = {}
    for name, known in present.catalogues.items():
        for product, terms in known.catalogue.products.items():
            metric = known.catalogue.metrics.get(terms.metric or "")
            if metric is not None and types.intersection(metric.event_types):
                products.setdefault(name, {})[product] = metric.aggregation
    if not products:
        raise ReplayError(f"no product counts events of type {', '.join(sorted(types))}: nothing was done")
    first, last = min(each.timestamp_ms for each in events), max(each.timestamp_ms for each in events)
    return Scope(products, sorted({each.customer for each in events}), first - first % window_ms, last - last % window_ms + window_ms)


def _send(replays: Replays, events: Sequence[UsageEvent]) -> None:
    """Put them on usage-events with the arrival that they are given, and return when METER has read them."""
    if not events:
        return
    failed: list[KafkaError] = []
    reached: dict[int, int] = {}

    def delivered(error: KafkaError | None, message: Any) -> None:
        if error is not None:
            failed.append(error)
        else:
            reached[message.partition()] = max(reached.get(message.partition(), 0), message.offset() + 1)

    producer = Producer({**reach(replays.stack.kafka), "partitioner": PARTITIONER, "enable.idempotence": True, "linger.ms": 5})
    through = Progress(replays.stack.kafka)
    try:
        for each in events:
            value = {"transaction_id": each.transaction_id, "customer": each.customer, "event_type": each.event_type, "timestamp": each.timestamp_ms}
            body = replays.stack.codec.encode("usage_event", value | {"properties": each.properties})
            producer.produce(USAGE_EVENTS.name, body, each.transaction_id, timestamp=each.recorded_ms or time.time_ns() // 1_000_000, on_delivery=delivered)
            producer.poll(0)
        if producer.flush(60) or failed:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the client has no other name for it
        through.sent(USAGE_EVENTS.name, reached)
        through.shown(SHOWN_S)
    finally:
        through.close()
