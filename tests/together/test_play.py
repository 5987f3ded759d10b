"""Every case through a running pipeline: the same result as offline, digest, alerts and rejects included."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.offline import rate
from contracts.rendering import result_json
from pipelines.deployment import Deployment
from pipelines.documents import load_case
from pipelines.testing import Stack
from taximeter.play.player import Player
from tests.expectation import differences

WRITTEN = Path(__file__).parents[1] / "cases"
FILES, FOUND = WRITTEN / "files", WRITTEN / "found"
ROUTED = [FOUND / f"{name}.yaml" for name in ("product-added-later", "unknown-id-and-a-usage-filter", "usage-of-an-alias-comes-at-once")]
"""What METER decides before anybody rates it."""
CASES = [*ROUTED, *(path for path in sorted(FILES.glob("*.yaml")) if "refused" not in path.stem)]
MOVING = {"id"}
"""Ids of invoices and lines are computed from names, and these are fresh ones."""


@pytest.fixture(scope="module")
def player(stack: Stack) -> Iterator[Player]:
    made = Player(Deployment(stack.settings))
    yield made
    made.close()


def bare(value: object) -> object:
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key not in MOVING or ("amount" not in value and "lines" not in value)}
    return [bare(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_pipeline_gives_the_offline_result(path: Path, player: Player) -> None:
    # given a case and its result offline
    case = load_case(path)
    offline = [result_json(result) for result in rate(case)]
    # when it goes through Kafka, METER, RATE, SINK and ClickHouse
    played = [result_json(result) for result in player.play(case)]
    # then everything is the same, and what the case expects
    expects = [reading.expect for reading in case.readings] or [case.expect]
    assert [differences(expect, result) for expect, result in zip(expects, played, strict=True)] == [[] for _ in expects]
    assert bare(played) == bare(offline)


def test_several_at_once_do_not_disturb_each_other(stack: Stack) -> None:
    # given two programs that play into one stack at the same time, one of them the same case twice
    told = {"TAXIMETER_DATA": str(stack.data)}
    edit, alias = FILES / "october-demo-edit.yaml", FILES / "alias-added-later.yaml"
    command = [sys.executable, "-m", "taximeter.cli", "play", "--json"]
    running = [subprocess.Popen([*command, *files], stdout=subprocess.PIPE, text=True, env=told) for files in ([edit, edit], [alias, edit])]
    # when both have ended
    found = [json.loads(each.communicate(timeout=120)[0]) for each in running]
    # then each has the results of its cases
    expected = {path: result_json(rate(load_case(path))[0])["digest"] for path in (edit, alias)}
    assert [[result["digest"] for result in results] for results in found] == [[expected[edit], expected[edit]], [expected[alias], expected[edit]]]


def test_a_refused_case_publishes_nothing(stack: Stack) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "taximeter.cli", "play", FILES / "october-demo-edit-refused.yaml"],
        capture_output=True,
        text=True,
        env={"TAXIMETER_DATA": str(stack.data)},
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert "access total" in told.stderr
