"""`up`, `status`, `down` on real servers: one stack a folder, stages started again, data kept, errors that say what to do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from pipelines.clock import WALL, standings
from pipelines.local import leftovers, running
from pipelines.local.ownership import owner
from pipelines.local.ports import HOST, USUAL
from pipelines.offsets import ends
from pipelines.settings import Settings
from pipelines.testing import Kafka, Stack, free_ports, until
from pipelines.topology import CLOCK, USAGE_EVENTS
from schemas.codec import Codec

SHAPE = {"name", "pid", "state", "lag", "last_commit_age_s"}


def taximeter(*arguments: str, data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "TAXIMETER_DATA": str(data), "PYTHONPATH": str(Path.cwd()), **environment}
    return subprocess.run([sys.executable, "-m", "taximeter.cli", *arguments], capture_output=True, text=True, env=told, timeout=150, check=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), only=["clock"]) as running_stack:
        yield running_stack


def test_status_has_the_public_shape_and_tells_who_comes_through(stack: Stack) -> None:
    # when
    done = taximeter("status", "--json", data=stack.data)
    told = json.loads(done.stdout)
    # then
    assert done.returncode == 0, done.stderr
    assert set(told) == {"kafka", "clickhouse", "console", "stages"}
    assert told["kafka"] == stack.settings.kafka
    assert told["clickhouse"] == stack.settings.clickhouse
    assert [row["name"] for row in told["stages"]] == ["kafka", "warehouse", "clock"]
    for row in told["stages"]:
        assert set(row) == SHAPE
        assert row["state"] == "running"
        assert Path(f"/proc/{row['pid']}").exists() or sys.platform != "linux"
    assert until(lambda: stack.row("clock")["last_commit_age_s"], "a tick") < 5.0
    assert "kafka" in taximeter("status", data=stack.data).stdout


def test_a_second_up_on_the_folder_says_where_the_stack_is_and_changes_nothing(stack: Stack) -> None:
    before = [row["pid"] for row in stack.book()["stages"]]
    # when
    done = taximeter("up", "--detach", data=stack.data)
    # then
    assert done.returncode == 0, done.stderr
    assert f"runs already (process {stack.supervisor.pid})" in done.stdout
    assert str(stack.settings.kafka) in done.stdout
    assert [row["pid"] for row in stack.book()["stages"]] == before


def test_the_clock_ticks_on_every_partition(stack: Stack) -> None:
    bootstrap = str(stack.settings.kafka)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    until(lambda: all(end > 1 for end in ends(admin, [(CLOCK.name, number) for number in range(12)]).values()), "two ticks on each partition")
    assert abs(standings(bootstrap, Codec.at(None))[WALL] - time.time() * 1000) < 10_000


@pytest.mark.parametrize("name", ("clock", "warehouse", "kafka"))
def test_what_is_killed_is_started_again(stack: Stack, name: str) -> None:
    former = stack.kill(name)
    stack.back(name, former)
    assert f"{name} ended by SIGKILL" in stack.said()
    # and the clock goes on, whoever was gone
    since = time.time()
    until(lambda: standings(str(stack.settings.kafka), Codec.at(None))[WALL] / 1000 > since, "a tick after that")


def test_doctor_finds_a_running_stack_in_order(stack: Stack) -> None:
    def asked() -> dict[str, str]:
        done = taximeter("doctor", "--json", data=stack.data)
        return {finding["check"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}

    # Kafka was killed a moment ago: a stage that has not noticed yet says that it runs, and then that it waits.
    until(lambda: asked()["owner"] == "ok", "a stack in which no stage waits")
    states = asked()
    assert {states[name] for name in ("java", "jars", "owner", "kafka", "topics", "migrations", "clock")} == {"ok"}


@pytest.mark.long  # tests/e2e/test_backup.py does it too, with data of a former release
def test_down_and_up_again_keep_data_and_ports(tmp_path: Path) -> None:
    base = free_ports(len(USUAL))
    settings = Settings(data=tmp_path, port_base=base)
    # given: a stack that outlives the command that started it, with a record
    started = running.detached(settings)
    try:
        assert started["kafka"] == f"{HOST}:{base}"
        producer = Producer({"bootstrap.servers": started["kafka"]})
        producer.produce(USAGE_EVENTS.name, b"kept", b"k", 0)
        assert producer.flush(30) == 0
        del producer
        # when
        done = taximeter("down", data=tmp_path)
        # then
        assert done.returncode == 0, done.stderr
        assert "its data stays" in done.stdout
        assert owner(tmp_path / "run") is None
        assert leftovers.running(tmp_path) == {}
        assert taximeter("status", "--json", data=tmp_path).returncode == 1
        again = running.detached(settings)
        admin = AdminClient({"bootstrap.servers": again["kafka"]})
        assert ends(admin, [(USAGE_EVENTS.name, 0)]) == {(USAGE_EVENTS.name, 0): 1}
    finally:
        running.ended(tmp_path, print)
    assert "no stack is running" in taximeter("down", data=tmp_path).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next up ends the processes")
def test_after_sigkill_of_the_supervisor_nothing_runs_on_for_ever_and_up_goes_on_from_the_data(tmp_path: Path) -> None:
    # given
    with Stack(tmp_path, only=["clock"]) as stack:
        kafka = str(stack.settings.kafka)
        producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
        for number in range(100):
            producer.produce(USAGE_EVENTS.name, b"%d" % number, b"k", 0)
        assert producer.flush(30) == 0
        del producer
        pids = [row["pid"] for row in stack.book()["stages"]]
        # when
        assert stack.supervisor.pid is not None
        os.kill(stack.supervisor.pid, signal.SIGKILL)
        stack.supervisor.kill()
        # then: the address book of the dead stack counts for nothing, and a new one starts without a hand
        assert stack.book() == {}
        stack.start()
        assert stack.settings.kafka == kafka
        assert not set(pids) & {row["pid"] for row in stack.book()["stages"]}
        assert ends(AdminClient({"bootstrap.servers": kafka}), [(USAGE_EVENTS.name, 0)]) == {(USAGE_EVENTS.name, 0): 100}
    assert leftovers.running(tmp_path) == {}


def test_a_port_that_is_taken_is_refused_with_the_holder(tmp_path: Path) -> None:
    base = free_ports(len(USUAL))
    with socket.socket() as server:
        server.bind((HOST, base + 1))
        server.listen()
        done = taximeter("up", "--port-base", str(base), data=tmp_path)
    assert done.returncode == 2
    assert f"clickhouse: port {base + 1} of {HOST} is taken by process {os.getpid()}" in done.stdout + done.stderr


def test_a_folder_that_another_process_holds_is_refused_with_its_pid(tmp_path: Path) -> None:
    from pipelines.local.ownership import owned

    with owned(tmp_path / "run", "test"):
        done = taximeter("up", "--detach", data=tmp_path)
    assert done.returncode == 2
    assert f"is held by process {os.getpid()}" in done.stderr


@pytest.mark.long  # outages are tested on such a stack too
def test_servers_that_run_elsewhere_are_used_and_not_started(tmp_path: Path) -> None:
    with (
        Kafka(tmp_path / "elsewhere") as kafka,
        Stack(tmp_path / "own", only=["clock"], kafka=kafka.bootstrap, clickhouse="http://127.0.0.1:9/taximeter") as stack,
    ):
        assert [row["name"] for row in stack.book()["stages"]] == ["clock"]
        assert stack.book()["kafka"] == kafka.bootstrap
        # and when that Kafka is gone for a while, the stage waits and goes on
        kafka.kill()
        until(lambda: stack.row("clock")["state"] == "waiting", "the clock waits")
        kafka.start()
        until(lambda: stack.row("clock")["state"] == "running", "the clock goes on")
        log = (tmp_path / "own" / "logs" / "clock.log").read_text()
        assert log.count("does not take ticks") == 1
        assert log.count("answers again") == 1


def test_topics_of_another_shape_are_refused_before_any_stage_starts(tmp_path: Path) -> None:
    with Kafka(tmp_path / "elsewhere") as kafka:
        kafka.with_topics(partitions=3)
        done = taximeter("up", data=tmp_path / "own", TAXIMETER_KAFKA=kafka.bootstrap, TAXIMETER_CLICKHOUSE="http://127.0.0.1:9/taximeter")
    assert done.returncode == 2
    assert "set TAXIMETER_PARTITIONS=3" in done.stdout


def test_a_stage_that_hangs_is_started_again(tmp_path: Path) -> None:
    # given: a clock that is alive and does nothing any more
    with Stack(tmp_path, only=["clock"], hung_s=3) as stack:
        former = until(lambda: stack.pid("clock"), "a clock")
        os.kill(former, signal.SIGSTOP)
        # then
        stack.back("clock", former)
        assert "clock has not said anything" in stack.said()
