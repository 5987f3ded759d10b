"""A backup of a stack that is at work, restored to another folder: the same bills, and it goes on as the first one does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.testing import until

pytestmark = pytest.mark.timeout(1200)
CATALOGUE = """
catalogue:
  id: shop
  currency: USD
  metrics: {calls: {event_types: [api_call], aggregation: sum, value: calls}}
  products: {api-calls: {name: API calls, metric: calls}}
  rate_cards: {list: {rates: [{product: api-calls, price: {per_unit: "0.01"}}]}}
"""
CONTRACT = """
contract:
  id: acme-1
  customer: acme
  catalogue: shop
  rate_card: list
  starting_at: 2025-10-01
  clock: backup
  thresholds: [{id: big, measure: spend, at: "1"}]
"""


class Operator:
    """Somebody at a shell with one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: str) -> Any:
        command = [sys.executable, "-m", "taximeter.cli", *words, *(["--json"] if words[0] not in {"apply", "clock", "up", "down", "send"} else [])]
        done = subprocess.run(command, env={**os.environ, "TAXIMETER_DATA": str(self.data)}, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if "--json" in command else done.stdout

    def up(self) -> None:
        """A slow machine may need more than one try; a second `up` is harmless."""
        command = [sys.executable, "-m", "taximeter.cli", "up", "--detach"]
        until(
            lambda: (
                subprocess.run(command, env={**os.environ, "TAXIMETER_DATA": str(self.data)}, capture_output=True, timeout=400, check=False).returncode == 0
            ),
            "up",
        )

    def total(self) -> str:
        invoices = self("invoice", "acme", "--period", "2025-10")["invoices"]
        return str(invoices[0]["total"]) if invoices else ""

    def reaches(self, total: str) -> None:
        until(lambda: self.total() == total, f"a total of {total}")


def usage(path: Path, first: int, count: int) -> str:
    """Each event is worth ten cents."""
    rows = [
        {
            "transaction_id": f"t-{number}",
            "customer": "acme",
            "event_type": "api_call",
            "timestamp": "2025-10-05T00:00:00Z",
            "recorded_at": "2025-10-05T00:00:00Z",
            "properties": {"calls": 10},
        }
        for number in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_restored_stack_has_the_same_bills_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    (tmp_path / "acme.yaml").write_text(CONTRACT, encoding="utf-8")
    first, second = Operator(tmp_path / "first"), Operator(tmp_path / "second")
    early, late = usage(tmp_path / "early.jsonl", 0, 50), usage(tmp_path / "late.jsonl", 50, 30)
    try:
        # given a stack with a bill, backed up while it runs
        first.up()
        first("apply", str(tmp_path / "catalogue.yaml"), str(tmp_path / "acme.yaml"))
        first("send", early)
        first("clock", "backup", "--to", "2025-10-06")
        first.reaches("5.00")
        backup = first("backup", str(tmp_path / "backup"))
        assert backup["restarted"] is True
        assert backup["bytes"] > 0

        # when it goes on, and then is lost
        first("send", late)
        first.reaches("8.00")
        alerts = first("alerts")
        first("down")
        second("restore", str(tmp_path / "backup"))
        second.up()

        # then the restored one is as it was at the backup; what came later is sent again, with some that it knows, and counts once
        second.reaches("5.00")
        second("send", early)
        second("send", late)
        second.reaches("8.00")
        assert second("alerts") == alerts, "a crossing does not fire again"
    finally:
        for each in (first, second):
            Operator.__call__(each, "down")


def test_servers_of_others_are_not_copied(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taximeter.cli", "backup", str(tmp_path / "backup")]
    done = subprocess.run(
        command, env={**os.environ, "TAXIMETER_DATA": str(tmp_path), "TAXIMETER_KAFKA": "k:9092"}, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 2
    assert "TAXIMETER_KAFKA" in done.stderr
