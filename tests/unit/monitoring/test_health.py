"""What a stage says of itself over HTTP: alive is not enough, and waiting is no illness."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pipelines.health import Health
from pipelines.settings import Settings


def asked(settings: Settings, path: str) -> tuple[int, str]:
    address = json.loads((settings.data / "run" / "health-meter.json").read_text())["metrics"]
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("told", "status", "wrong"),
    (
        ({"state": "running", "lag": 0, "last_progress_at": 0.0}, 200, None),
        ({"state": "running", "lag": 5}, 200, None),
        ({"state": "running", "lag": 5, "last_progress_at": 0.0}, 503, "5 records wait, and nothing was committed"),
        ({"state": "waiting", "lag": 5, "last_progress_at": 0.0, "waiting_for": "Kafka"}, 200, None),
        ({"state": "recovering", "lag": 5, "last_progress_at": 0.0}, 200, None),
        ({"state": "failed", "error": "the disk is gone"}, 503, "the disk is gone"),
    ),
    ids=("idle", "busy", "stuck", "waits for Kafka", "recovers", "failed"),
)
def test_healthy_is_who_makes_progress(tmp_path: Path, told: dict[str, Any], status: int, wrong: str | None) -> None:
    settings = Settings(data=tmp_path)
    with Health(settings, "meter") as health:
        health.report(**told)
        found_status, body = asked(settings, "/healthz")
    found = json.loads(body)
    assert found_status == status
    assert found["healthy"] is (status == 200)
    assert found["state"] == told["state"]
    assert (wrong or "") in (found["wrong"] or "")


def test_who_has_not_told_anything_for_long_is_ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=tmp_path)
    with Health(settings, "meter") as health:
        health.report("running", lag=0)
        assert asked(settings, "/healthz")[0] == 200
        later = time.monotonic() + 3600
        monkeypatch.setattr("pipelines.health.time.monotonic", lambda: later)
        status, body = asked(settings, "/healthz")
    assert status == 503
    assert "has not told anything" in body


def test_metrics_are_those_of_the_stage(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with Health(settings, "meter") as health:
        health.report("running", lag=7)
        status, text = asked(settings, "/metrics")
        assert asked(settings, "/else")[0] == 404
    assert status == 200
    assert "\ntaximeter_lag_records 7.0\n" in text
    assert 'taximeter_state{taximeter_state="running"} 1.0' in text
    assert "taximeter_meter_transaction_seconds_count" in text
    assert "taximeter_rate_" not in text


def test_a_port_that_is_taken_stops_no_stage(tmp_path: Path) -> None:
    first = Settings(data=tmp_path / "first")
    with Health(first, "meter") as health:
        health.report("running")
        port = int(json.loads((first.data / "run" / "health-meter.json").read_text())["metrics"].rpartition(":")[2])
        second = Settings(data=tmp_path / "second", metrics_port=port)
        with Health(second, "sink") as other:
            other.report("running")
            assert "metrics" not in json.loads((second.data / "run" / "health-sink.json").read_text())
