"""One verification, from beginning to end."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from contracts.case import UsageEvent
from contracts.metering import Limits
from pipelines.corrected import corrected
from pipelines.deployment import Deployment
from pipelines.document_log import DocumentLog, Documents
from pipelines.progress import all_shown
from pipelines.verifying import log, raw
from pipelines.verifying.compare import MOST, Bill, Json, Windows, agrees, differing, differing_windows, event_json, family_json, inputs_differ, window_json
from pipelines.verifying.families import Family, Shown, Terms, families, filters_of, kinds_of, shown, terms_of
from pipelines.verifying.live import live_windows
from pipelines.verifying.windows import Counted, Kinds, Place, deltas

TOGETHER: Final = 200
"""Families whose raw events are asked for at once."""
ATTEMPTS: Final = 4
DAY_MS: Final = 86_400_000
THROUGH_S: Final = 120.0
EVENTS: Final = """
SELECT source_partition, source_offset, transaction_id, customer, event_type, toUnixTimestamp64Milli(timestamp) AS at, toUnixTimestamp64Milli(recorded_at) AS arrived, properties
FROM usage_event_records FINAL
WHERE customer IN {customers:Array(String)} AND timestamp >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND timestamp < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
 OR (source_partition, source_offset) IN (SELECT place.1, place.2 FROM (SELECT arrayJoin({places:Array(Tuple(UInt32, UInt64))}) AS place))"""

Tell = Callable[[str, int, int], None]
"""What is done, how much of how many."""


class Verdict(NamedTuple):
    """What came out."""

    families: int
    events: int
    """Of usage-events that were read."""
    seconds: float
    different: tuple[Json, ...]
    """By family: head, `lines`, `windows`, `events`, and how many of each there are."""
    busy: tuple[str, ...]
    """Families to which usage kept coming: nothing is said of them."""

    def json(self) -> Json:
        return {
            "agrees": not self.different,
            "customers": self.families,
            "events": self.events,
            "seconds": round(self.seconds, 1),
            "different": list(self.different),
            "busy": list(self.busy),
        }


class Verifier:
    """Verifies families of a deployment. `period`: only invoices whose period starts in [from, until)."""

    def __init__(self, stack: Deployment, period: tuple[int, int] | None = None, tell: Tell = lambda *_: None) -> None:
        self._stack = stack
        self._period = period
        self._tell = tell
        self._jobs = max(1, min(4, os.cpu_count() or 1))

    def run(self, only: Sequence[str] = ()) -> Verdict:
        """Compare; all families when `only` names no customer. Raises KafkaException, StalledError, clickhouse-connect's errors."""
        started = time.monotonic()
        with closing(DocumentLog(self._stack.kafka, self._stack.codec)) as documents, closing(self._stack.warehouse()) as client:
            present = documents.catch_up()
            left = families(present, only)
            count, events = len(left), 0
            different: dict[str, Json] = {}
            for attempt in range(ATTEMPTS):
                moving: list[Family] = []
                read, verdicts = self._pass(client, present, left, bool(only) or attempt > 0)
                events = max(events, read)
                for family, told, moved in verdicts:
                    different.pop(family.root, None)
                    if told is not None and moved:
                        moving.append(family)
                    elif told is not None:
                        different[family.root] = told
                left = moving
                if not left:
                    break
        return Verdict(count, events, time.monotonic() - started, tuple(different.values()), tuple(each.root for each in left))

    def _pass(self, client: Client, present: Documents, wanted: Sequence[Family], some: bool) -> tuple[int, Iterator[tuple[Family, Json | None, bool]]]:
        kafka, settings = self._stack.kafka, self._stack.settings
        ends = all_shown(kafka, THROUGH_S)
        catalogues = tuple(known.catalogue for known in present.catalogues.values())
        contracts = {name: known.contract for name, known in present.contracts.items()}
        kinds = kinds_of(catalogues)
        limits = Limits(settings.window_minutes * 60_000, settings.late_days * DAY_MS, settings.ahead_hours * 3_600_000)
        terms = {family.root: terms_of(client, family) for family in wanted}
        before = {family.root: shown(client, family) for family in wanted}
        exact = frozenset(each for family in wanted if terms[family.root].acted for each in family.ids)
        ids = frozenset(each for family in wanted for each in family.ids)
        in_force = corrected(present.generations)
        reading = log.Reading(kafka, settings.schema_registry, catalogues, contracts, kinds, limits, exact, ids if some else None, in_force)
        self._tell("reading usage-events", 0, sum(ends.values()))
        from_log = log.counted(reading, ends, self._jobs if sum(ends.values()) > 50_000 else 1)
        by_id = _by_customer(from_log)

        def verdicts() -> Iterator[tuple[Family, Json | None, bool]]:
            done, filters = 0, filters_of(present)
            for first in range(0, len(wanted), TOGETHER):
                some_families = wanted[first : first + TOGETHER]
                names = [each for family in some_families for each in family.ids]
                from_raw = _by_customer(raw.counted(client, catalogues, names, filters, exact, limits.window_ms, in_force))
                for family in some_families:
                    sides = (_of(by_id, family), _of(from_raw, family))
                    told = self._compare(family, terms[family.root], before[family.root], *sides)
                    if told is not None:
                        told |= self._locate(client, family, told, kinds, ends, *sides)
                    done += 1
                    self._tell("comparing customers", done, len(wanted))
                    yield family, told, told is not None and shown(client, family).revision != before[family.root].revision

        return sum(ends.values()), verdicts()

    def _compare(self, family: Family, terms: Terms, before: Shown, kafka: Counted, clickhouse: Counted) -> Json | None:
        bills = {"shown": self._bill(Bill(before.invoices, before.balances))}
        for name, counted in (("kafka", kafka), ("clickhouse", clickhouse)):
            bills[name] = self._bill(Bill(*terms.fold(family.root, deltas(counted.items()), before.now_ms)))
        if agrees(bills):
            return None
        return family_json(family, before, bills) | {"lines": differing(bills)}

    def _bill(self, bill: Bill) -> Bill:
        if self._period is None:
            return bill
        first, last = self._period
        return Bill(tuple(each for each in bill.invoices if first <= each.starting_ms < last), ())

    def _locate(self, client: Client, family: Family, told: Json, kinds: Kinds, ends: dict[int, int], kafka: Counted, clickhouse: Counted) -> Json:
        live = live_windows(client, family.root, self._stack.settings.window_minutes, kinds)
        # A discount or a composite has no product of its own usage: any window may be the reason then.
        products = [] if any(line["product"] is None for line in told["lines"]) else [line["product"] for line in told["lines"]]
        spans = [(line["starting_ms"], line["ending_ms"]) for line in told["lines"]]
        found = [each for each in differing_windows(Windows(live, kafka, clickhouse), kinds, products) if any(a <= each[0].window_ms < b for a, b in spans)]
        for line in told["lines"]:
            del line["starting_ms"], line["ending_ms"]
        apart = [place for place, sides in found if inputs_differ(kinds, place, sides)]
        events = self._events(client, apart, ends) if apart else []
        return {
            "windows": [window_json(kinds, place, sides) for place, sides in found[:MOST]],
            "events": events[:MOST],
            "counts": {"lines": len(told["lines"]), "windows": len(found), "events": len(events)},
        }

    def _events(self, client: Client, places: Sequence[Place], ends: dict[int, int]) -> list[Json]:
        """Raw events of these windows that are not the same in Kafka and ClickHouse."""
        length_ms = self._stack.settings.window_minutes * 60_000
        wanted = {(place.customer, place.window_ms) for place in places}
        customers = sorted({place.customer for place in places})
        first, last = min(place.window_ms for place in places), max(place.window_ms for place in places) + length_ms
        in_log: dict[tuple[int, int], UsageEvent] = {}
        for partition, offset, event in log.events(self._stack.kafka, self._stack.codec, ends, customers=customers):
            if (event.customer, event.timestamp_ms - event.timestamp_ms % length_ms) in wanted:
                in_log[partition, offset] = event
        asked = {"customers": customers, "from_ms": first, "until_ms": last, "places": sorted(in_log)}
        in_raw: dict[tuple[int, int], UsageEvent] = {}
        for partition, offset, name, customer, event_type, at_ms, arrived_ms, properties in client.query(EVENTS, parameters=asked).result_rows:
            if (partition, offset) in in_log or (customer, at_ms - at_ms % length_ms) in wanted:
                in_raw[partition, offset] = UsageEvent(name, customer, event_type, at_ms, arrived_ms, dict(properties))
        # One that is in another window in Kafka is looked up there by its place.
        stray = {place for place in in_raw if place not in in_log}
        if stray:
            for partition, offset, event in log.events(self._stack.kafka, self._stack.codec, ends):
                if (partition, offset) in stray:
                    in_log[partition, offset] = event
        return [event_json(*place, in_log.get(place), in_raw.get(place)) for place in sorted({*in_log, *in_raw}) if in_log.get(place) != in_raw.get(place)]


def _by_customer(counted: Counted) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for place, slots in counted.items():
        found.setdefault(place.customer, {})[place] = slots
    return found


def _of(by_customer: dict[str, Counted], family: Family) -> Counted:
    found: Counted = {}
    for each in family.ids:
        found |= by_customer.get(each, {})
    return found


__all__: list[Any] = ["Verdict", "Verifier"]
