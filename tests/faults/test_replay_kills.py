"""Everything is killed while the past is metered again and usage flows; after the cutover, and after the way back, every bill is exact."""

from pathlib import Path

import pytest

from pipelines.deployment import Deployment
from pipelines.replay.control import Replays
from pipelines.replay.coverage import Metered
from pipelines.replay.planning import Asked, scope_of
from pipelines.testing import PATIENCE_S, Stack, until
from tests.faults.flow import Flow

pytestmark = pytest.mark.long

BEFORE = 2_000
"""Events before the replay begins."""


@pytest.mark.timeout(3600)
def test_a_replay_survives_kills_and_changes_nothing_that_was_right(tmp_path: Path) -> None:
    with Stack(tmp_path, only=["meter", "rate", "sink", "clock"]) as stack:
        flow = Flow(stack, 7_001)
        flow.start()
        until(lambda: len(flow.sent) > BEFORE, "events to replay")
        replays = Replays(Deployment(stack.settings))

        # given a generation of all products, which must come out as it was
        with replays.stack.warehouse() as client:
            scope = scope_of(client, replays.present(), Asked(), replays.window_ms)
        replays.begin(scope, note="nothing was wrong")
        generation = replays.current()

        # when METER and RATE are killed on the way, once without their disks
        steps = [("meter", False), ("rate", False), ("meter", True), ("rate", True), ("sink", False)]

        def tell(found: Metered) -> None:
            if steps:
                name, forget = steps.pop(0)
                stack.back(name, stack.kill(name, forget=forget), PATIENCE_S * 2)

        replays.wait(generation, tell, PATIENCE_S * 5)
        while steps:
            tell(replays.progress(generation))
        replays.step("cutover")
        stack.kill("rate")
        replays.step("back")
        replays.step("cutover")
        flow.stop()

        # then both sets have every event once, and every threshold has fired once
        expected = flow.expected()
        assert flow.billed() == expected
        replays.step("back")
        assert flow.billed() == expected
        assert set(flow.alarms().values()) <= {1}
        replays.step("abort")
        replays.close()
