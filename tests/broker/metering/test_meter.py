"""METER on a real broker: whatever is killed, what is on metered-usage is what a plain recomputation finds, to the last unit."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.testing import Kafka, until
from tests.broker.metering.rig import Broker, Flow, Process, caught_up, check, committed, lose_offsets, publish, running

SEED = random.SystemRandom().randrange(1 << 30)
RESTART_S = 20.0
"""A machine that does other things too; alone it takes two or three."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kafka]:
    """One for each test: METER's group and topics are what is tested."""
    with Kafka(tmp_path / "kafka") as kafka:
        kafka.with_topics()
        publish(kafka)
        yield kafka


@pytest.mark.parametrize("local_state", (True, pytest.param(False, marks=pytest.mark.long)), ids=["with its store", "without its store"])
def test_sigkill_amid_batches_loses_and_doubles_nothing(broker: Broker, tmp_path: Path, local_state: bool) -> None:
    """Given usage that flows, when METER is killed again and again, then each event counts once and each reject is told once."""
    dice = random.Random(SEED)
    meter = Process(broker, tmp_path / "data")
    flow = Flow(broker, SEED, 4_000).start()
    slowest = 0.0
    try:
        with running(meter):
            meter.start()
            for _ in range(4):
                before = committed(broker)
                started = time.monotonic()
                until(lambda: committed(broker) > before, "progress")  # noqa: B023 - asked at once
                slowest = max(slowest, time.monotonic() - started)
                time.sleep(dice.uniform(0, 0.3))  # not to wait for anything: to be killed at any moment of a batch
                meter.kill()
                if not local_state:
                    shutil.rmtree(tmp_path / "data" / "meter", ignore_errors=True)
                meter.start()
            flow.stop()
            caught_up(broker)
            assert meter.stop() == 0
    finally:
        flow.halt()
    print(f"slowest restart until the next commit: {slowest:.1f} s")
    check(broker, flow)
    assert slowest < RESTART_S


@pytest.mark.long  # RATE's do in tests/broker/rating, and chaos kills and freezes METERs
def test_workers_that_come_and_go_share_the_work_exactly(broker: Broker, tmp_path: Path) -> None:
    """Given one METER, when a second one joins and then the first is killed for good, then the partitions change hands twice and nothing else does."""
    one, two = (Process(broker, tmp_path / "data", number, workers=2) for number in range(2))
    flow = Flow(broker, SEED, 2_000).start()
    try:
        with running(one, two):
            one.start()
            until(lambda: committed(broker) > 0, "progress of the first")
            two.start()
            until(lambda: "learned" in two.log.read_text(), "partitions of the second")
            before = committed(broker)
            until(lambda: committed(broker) > before + 2_000, "progress of both")
            one.kill()
            flow.stop()
            caught_up(broker)
            assert two.stop() == 0
    finally:
        flow.halt()
    check(broker, flow)


def test_a_process_that_was_taken_for_dead_ends_when_it_wakes(broker: Broker, tmp_path: Path) -> None:
    """Given a METER that is stopped in mid-flow, when another one of its name takes over and the first wakes, then the first ends and nothing counts twice."""
    asleep, heir = Process(broker, tmp_path / "first"), Process(broker, tmp_path / "second")
    flow = Flow(broker, SEED, 2_000).start()
    try:
        with running(asleep, heir):
            asleep.start()
            until(lambda: committed(broker) > 1_000, "progress of the first")
            asleep.signal(signal.SIGSTOP)
            heir.start()
            before = committed(broker)
            until(lambda: committed(broker) > before, "progress of the heir")
            asleep.signal(signal.SIGCONT)
            until(lambda: asleep.ended() is not None, "end of the first")
            flow.stop()
            caught_up(broker)
            assert asleep.ended() != 0
            assert heir.stop() == 0
    finally:
        flow.halt()
    check(broker, flow)


@pytest.mark.long  # twice half a minute; tests/broker/metering/test_id_log.py reads what it goes on from
@pytest.mark.parametrize("local_state", (True, False), ids=["with its store", "without its store"])
def test_what_was_metered_is_not_metered_again_when_kafka_has_lost_what_the_group_had_committed(broker: Broker, tmp_path: Path, local_state: bool) -> None:
    """Given usage that was metered, when the group's offsets are earlier ones or none, then the log of accepted ids tells where to go on."""
    meter = Process(broker, tmp_path / "data")
    flow = Flow(broker, SEED + 1, 4_000).start()
    try:
        with running(meter):
            meter.start()
            until(lambda: committed(broker) > 2_000, "usage")
            assert meter.stop() == 0
            # when: of half of the partitions they are lost, of the others they go back
            lose_offsets(broker)
            if not local_state:
                shutil.rmtree(tmp_path / "data" / "meter")
            meter.start()
            before = len(flow.good)
            until(lambda: len(flow.good) > before + 1_000, "more usage")
            flow.stop()
            caught_up(broker)
            assert meter.stop() == 0
    finally:
        flow.halt()
    check(broker, flow)
    assert "it is read on from there" in meter.log.read_text(encoding="utf-8")
