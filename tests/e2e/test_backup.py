"""The data folder of a former release is brought up; it is backed up while at work, restored to another folder, and goes on there: the same bills throughout."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipelines.testing import until

pytestmark = pytest.mark.timeout(1500)
FORMER = Path(__file__).parent / "former"
RELEASES = sorted(FORMER.glob("data-*.tar.xz"))


class Operator:
    """Somebody at a shell with one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._environment = {**os.environ, "TAXIMETER_DATA": str(data), "TAXIMETER_PARTITIONS": "1"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taximeter.cli", *words]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=400, check=False)

    def read(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def up(self) -> None:
        """A slow machine may need more than one try; a second `up` is harmless."""
        until(lambda: self.run("up", "--detach").returncode == 0, "up", 600)

    def has_left(self, remaining: str) -> None:
        until(lambda: [row["remaining"] for row in self.read("balance", "acme")["balances"]] == [remaining], f"{remaining} left of the commit")


def usage(path: Path, number: int) -> str:
    """A thousand calls: two dollars."""
    at = "2025-10-20T18:00:00Z"
    event = {
        "transaction_id": f"later-{number}",
        "customer": "acme",
        "event_type": "api_call",
        "timestamp": at,
        "recorded_at": at,
        "properties": {"calls": 1000},
    }
    path.write_text(json.dumps(event) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("release", RELEASES, ids=[path.name.partition(".")[0] for path in RELEASES])
def test_a_former_folder_comes_up_and_a_backup_of_it_goes_on(release: Path, tmp_path: Path) -> None:
    first, second = Operator(tmp_path / "first"), Operator(tmp_path / "second")
    with tarfile.open(release) as packed:
        packed.extractall(first.data, filter="data")
    one, two = usage(tmp_path / "one.jsonl", 1), usage(tmp_path / "two.jsonl", 2)
    alerts = json.loads((FORMER / "alerts.json").read_text(encoding="utf-8"))
    try:
        # given the folder of a former release, when it is brought up, its bill and its alerts are there
        first.up()
        first.has_left("20.00")
        assert first.read("balance", "acme") == json.loads((FORMER / "balance.json").read_text(encoding="utf-8"))
        assert first.read("alerts") == alerts
        # and it goes on: what the former release had accepted counts once, what is new counts
        first.read("send", str(FORMER / "usage.jsonl"))
        first.read("send", one)
        first.has_left("18.00")

        # when it is backed up while it runs, goes on, and is lost
        backup = first.read("backup", str(tmp_path / "backup"))
        assert backup["restarted"] is True
        first.read("send", two)
        first.has_left("16.00")
        first.run("down")
        second.read("restore", str(tmp_path / "backup"))
        second.up()

        # then the restored one is as it was at the backup; what came later is sent again, with what it knows, and counts once
        second.has_left("18.00")
        second.read("send", one)
        second.read("send", two)
        second.has_left("16.00")
        assert second.read("alerts") == alerts, "a crossing does not fire again"
    finally:
        for each in (first, second):
            each.run("down")


def test_servers_of_others_are_not_copied(tmp_path: Path) -> None:
    environment = {**os.environ, "TAXIMETER_DATA": str(tmp_path), "TAXIMETER_KAFKA": "k:9092"}
    command = [sys.executable, "-m", "taximeter.cli", "backup", str(tmp_path / "backup")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert "TAXIMETER_KAFKA" in done.stderr


def test_former_folders_stay_small() -> None:
    assert RELEASES
    assert all(path.stat().st_size < 300_000 for path in RELEASES)
