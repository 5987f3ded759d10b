"""SIGKILL of every part while events flow, with and without the loss of its local state: nothing is lost, nothing counts twice, without a hand."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.testing import Stack, until
from tests.faults.flow import Flow

pytestmark = pytest.mark.timeout(900)
SEED = int(os.environ.get("TAXIMETER_TEST_SEED", random.SystemRandom().randrange(10**6)))
THRESHOLD = 25_000
BURST = 20_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("faults")) as running:
        yield running


def settled(flow: Flow) -> None:
    """Stop the flow and compare everything with what was worked out beside it."""
    flow.stop()
    expected = flow.expected()
    assert flow.billed() == expected
    assert flow.alarms() == {name: 1 for name, total in expected.items() if total >= THRESHOLD}
    assert flow.kept() == len({event.transaction_id for event in flow.sent})


def more(flow: Flow, count: int) -> None:
    """Return when so many more events were sent."""
    goal = len(flow.sent) + count
    until(lambda: len(flow.sent) >= goal, f"{count} more events")


@pytest.mark.long  # everybody is killed once below, METER and RATE again and again in tests/broker, and at random in test_chaos
@pytest.mark.parametrize(
    ("number", "name", "forget"),
    (
        (0, "meter", False),
        (1, "meter", True),
        (2, "rate", False),
        (3, "rate", True),
        (4, "sink", False),  # it has no state of its own
        (5, "kafka", False),  # its state is the log itself
    ),
    ids=("meter", "meter-and-its-state", "rate", "rate-and-its-state", "sink", "kafka"),
)
def test_a_kill_while_events_flow_changes_no_bill(stack: Stack, number: int, name: str, forget: bool) -> None:
    # given
    flow = Flow(stack, SEED + number)
    flow.start()
    more(flow, 800)
    # when: twice, the second time while it may still be catching up
    for _ in range(2):
        former = stack.kill(name, forget=forget)
        stack.back(name, former)
        more(flow, 400)
    # then
    settled(flow)


def test_everything_killed_one_after_another_while_events_flow_changes_no_bill(stack: Stack) -> None:
    flow = Flow(stack, SEED + 100)
    flow.start()
    more(flow, 400)
    for name in ("sink", "kafka", "meter", "warehouse", "rate", "clock"):
        stack.kill(name)
        more(flow, 100)
    settled(flow)


@pytest.mark.long  # `make chaos` does it too, and test_stack kills one at rest
def test_the_supervisor_killed_while_events_flow_changes_no_bill(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        flow = Flow(stack, SEED + 200)
        flow.start()
        more(flow, 400)
        stack.supervisor.kill()
        stack.start()
        more(flow, 400)
        settled(flow)


def test_a_burst_waits_in_kafka_where_everybody_sees_it_and_passes_by_itself(stack: Stack) -> None:
    # given: METER stands still, so that all of the burst waits for it
    flow = Flow(stack, SEED + 20)
    flow.start()
    more(flow, 400)
    meter = until(lambda: stack.pid("meter"), "a pid of METER")
    os.kill(meter, signal.SIGSTOP)
    try:
        # when: in a moment what comes in a hundred seconds
        flow.burst(BURST)
        more(flow, BURST)
        # then
        until(lambda: (stack.row("meter")["lag"] or 0) >= BURST, "METER's lag in the status")
    finally:
        os.kill(meter, signal.SIGCONT)
    settled(flow)
    stack.quiet()
