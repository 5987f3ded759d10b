"""Kafka gone for a minute, ClickHouse gone for a minute: each stage waits, says so once, and goes on; nothing is lost."""

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.testing import Kafka, Stack, until
from tests.faults.flow import Flow

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]  # test_kills kills both servers too, for as long as their start takes
SEED = int(os.environ.get("TAXIMETER_TEST_SEED", random.SystemRandom().randrange(10**6)))
GONE_S = float(os.environ.get("TAXIMETER_TEST_GONE_S", "12"))
"""A minute in `make test-long`. Longer than every patience that a stage has with one call."""
STAGES = ("meter", "rate", "sink", "clock")


def gone_for_long() -> None:
    """The time itself is what is tested here."""
    time.sleep(GONE_S)


def restarts(stack: Stack) -> dict[str, int]:
    return {row["name"]: row["restarts"] for row in stack.book()["stages"]}


def words(stack: Stack, name: str) -> str:
    return (stack.data / "logs" / f"{name}.log").read_text(encoding="utf-8")


def test_servers_that_are_gone_for_long_are_waited_for(tmp_path: Path) -> None:
    # given: a stack on servers that are not its own, so that nobody starts them again
    with ExitStack() as servers:
        kafka = servers.enter_context(Kafka(tmp_path / "kafka"))
        warehouse = servers.enter_context(WarehouseChild(tmp_path / "warehouse"))
        stack = servers.enter_context(Stack(tmp_path / "stack", only=STAGES, kafka=kafka.bootstrap, clickhouse=f"{warehouse.url}/taximeter"))
        flow = Flow(stack, SEED)
        flow.start()
        until(lambda: len(flow.sent) > 500, "events")
        before = restarts(stack)

        # when the warehouse is gone, only SINK waits
        warehouse.kill()
        until(lambda: stack.row("sink")["state"] == "waiting", "SINK waits")
        gone_for_long()
        assert stack.row("sink")["waiting_for"]
        assert stack.row("meter")["state"] == "running"
        warehouse.start()
        until(lambda: stack.row("sink")["state"] == "running", "SINK goes on")

        # when the broker is gone, all of them wait
        kafka.kill()
        gone_for_long()
        until(lambda: {stack.row(name)["state"] for name in ("meter", "sink", "clock")} == {"waiting"}, "all wait")
        kafka.start()

        # then they go on, and the bills are right
        for name in STAGES:
            until(lambda name=name: stack.row(name)["state"] == "running", f"{name} goes on")  # type: ignore[misc]
        flow.stop()
        assert flow.billed() == flow.expected()
        after = restarts(stack)
        assert after["clock"] == before["clock"], "it waited and was not started again"
        for name in ("meter", "sink"):
            assert after[name] <= before[name] + 1, f"{name} ends itself at most once, when its Kafka client is done for"
        assert words(stack, "clock").count("waiting; it goes on by itself") == 1
        assert words(stack, "meter").count("waiting; nothing is lost") in {1, 2, 3}, "once by its reading half and once by its committing half"
