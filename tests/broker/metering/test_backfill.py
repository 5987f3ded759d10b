"""Products that appear while events flow, on a real broker: their usage from the first event on is there once, whatever is killed meanwhile."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from contracts.catalogue import Catalogue, Metric, Product
from pipelines.testing import Kafka, until
from pipelines.topology import METERED_USAGE
from tests.broker.metering.rig import CATALOGUE, CODEC, Filling, Flow, Process, caught_up, check, committed, publish, records, running

SEED = random.SystemRandom().randrange(1 << 30)
EARLIER = 5_000
"""Events before the product appears: a dozen portions at least, for each is of one partition."""
LATER = msgspec.structs.replace(
    CATALOGUE,
    metrics={
        **CATALOGUE.metrics,
        "peak": Metric(event_types=["call"], aggregation="max", value="n"),
        "last": Metric(event_types=["call"], aggregation="latest", value="n"),
    },
    products={
        **CATALOGUE.products,
        "a-tokens": Product(name="Tokens of a", metric="tokens", where={"model": ["a"]}),
        "a-users": Product(name="Users by model", metric="users", presentation_group_keys=["model"]),
        "peak": Product(name="Peak", metric="peak"),
        "last": Product(name="Last", metric="last", pricing_group_keys=["model"]),
    },
)


def without(*products: str) -> Catalogue:
    return msgspec.structs.replace(CATALOGUE, products={name: each for name, each in CATALOGUE.products.items() if name not in products})


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kafka]:
    with Kafka(tmp_path / "kafka") as kafka:
        kafka.with_topics()
        publish(kafka)
        yield kafka


@pytest.fixture
def filling(broker: Kafka) -> Iterator[Filling]:
    made = Filling(broker)
    yield made
    made.close()


@contextmanager
def backfill(broker: Kafka, filling: Filling, meter: Process) -> Iterator[int]:
    """Usage flows through a METER when products appear; gives how many offsets they lack. In the end METER comes through, and each event counts once for each."""
    flow = Flow(broker, SEED, 1_500).start()
    try:
        with running(meter):
            meter.start()
            until(lambda: committed(broker) > EARLIER, "usage before the products")
            publish(broker, LATER)
            yield until(filling.missing, "a backfill")
            flow.stop()
            caught_up(broker)
            filling.done()
            assert meter.stop() == 0
    finally:
        flow.halt()
    check(broker, flow, LATER)


@pytest.mark.parametrize("local_state", (pytest.param(True, marks=pytest.mark.long), False), ids=["with its store", "without its store"])
def test_sigkill_amid_a_backfill_loses_and_doubles_nothing(broker: Kafka, filling: Filling, tmp_path: Path, local_state: bool) -> None:
    """Given usage that flows, when products appear and METER is killed again and again while it fills their past, then each event counts once for each."""
    meter = Process(broker, tmp_path / "data")
    kills = 0
    with backfill(broker, filling, meter) as begun:
        until(lambda: filling.missing() != begun, "its beginning")
        while (left := filling.missing()) and kills < 3:
            meter.kill()
            kills += 1
            if not local_state:
                shutil.rmtree(tmp_path / "data" / "meter", ignore_errors=True)
            meter.start()
            until(lambda: filling.missing() < left, "progress of the backfill")
    print(f"killed {kills} times")
    assert kills


FORGETFUL = """
import itertools, sys
from pipelines.metering import worker
from pipelines.metering.output import Output
commit, count = Output.commit, itertools.count()

def committed_and_not_told(self, *arguments):
    return commit(self, *arguments) and next(count) % 3 != 2

Output.commit = committed_and_not_told
sys.exit(worker.main(sys.argv[1:]))
"""


def test_a_commit_that_was_not_told_counts_once(broker: Kafka, filling: Filling, tmp_path: Path) -> None:
    """Given a METER that takes every third of its transactions for lost though it is committed, when products appear, then each event counts once for each."""
    with backfill(broker, filling, Process(broker, tmp_path / "data", program=["-c", FORGETFUL])) as begun:
        until(lambda: filling.missing() < begun, "the past comes through")


def counting(meter: Process) -> psutil.Process | None:
    """The process in which it counts the past."""
    assert meter.process is not None
    for each in psutil.Process(meter.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # also of one that has ended and was not asked after
            if "spawn_main" in " ".join(each.cmdline()):
                return each
    return None


def gone(process: psutil.Process) -> bool:
    """It has ended, whether somebody has asked after it or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.long
def test_the_process_that_counts_the_past_may_die_and_does_not_outlive_its_meter(broker: Kafka, filling: Filling, tmp_path: Path) -> None:
    """Given a backfill, when first the process that counts it is killed and then METER, then the past comes through and nothing is left running."""
    meter = Process(broker, tmp_path / "data")
    with backfill(broker, filling, meter) as begun:
        first = until(lambda: counting(meter), "the process that counts")
        first.kill()
        until(lambda: gone(first), "its end")
        second = until(lambda: counting(meter), "another one")
        until(lambda: filling.missing() < begun, "the past comes through")
        meter.kill()
        until(lambda: gone(second), "its end with METER")
        meter.start()
    assert "the past can be read again" in meter.log.read_text()


@pytest.mark.long
def test_partitions_that_move_amid_a_backfill_take_it_along(broker: Kafka, filling: Filling, tmp_path: Path) -> None:
    """Given a backfill under way, when a second worker joins and then the first is killed for good, then the second goes on where the first was."""
    one, two = (Process(broker, tmp_path / "data", number, workers=2) for number in range(2))
    flow = Flow(broker, SEED, 1_500).start()
    try:
        with running(one, two):
            one.start()
            until(lambda: committed(broker) > EARLIER, "usage before the products")
            two.start()
            publish(broker, LATER)
            begun = until(filling.missing, "a backfill")
            until(lambda: filling.missing() < begun, "its progress")
            one.kill()
            flow.stop()
            caught_up(broker)
            filling.done()
            assert two.stop() == 0
    finally:
        flow.halt()
    check(broker, flow, LATER)


@pytest.mark.long
def test_a_product_that_comes_back_gets_only_what_it_missed(broker: Kafka, filling: Filling, tmp_path: Path) -> None:
    """Given a product that is withdrawn and published again while events flow, and no events behind that, then it has all of them once."""
    meter = Process(broker, tmp_path / "data")
    flow = Flow(broker, SEED, 1_000).start()
    try:
        with running(meter):
            meter.start()
            for catalogue in (without("tokens"), CATALOGUE, without("tokens", "users")):
                before = committed(broker)
                until(lambda: committed(broker) > before + 500, "usage")  # noqa: B023 - asked at once
                publish(broker, catalogue)
            flow.stop()
            caught_up(broker)
            publish(broker)  # nothing comes behind it
            filling.done()
            assert meter.stop() == 0
    finally:
        flow.halt()
    check(broker, flow)
    kinds = {CODEC.decode("metered_usage", message.value())["kind"] for message in records(broker, METERED_USAGE.name)}
    assert kinds == {"metered", "backfill"}
