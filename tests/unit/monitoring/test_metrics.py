"""Metrics: the quick histogram counts as the library's own does, and what `deploy/` asks for is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.monitoring import metrics
from pipelines.monitoring.spread import LATENCIES_S, LIVE_MS, Spread

DEPLOY = Path(__file__).parents[3] / "deploy"
OF_PROMETHEUS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
NAME = re.compile(r"\b(?:taximeter|process)_[a-z0-9_]+\b|\bup\b")
NO_NAME = {"taximeter_state"}
"""Also the label of the metric of that name."""


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(each.name, each.labels.get("le", "")): each.value for family in families for each in family.samples if not each.name.endswith("_created")}


@given(st.lists(st.lists(st.sampled_from([0.0, 0.01, 0.0100001, 0.3, 1.0, 299.9, 300.0, 300.1, 5000.0]), max_size=20), max_size=5))
def test_many_values_at_once_count_like_one_after_another(batches: list[list[float]]) -> None:
    # given the same histogram twice
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = Spread("waited_seconds", "How long", LATENCIES_S, ours)
    slow = Histogram("waited_seconds", "How long", buckets=LATENCIES_S, registry=theirs)
    # when
    for batch in batches:
        quick.take(batch)
        for value in batch:
            slow.observe(value)
    # then
    assert samples(ours) == pytest.approx(samples(theirs))


def test_what_is_played_is_no_latency() -> None:
    registry = CollectorRegistry()
    spread = Spread("waited_seconds", "How long", LATENCIES_S, registry)
    now_ms = 2_000_000_000_000
    spread.since([now_ms - 40, now_ms + 5_000, now_ms - LIVE_MS, now_ms - 400 * LIVE_MS], now_ms)
    found = samples(registry)
    assert found["waited_seconds_count", ""] == 2
    assert found["waited_seconds_sum", ""] == pytest.approx(0.04)


def queries(node: Any) -> Iterator[str]:
    """Every `expr` of a dashboard or of rules, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "expr":
                yield value
            else:
                yield from queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from queries(value)


def unknown(asked: str) -> set[str]:
    """Names in a query that no process serves."""
    return {name for name in NAME.findall(asked) if name not in metrics.names() | OF_PROMETHEUS | NO_NAME}


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "taximeter.json").read_text(encoding="utf-8"))
    asked = list(queries(dashboard))
    assert len(asked) > 40
    assert {query: wrong for query in asked if (wrong := unknown(query))} == {}


def test_the_dashboard_has_a_form_that_grafana_reads() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "taximeter.json").read_text(encoding="utf-8"))
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
        assert panel["type"] in ("row", "stat", "timeseries")
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert [target["refId"] for target in panel["targets"]] == [chr(65 + at) for at in range(len(panel["targets"]))]
            assert all(query.count("(") == query.count(")") for query in queries(panel))


def test_the_alert_rules_ask_for_metrics_that_exist() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    asked = list(queries(rules))
    assert len(asked) >= 10
    assert {query: wrong for query in asked if (wrong := unknown(query))} == {}
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("page", "ticket")


def test_prometheus_is_told_of_the_rules_and_of_the_list_of_processes() -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert all((DEPLOY / "prometheus" / name).exists() for name in settings["rule_files"])
    (job,) = settings["scrape_configs"]
    assert job["job_name"] == "taximeter"
    assert job["file_sd_configs"][0]["files"][0].endswith("run/prometheus.json")


def test_every_name_is_ours_and_has_its_unit() -> None:
    units = ("_seconds", "_bytes", "_total", "_records", "_ids", "_events", "_messages", "_documents", "_state", "_partitions", "_queries", "_up", "_restarts")
    ours = [name for name in metrics.names() if not name.startswith("process_")]
    assert len(ours) > 40
    for name in ours:
        assert name.startswith("taximeter_")
        plain = re.sub(r"_(bucket|count|sum)$", "", name)
        assert plain.endswith(units), name
