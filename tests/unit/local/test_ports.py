"""Ports: found free, kept over restarts, and whoever holds one is named."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.local import ports
from pipelines.local.ports import HOST, USUAL, PortError
from pipelines.settings import Settings
from pipelines.testing import free_ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def settings(data: Path, **more: object) -> Settings:
    (data / "run").mkdir(exist_ok=True)
    return Settings.model_validate({"data": data, **more})


def test_a_taken_port_is_an_error_that_names_pid_and_program(taken: int) -> None:
    with pytest.raises(
        PortError, match=rf"kafka: port {taken} of 127.0.0.1 is taken by process {os.getpid()} \(.+\): stop that process, or choose other ports"
    ):
        ports.required(taken, "kafka")


def test_a_preferred_port_that_is_taken_gives_another(taken: int) -> None:
    found = ports.free(taken)
    assert found != taken
    assert ports.usable(found)


def test_a_stack_finds_its_ports_again(tmp_path: Path) -> None:
    first = ports.chosen(settings(tmp_path))
    assert ports.chosen(settings(tmp_path)) == first
    assert set(first) == set(USUAL)
    assert len(set(first.values())) == len(USUAL)


def test_ports_follow_the_base_that_was_asked_for(tmp_path: Path) -> None:
    base = free_ports(len(USUAL))
    assert list(ports.chosen(settings(tmp_path, port_base=base)).values()) == [base, base + 1, base + 2, base + 3]


def test_servers_that_run_elsewhere_need_no_port(tmp_path: Path) -> None:
    assert set(ports.chosen(settings(tmp_path, kafka="k:9092", clickhouse="http://ch:8123/t"))) == {"console"}
