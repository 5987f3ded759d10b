"""The demo as a newcomer runs it: the whole stack, the whole story, from nothing."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.testing import until

KEYS = ["bill_before", "bill_after", "lines_after", "true_up_draft", "events", "events_per_s", "edit_to_invoice_ms", "event_to_threshold_p99_ms"]
PATIENCE_S = 600


def demo(*options: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "taximeter.cli", "demo", *options]
    environment = {"TMPDIR": str(temporary)}
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=_inherited() | environment)


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TAXIMETER_")}


def processes(folder: Path) -> list[psutil.Process]:
    """Those that were told to work below the folder."""
    found = []
    for process in psutil.process_iter(["environ", "cmdline"]):
        told = process.info["environ"] or {}
        if str(folder) in told.get("TAXIMETER_DATA", "") or any(str(folder) in part for part in process.info["cmdline"] or ()):
            found.append(process)
    return found


def told_right(done: subprocess.CompletedProcess[str], picture: Path) -> None:
    """The figures and the words of the story."""
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    assert list(figures) == KEYS
    assert (figures["bill_before"], figures["bill_after"], figures["true_up_draft"]) == ("51000.00", "39100.00", "60900.00")
    assert figures["lines_after"] == 9
    assert figures["events"] >= 200_000
    assert all(figures[key] > 0 for key in KEYS[-3:])
    assert len(re.findall(r"threshold big-month crossed", done.stderr)) == 1
    assert "Model B tokens, 15–31 Oct: 5,100.00 (680 × 7.5, override half-price, commit annual)" in done.stderr
    assert "39,100.00" in picture.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.timeout(PATIENCE_S + 60)
def test_the_story_ends_by_itself_and_leaves_nothing(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "demo.svg"

    done = demo("--json", "--picture", str(picture), temporary=tmp_path)

    told_right(done, picture)
    assert processes(tmp_path) == []
    assert [each.name for each in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.timeout(PATIENCE_S + 60)
def test_the_story_has_the_figures_it_must_have_and_with_stay_the_stack_answers_until_it_is_taken_down(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "demo.svg"
    done = demo("--json", "--stay", "--picture", str(picture), temporary=tmp_path)
    data = re.search(r"export TAXIMETER_DATA=(\S+)", done.stderr)
    assert data is not None, done.stderr

    def taximeter(*arguments: str) -> str:
        command = [sys.executable, "-m", "taximeter.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=_inherited() | {"TAXIMETER_DATA": data[1]}).stdout

    try:
        told_right(done, picture)
        stages = {stage["name"]: stage["state"] for stage in json.loads(taximeter("status", "--json"))["stages"]}
        assert {"kafka", "warehouse", "meter", "rate", "sink"} <= stages.keys()
        assert set(stages.values()) == {"running"}
        assert "39,100.00" in taximeter("invoice", "acme", "--period", "2025-10")
        assert "60,900.00" in taximeter("balance", "acme")
        assert "big-month" in taximeter("alerts", "--customer", "acme")
        assert "acme" in taximeter("sql", "SELECT customer, product, sum(amount) FROM invoice_lines GROUP BY customer, product")
    finally:
        taximeter("down")
    until(lambda: not processes(Path(data[1])), "everything has ended")


def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taximeter.cli", "demo", "--json"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_inherited() | {"TMPDIR": str(tmp_path)})
    until(lambda: len(processes(tmp_path)) >= 3, "the demo's servers run")

    running.send_signal(signal.SIGKILL)
    running.wait()

    until(lambda: not processes(tmp_path), "everything has ended")
