"""One owner for each folder, whose pid is told to everybody else."""

import os
import sys
from pathlib import Path

import pytest

from pipelines.local import addresses
from pipelines.local.child import Child
from pipelines.local.ownership import FolderHeldError, owned, owner
from pipelines.settings import Settings
from pipelines.testing import until

HOLD = """
import sys, time; from pathlib import Path; from pipelines.local.ownership import owned
with owned(Path(sys.argv[1]), "test"):
    print("held", flush=True); time.sleep(600)
"""


def test_a_second_owner_is_refused_with_the_pid_of_the_first_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    # given
    first = Child("first", [sys.executable, "-c", HOLD, str(tmp_path)], {"PYTHONPATH": str(Path.cwd())}, tmp_path / "first.log")
    first.start()
    until(lambda: "held" in first.told(), "the lock")
    # when, then
    assert owner(tmp_path) == first.pid
    with pytest.raises(FolderHeldError, match=rf"up: .* is held by process {first.pid}\. Stop it") as refused, owned(tmp_path, "up"):
        pass
    assert refused.value.pid == first.pid
    first.kill()
    assert owner(tmp_path) is None
    with owned(tmp_path, "up"):
        assert owner(tmp_path) == os.getpid()


def test_the_address_book_of_a_killed_stack_counts_for_nothing(tmp_path: Path) -> None:
    # given: a book, and nobody who holds the folder
    addresses.write(tmp_path, {"pid": os.getpid(), "state": "up", "kafka": "127.0.0.1:1", "clickhouse": "http://127.0.0.1:2/t"})
    settings = Settings(data=tmp_path)
    # then
    assert addresses.located(settings).kafka is None
    with pytest.raises(addresses.NotRunningError, match="start one with `taximeter up`"):
        addresses.kafka_of(settings)
    # and when its owner is there
    with owned(tmp_path / "run", "test"):
        assert addresses.kafka_of(settings) == "127.0.0.1:1"
        assert addresses.located(Settings(data=tmp_path, kafka="k:9092")).kafka == "k:9092"
    assert (tmp_path / "run" / "stack.json").stat().st_mode & 0o077 == 0


def test_passwords_are_not_shown() -> None:
    assert addresses.without_password("http://default:s%40cret@127.0.0.1:8123/taximeter") == "http://127.0.0.1:8123/taximeter"
    assert addresses.without_password("http://127.0.0.1:8123/taximeter") == "http://127.0.0.1:8123/taximeter"
