"""`taximeter bench replay`: the past metered again after a metric was redefined, while usage flows; beside it, how fast the same was metered live.

On a stack of its own. First a generation is run and cut over and back with nothing broken, while an event's way to its threshold is measured; then
another one while METER and RATE are killed. In the end what its diff tells is compared with what is billed after its cutover, invoice by invoice, and all
bills are worked out again from Kafka and from the raw events; then one byte of one raw event is flipped, and verify has to name the line.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import AdminClient

from bench.background import ended, flowing
from bench.latency import NAME, BenchError
from bench.report import Figure, percentile, report
from bench.workload import Workload, catalogue, customer, send
from contracts.catalogue import Catalogue, Expression
from contracts.contract import Contract
from contracts.twins import Scope
from pipelines import offsets
from pipelines.deployment import Deployment
from pipelines.edits import Edit
from pipelines.progress import Progress, all_shown
from pipelines.publishing import Publisher
from pipelines.replay.control import Replays
from pipelines.replay.coverage import Metered
from pipelines.replay.diff import differences
from pipelines.replay.planning import Asked, scope_of
from pipelines.testing import Stack
from pipelines.topology import METER_GROUP, USAGE_EVENTS
from pipelines.verifying.families import families
from pipelines.verifying.run import Verifier
from schemas.codec import Codec
from taximeter.demo.probe import Latency, Probe, documents

PROBES: Final = tuple(f"probe-{number}" for number in range(25))
PROBED_S: Final = 4
SHOWN_S: Final = 600.0
MOST_S: Final = 7_200.0
LOOK_S: Final = 0.05
CALL: Final = "SELECT customer, transaction_id FROM usage_events WHERE event_type = 'api_call' AND startsWith(customer, 'customer-') ORDER BY customer LIMIT 1"
"""A call of one of the workload's customers."""


