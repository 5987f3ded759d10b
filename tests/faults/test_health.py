"""Health is progress: a process that lives and commits nothing is unhealthy, and so is a single partition that stands still among others that move."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipelines.local.watch import Watch
from pipelines.monitoring.exporter import Exporter
from pipelines.settings import Settings
from pipelines.testing import Kafka, Stack, until
from pipelines.topology import BALANCES, RATE_GROUP, USAGE_EVENTS
from tests.faults.flow import Flow

pytestmark = pytest.mark.timeout(900)
SEED = 4711
STUCK_S = 6.0
STAGES = ("meter", "rate", "sink", "clock")


def asked(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def healthz(address: str) -> tuple[int, dict[str, Any]]:
    status, body = asked(address, "/healthz")
    return status, json.loads(body)


def value(text: str, sample: str) -> float:
    """Of a sample in Prometheus's text; 0 while there is none."""
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} ")), 0.0)


def test_a_stage_that_lives_and_commits_nothing_is_unhealthy_and_metrics_tell_of_the_flow(tmp_path: Path) -> None:
    with Stack(tmp_path, only=STAGES, stuck_s=STUCK_S) as stack:
        # given events that flow, and Prometheus's list of all processes
        flow = Flow(stack, SEED)
        flow.start()
        served: dict[str, str] = until(
            lambda: found if len(found := stack.book().get("metrics", {})) == len(STAGES) + 2 else None, "addresses of all processes"
        )
        listed = until(lambda: json.loads((tmp_path / "run" / "prometheus.json").read_text()), "the list for Prometheus")
        assert {each["labels"]["stage"]: each["targets"] for each in listed} == {name: [address] for name, address in served.items()}
        until(lambda: len(flow.sent) > 300, "events")
        until(lambda: value(asked(served["meter"], "/metrics")[1], 'taximeter_meter_events_total{outcome="accepted"}') > 100, "METER counts")
        until(lambda: value(asked(served["rate"], "/metrics")[1], 'taximeter_rate_records_total{topic="metered-usage"}') > 0, "RATE counts")
        until(lambda: value(asked(served["sink"], "/metrics")[1], 'taximeter_sink_records_total{lane="results"}') > 0, "SINK counts")
        until(lambda: healthz(served["exporter"])[0] == 200, "all is well")

        # when RATE is there, and stands still
        pid = stack.pid("rate")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            # then the supervisor says so, whatever the process table says
            status, found = until(lambda: answer if RATE_GROUP in (answer := healthz(served["exporter"]))[1]["stuck_s"] else None, "RATE is unhealthy")
            assert status == 503
            assert any(RATE_GROUP in each for each in found["wrong"])
            until(
                lambda: value(asked(served["exporter"], "/metrics")[1], f'taximeter_group_stuck_seconds{{group="{RATE_GROUP}"}}') > STUCK_S, "the metric tells"
            )
        finally:
            os.kill(pid, signal.SIGCONT)

        # and when it goes on, it is well again and nothing is missing
        until(lambda: healthz(served["exporter"])[0] == 200, "all is well again")
        flow.stop()
        assert flow.billed() == flow.expected()


@pytest.mark.long
def test_one_partition_that_stands_still_among_others_that_move_is_unhealthy(tmp_path: Path) -> None:
    with Kafka(tmp_path) as kafka:
        kafka.with_topics(partitions=2)
        # given a group that reads both partitions of a topic
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "group", "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.assign([TopicPartition(USAGE_EVENTS.name, 0), TopicPartition(USAGE_EVENTS.name, 1)])
        group = ("group", (USAGE_EVENTS.name, BALANCES.name))
        watch = Watch(kafka.bootstrap, [group])
        exporter = Exporter(Settings(data=tmp_path, stuck_s=STUCK_S))
        exporter.follow(watch, [group])
        watch.start()

        def pump() -> dict[str, Any]:
            """A record for each partition; what arrives is committed."""
            for partition in (0, 1):
                producer.produce(USAGE_EVENTS.name, b"x", partition=partition)
            producer.flush(30)
            found = [each for each in consumer.consume(10, 0.2) if each.error() is None]
            if found:
                consumer.commit(offsets=[TopicPartition(each.topic(), each.partition(), each.offset() + 1) for each in found], asynchronous=False)
            return exporter.verdict()

        try:
            began = time.monotonic()
            until(lambda: pump()["healthy"] and time.monotonic() - began > 2 * STUCK_S, "both move for a while, and all is well")

            # when one of them is paused, while the other moves on
            consumer.pause([TopicPartition(USAGE_EVENTS.name, 1)])
            # then the group is unhealthy
            found = until(lambda: verdict if not (verdict := pump())["healthy"] else None, "unhealthy")
            assert set(found["stuck_s"]) == {"group"}

            # and well again when it moves
            consumer.resume([TopicPartition(USAGE_EVENTS.name, 1)])
            until(lambda: pump()["healthy"], "healthy")
        finally:
            exporter.close()
            watch.stop()
            consumer.close()
