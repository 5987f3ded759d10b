"""`taximeter bench console`: people at open consoles while usage flows; what that costs the pipeline; and ingest over HTTP.

On a stack of its own. First the latency of the pipeline with no console open, then with `consoles` of them (see `bench.consoles` for what people
do), then events by the paths of Metronome's API, in batches of 100, by the CPU seconds that the console's process takes for them.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.background import ended, flowing
from bench.ingest import BATCH, clients
from bench.report import Figure, percentile, report, spread
from bench.watched import Watched
from bench.workload import Workload, catalogue, customer
from contracts.contract import Contract
from pipelines.edits import Edit
from pipelines.publishing import Publisher
from pipelines.testing import Stack, until
from schemas.codec import Codec
from taximeter.demo.probe import Latency, Probe, documents
from taximeter.outbox import Outbox

NAME: Final = "bench"
WATCHED: Final = "watched"
PROBES: Final = ("probe-warm", "probe-without", "probe-with")
WARM_S: Final = 60
"""A broker compiles for so long (decision 0205)."""
PRICE: Final = Decimal("0.002")
CALLS: Final = 500
"""Each event of the watched customer comes to one unit of the currency."""


class BenchError(RuntimeError):
    """Something did not come through; the message says what."""


class People(NamedTuple):
    """What people did, and what was seen meanwhile."""

    took_ms: list[tuple[str, float]]
    """Each action by its name."""
    seconds: float
    """All of it took."""
    cpu_s: float
    """What their side of it took, which in life is browsers on other machines."""
    live_ms: list[float]
    """From an event to an open page, ascending."""
    latency: Latency
    """Of the pipeline."""


def run(
    consoles: int = 100,
    seconds: float = 60,
    think_s: float = 10,
    background: int = 1_000,
    customers: int = 200,
    probes_per_s: int = 50,
    ingested: int = 100_000,
    keep: str | None = None,
) -> dict[str, Any]:
    """Measure for `seconds` with and without `consoles` whose people do something every `think_s`; `keep`: a folder for the stack's data and logs.

    Raises BenchError, ProbeError, StackError.
    """
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder, Stack(Path(keep or folder)) as stack:
        kafka, partitions = str(stack.settings.kafka), stack.settings.partitions
        publisher = Publisher(kafka, Codec())
        _publish(publisher, customers)
        publisher.close()
        address = str(until(lambda: stack.book().get("console"), "the console has an address"))
        pids = {name: int(until(lambda name=name: stack.pid(name), f"{name} has a process")) for name in ("console", "warehouse")}  # type: ignore[misc]
        probes = int(seconds * probes_per_s)
        with flowing(kafka, background, customers) as flow:
            Probe(kafka, Codec(), PROBES[0], partitions).run(WARM_S * probes_per_s, probes_per_s)
            watched, began = Watched(pids), time.monotonic()
            without = Probe(kafka, Codec(), PROBES[1], partitions).run(probes, probes_per_s)
            alone = _cores(watched, time.monotonic() - began)
            watched = Watched(pids)
            people = _people(
                kafka, address, consoles, seconds, think_s, customers, lambda: Probe(kafka, Codec(), PROBES[2], partitions).run(probes, probes_per_s)
            )
            together, peak_rss_mb = _cores(watched, people.seconds), watched.costs()["console"].peak_rss_mb
            sent_per_s = ended(flow).per_s
        cpu_s, wall_s, request_ms = _ingest(address, pids["console"], ingested)
    took = [each for _, each in people.took_ms]
    names = sorted({name for name, _ in people.took_ms})
    live, latency = people.live_ms, people.latency
    figures = [
        *spread("action", took),
        *(Figure(f"{name}_p99_ms", percentile(sorted(each for of, each in people.took_ms if of == name), 99), "ms") for name in names),
        Figure("actions", len(took), ""),
        *spread("event_to_page", live),
        Figure("console_cores", together["console"], "cores"),
        Figure("people_cores", people.cpu_s / people.seconds, "cores"),
        Figure("warehouse_cores", together["warehouse"], "cores"),
        Figure("warehouse_cores_without", alone["warehouse"], "cores"),
        Figure("console_peak_rss_mb", peak_rss_mb, "MB"),
        Figure("threshold_p50_ms", latency.p50_ms, "ms"),
        Figure("threshold_p99_ms", latency.p99_ms, "ms"),
        Figure("threshold_p50_without_ms", without.p50_ms, "ms"),
        Figure("ingest_events_per_cpu_s", ingested / cpu_s, "1/s"),
        Figure("ingest_events_per_s", ingested / wall_s, "1/s"),
        Figure("ingest_request_p99_ms", percentile(request_ms, 99), "ms"),
    ]
    workload = {
        "consoles": consoles,
        "seconds": seconds,
        "think_s": think_s,
        "background": background,
        "sent_per_s": sent_per_s,
        "customers": customers,
        "probes_per_s": probes_per_s,
        "ingested": ingested,
    }
    return report("console", workload, figures, Figure("threshold_p99_without_ms", without.p99_ms, "ms"), latency.p99_ms / without.p99_ms)


def _cores(watched: Watched, seconds: float) -> dict[str, float]:
    """What each process has used of a core."""
    return {name: cost.cpu_s / seconds for name, cost in watched.costs().items()}


def _publish(publisher: Publisher, customers: int) -> None:
    """Contracts of all, from the first of this month on."""
    start = datetime.now(UTC).strftime("%Y-%m-01")
    names = [*map(customer, range(customers)), WATCHED]
    contracts = [Contract(id=name, customer=name, catalogue=NAME, rate_card="list", starting_at=start) for name in names]
    probed = [documents(name, start) for name in PROBES]
    catalogues = [catalogue(Workload(0, customers), NAME), *(each for each, _ in probed)]
    publisher.publish(Edit(catalogues=catalogues, contracts=[*contracts, *(each for _, each in probed)], recorded_ms={"wall": _now_ms()}))


def _people(
    kafka: str, address: str, consoles: int, seconds: float, think_s: float, customers: int, probe: Any
) -> People:
    """Let people work while usage of one customer flows that somebody looks at, and `probe` measures."""
    outbox = Outbox(kafka, Codec())
    sent: list[float] = []
    done = threading.Event()

    def send() -> None:
        while True:
            sent.append(time.time() * 1000)
            outbox.send(f"{WATCHED}-{len(sent)}", WATCHED, "api_call", _now_ms(), _now_ms(), {"calls": str(CALLS)})
            outbox.flush()
            if done.wait(0.5):
                return

    sender = threading.Thread(target=send)
    sender.start()
    began = time.monotonic()
    # People stay a little longer than the probes, so that these never have the pipeline for themselves.
    command = [sys.executable, "-m", "bench.consoles", address, str(consoles), str(seconds + think_s + 10), str(think_s), str(customers), WATCHED]
    people = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(think_s + 2)
        latency = probe()
        told = people.communicate(timeout=seconds + 300)[0]
    finally:
        people.kill()
        people.wait()
        done.set()
        sender.join()
    if people.returncode:
        raise BenchError("the people at the consoles ended with an error; it is above")
    found = json.loads(told)
    if found["failures"]:
        raise BenchError(f"{len(found['failures'])} actions failed; the first: {found['failures'][0]}")
    live = _seen(list(sent), [(at, int(Decimal(text.replace(",", "")) / (CALLS * PRICE))) for at, text in found["totals"]])
    return People([(name, each) for name, each in found["took_ms"]], time.monotonic() - began, found["cpu_s"], live, latency)


def _seen(sent: Sequence[float], shown: Sequence[tuple[float, int]]) -> list[float]:
    """Ms from each event to the first total on the page that has it, ascending; those that were sent before the page was open or after are left out."""
    took = []
    first = shown[0][1] if shown else 0
    for number, at in enumerate(sent, start=1):
        seen = next((when for when, count in shown if count >= number), None)
        if number > first and seen is not None:
            took.append(seen - at)
    if not took:
        raise BenchError("no event was seen on the open page")
    return sorted(took)


def _ingest(address: str, pid: int, events: int) -> tuple[float, float, list[float]]:
    """CPU seconds of the console's process, seconds by the clock, and ms of each request."""
    clients(address, None, BATCH * 20, "warm")
    watched = Watched({"console": pid})
    took, wall_s = clients(address, None, events, "run")
    return watched.costs()["console"].cpu_s, wall_s, sorted(each * 1000 for each in took)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
