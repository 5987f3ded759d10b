"""`taximeter migrate` on servers that have nothing yet, and `taximeter stage` on what it made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.local.child import Child
from pipelines.local.warehouse_child import WarehouseChild
from pipelines.settings import Settings
from pipelines.testing import Kafka, until
from pipelines.topology import TOPICS
from pipelines.warehouse.client import connect
from pipelines.warehouse.migrations import migrations

pytestmark = pytest.mark.timeout(600)


def taximeter(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "taximeter.cli", *words]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False)


def test_servers_that_have_nothing_get_topics_and_tables_and_a_stage_runs_on_them(tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as kafka, WarehouseChild(tmp_path / "warehouse") as warehouse:
        # given a broker without topics and a database that nobody has made
        told = {"TAXIMETER_KAFKA": kafka.bootstrap, "TAXIMETER_CLICKHOUSE": f"{warehouse.url}/billing", "TAXIMETER_DATA": str(tmp_path / "stage")}
        everything = {"topics": [topic.name for topic in TOPICS], "migrations": [each.name for each in migrations()]}

        # when: looked at, made, made again
        looked = taximeter(told, "migrate", "--dry-run", "--json")
        in_vain = taximeter(told, "migrate", "--await", "0")
        made = taximeter(told, "migrate", "--wait", "60", "--json")
        again = taximeter(told, "migrate")
        awaited = taximeter(told, "migrate", "--await", "60")

        # then
        assert json.loads(looked.stdout) == {"dry_run": True, **everything}, looked.stderr
        assert json.loads(made.stdout) == {"dry_run": False, **everything}, made.stderr
        assert again.stdout == awaited.stdout == "nothing is missing\n"
        assert in_vain.returncode == 1
        assert "0001_invoices.sql" in in_vain.stderr
        client = connect(Settings(clickhouse=told["TAXIMETER_CLICKHOUSE"]))
        assert client.command("SELECT count() FROM invoice_lines") == 0
        client.close()

        # and topics that do not fit are refused with what to do
        refused = taximeter({**told, "TAXIMETER_PARTITIONS": "5"}, "migrate")
        assert refused.returncode == 2
        assert "TAXIMETER_PARTITIONS=12" in refused.stderr

        # and a stage takes the process over, and ends in order
        child = Child("sink", [sys.executable, "-m", "taximeter.cli", "stage", "sink"], told, tmp_path / "sink.log")
        child.start()
        health = tmp_path / "stage" / "run" / "health-sink.json"
        try:
            until(lambda: health.exists() and json.loads(health.read_text(encoding="utf-8"))["state"] == "running", "SINK runs")
        finally:
            politely = child.stop(60)
        assert politely, child.told()
        assert not health.exists(), "a clean end"


@pytest.mark.parametrize(
    ("told", "words", "says"),
    [
        ({}, ("sink",), "TAXIMETER_KAFKA and TAXIMETER_CLICKHOUSE"),
        ({"TAXIMETER_KAFKA": "k:1", "TAXIMETER_CLICKHOUSE": "http://c"}, ("sink", "--number", "1"), "sink has no number"),
        ({"TAXIMETER_KAFKA": "k:1", "TAXIMETER_CLICKHOUSE": "http://c", "TAXIMETER_WORKERS": "2"}, ("rate", "--number", "2"), "from 0 to 1"),
    ],
)
def test_a_stage_that_cannot_be_meant_is_refused(told: dict[str, str], words: tuple[str, ...], says: str) -> None:
    refused = taximeter(told, "stage", *words)

    assert refused.returncode == 2
    assert says in refused.stderr