def run(
    events: int = 5_000_000, customers: int = 2_000, background: int = 1_000, probes_per_s: int = 50, kills: int = 5, keep: str | None = None
) -> dict[str, Any]:
    """Measure with `events` of the past and `background` events a second that flow; `keep`: a folder for the stack's data and logs, which stays.

    Raises BenchError when a bill is not what the raw events say, ReplayError, StalledError, StackError.
    """
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        deployment = Deployment(stack.settings)
        kafka = deployment.kafka
        replays = Replays(deployment)
        workload = Workload(events, customers)
        _publish(kafka, workload)
        live_per_s = _metered(kafka, workload)
        publisher = Publisher(kafka, Codec())
        publisher.publish(Edit(catalogues=[_redefined(catalogue(workload, NAME))], recorded_ms={"wall": time.time_ns() // 1_000_000}))
        publisher.close()
        with flowing(kafka, background, customers) as flow:
            _say("metered live", events_per_s=live_per_s)
            calm, waited = _probed(deployment, replays, probes_per_s)
            _say("replayed", events_per_s=events / calm, probes=waited.events, p50_ms=waited.p50_ms, p99_ms=waited.p99_ms, worst_p99_ms=waited.worst_p99_ms)
            cutover_s, back_s = _step(replays, "cutover"), _step(replays, "back")
            replays.step("abort")
            killed = _run(replays, stack, kills)
            last_s = _step(replays, "cutover")
            last_back_s = _step(replays, "back")
            sent_per_s = ended(flow).per_s
        diff_s, changed = _told(replays)
        _say("billed as the diff told", customers=changed, diff_s=diff_s)
        verdict = Verifier(deployment).run()
        if verdict.different or verdict.busy:
            raise BenchError(f"{len(verdict.different)} bills are not what the raw events say, {len(verdict.busy)} were not told: {verdict.different[:1]}")
        _say("verified", customers=verdict.families, seconds=verdict.seconds)
        found_s = _flipped(deployment)
        replays.step("close")
        replays.close()
    told = {"events": events, "customers": customers, "background": background, "sent_per_s": sent_per_s, "probes_per_s": probes_per_s, "kills": kills}
    return report(
        "replay",
        told,
        [
            Figure("replayed_events_per_s", events / calm, "events/s"),
            Figure("event_to_threshold_p50_ms", waited.p50_ms, "ms"),
            Figure("event_to_threshold_p99_ms", waited.p99_ms, "ms"),
            Figure("event_to_threshold_worst_p99_ms", waited.worst_p99_ms, "ms"),
            Figure("cutover_s", cutover_s, "s"),
            Figure("back_s", back_s, "s"),
            Figure("killed_replay_s", killed, "s"),
            Figure("cutover_after_kills_s", last_s, "s"),
            Figure("back_after_kills_s", last_back_s, "s"),
            Figure("changed_customers", changed, "customers"),
            Figure("diff_s", diff_s, "s"),
            Figure("verified_customers", verdict.families, "customers"),
            Figure("verify_s", verdict.seconds, "s"),
            Figure("flipped_byte_found_s", found_s, "s"),
        ],
        Figure("live_events_per_s", live_per_s, "events/s"),
        events / calm / live_per_s,
    )


class Waited(NamedTuple):
    """From events to their thresholds while the past was metered."""

    events: int
    p50_ms: float
    p99_ms: float
    worst_p99_ms: float
    """Of the four seconds in which it was highest."""


def _publish(kafka: str, workload: Workload) -> None:
    start = datetime.now(UTC).strftime("%Y-%m-01")
    contracts = [Contract(id=customer(each), customer=customer(each), catalogue=NAME, rate_card="list", starting_at=start) for each in range(workload.customers)]
    probed = [documents(name, start) for name in PROBES]
    publisher = Publisher(kafka, Codec())
    catalogues = [catalogue(workload, NAME), *(each for each, _ in probed)]
    publisher.publish(Edit(catalogues, [*contracts, *(each for _, each in probed)], "", {"wall": time.time_ns() // 1_000_000}))
    publisher.close()


def _redefined(before: Catalogue) -> Catalogue:
    """A call of more than 100 counts half beyond that."""
    calls = msgspec.structs.replace(before.metrics["calls"], value=Expression(expression="least(calls, 100) + greatest(calls - 100, 0) / 2"))
    return msgspec.structs.replace(before, metrics=before.metrics | {"calls": calls})


def _metered(kafka: str, workload: Workload) -> float:
    """Events a second from the first that can be read until all are committed; nobody reads any before all are there."""
    began = [0.0]
    through = Progress(kafka)

    def start() -> None:
        began[0] = time.perf_counter()

    send(kafka, Codec(), workload, when_there=start)
    admin = AdminClient({"bootstrap.servers": kafka})
    places = [(USAGE_EVENTS.name, number) for number in admin.list_topics(timeout=30).topics[USAGE_EVENTS.name].partitions]
    ends = offsets.ends(admin, places)
    committed = offsets.Committed(kafka)
    deadline = time.monotonic() + MOST_S
    # The last offset of each partition is the mark of the transaction.
    while any(committed.of(METER_GROUP, places).get(place, 0) < end - 1 for place, end in ends.items()):
        if time.monotonic() > deadline:
            raise BenchError("METER has not come through; see the logs of the stack")
        time.sleep(LOOK_S)
    took = time.perf_counter() - began[0]
    committed.close()
    through.shown(MOST_S)
    through.close()
    return workload.events / took


def _probed(deployment: Deployment, replays: Replays, per_second: int) -> tuple[float, Waited]:
    """Seconds of a whole generation, and how long events took to their threshold meanwhile."""
    seconds = [0.0]

    def replay() -> None:
        seconds[0] = _run(replays, None, 0)

    def probed(name: str, events: int) -> tuple[Latency, list[float]]:
        probe = Probe(deployment.kafka, Codec(), name, deployment.settings.partitions)
        latency = probe.run(events, per_second)
        return latency, [(probe.seen[number] - sent) * 1000 for number, sent in enumerate(probe.sent, start=1)]

    probed(PROBES[0], 100)  # warms up
    working = Thread(target=replay)
    working.start()
    found = [probed(name, per_second * PROBED_S) for name in PROBES[1:] if working.is_alive()]
    working.join()
    took = sorted(each for _, some in found for each in some)
    return seconds[0], Waited(len(took), percentile(took, 50), percentile(took, 99), max(latency.p99_ms for latency, _ in found))


def _run(replays: Replays, stack: Stack | None, kills: int) -> float:
    """Seconds from the begin of a generation until all of its past is metered."""
    with replays.stack.warehouse() as client:
        scope: Scope = scope_of(client, replays.present(), Asked(products=["api-calls"]), replays.window_ms)
    started = time.perf_counter()
    replays.begin(scope, note="bench")
    generation = replays.current()
    left: list[int] = []
    killed = 0

    def tell(found: Metered) -> None:
        nonlocal killed
        left.append(found.missing)
        most = max(left)
        if stack is not None and killed < kills and found.begun and found.missing < most * (kills - killed) / (kills + 1):
            killed += 1
            stack.kill("meter" if killed % 2 else "rate")

    replays.wait(generation, tell, MOST_S)
    _say(f"generation {generation.number} is complete", seconds=time.perf_counter() - started, kills=killed)
    return time.perf_counter() - started


def _told(replays: Replays) -> tuple[float, int]:
    """Cut over at rest: every invoice has to be what the diff has told before, and none else may change. Seconds of the diff, customers that changed."""
    all_shown(replays.stack.kafka, SHOWN_S)
    started = time.perf_counter()
    with replays.stack.warehouse() as client:
        expected = _totals(client)
        mine = families(replays.present())
        changes = list(differences(client, replays.current(), mine, replays.stack.settings.window_minutes))
        took = time.perf_counter() - started
        for invoice in (each for change in changes for each in change["invoices"]):
            if expected.get(invoice["id"], Decimal(0)) != Decimal(invoice["total"]["before"] or 0):
                raise BenchError(f"the diff tells {invoice['total']} of invoice {invoice['id']}, which is {expected.get(invoice['id'])}")
            expected[invoice["id"]] = Decimal(invoice["total"]["after"] or 0)
        replays.step("cutover")
        billed = _totals(client)
    wrong = {name for name in expected.keys() | billed.keys() if expected.get(name, Decimal(0)) != billed.get(name, Decimal(0))}
    if wrong or not changes:
        raise BenchError(f"{len(changes)} customers change by the diff; {len(wrong)} invoices are billed otherwise: {sorted(wrong)[:3]}")
    return took, len(changes)


def _totals(client: Client) -> dict[str, Decimal]:
    """By invoice."""
    rows: Any = client.query("SELECT id, total FROM invoices").result_rows
    return dict(rows)


def _flipped(deployment: Deployment) -> float:
    """One character of one raw event in ClickHouse is another: verify names the line and the event. Seconds that it takes."""
    with deployment.warehouse() as client:
        [(customer, name)] = client.query(CALL).result_rows
        asked = "FROM usage_event_records FINAL WHERE customer = {customer:String} AND transaction_id = {name:String}"
        flip = "SELECT * REPLACE (mapUpdate(properties, map('calls', if(properties['calls'] = '7', '8', '7'))) AS properties)"
        client.command("CREATE TABLE flipped AS usage_event_records ENGINE = Memory")
        client.command(f"INSERT INTO flipped {flip} {asked}", parameters={"customer": customer, "name": name})
        client.command("INSERT INTO usage_event_records SELECT * FROM flipped")
        client.command("DROP TABLE flipped")
    found = Verifier(deployment).run([customer])
    told = found.different[0] if found.different else {}
    if {each["product"] for each in told.get("lines", ())} != {"api-calls"} or name not in {each["transaction_id"] for each in told.get("events", ())}:
        raise BenchError(f"a byte of event {name} of {customer} was flipped, and verify says {told}")
    return found.seconds


def _say(what: str, **figures: float) -> None:
    """On the way: a run takes many minutes, and what it has found is not lost when it is cut off."""
    print(what, *(f"{name}={value:,.1f}" for name, value in figures.items()), file=sys.stderr, flush=True)


def _step(replays: Replays, what: str) -> float:
    replays.step(what)
    _say(what, seconds=replays.took_s)
    return replays.took_s
