"""A full disk is said once when it fills and once when there is room again; meanwhile nothing is started again."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.local.supervisor import LEAST_FREE_BYTES, Supervisor
from pipelines.settings import Settings


class Usage(NamedTuple):
    free: int


def test_a_full_disk_is_said_once_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    said: list[str] = []
    watched = Supervisor(Settings(data=tmp_path), said.append)
    free = LEAST_FREE_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    assert shutil.disk_usage(tmp_path).free == free
    # when, then
    assert watched._room()
    free -= 1
    assert [watched._room() for _ in range(3)] == [False] * 3
    free += 1
    assert [watched._room() for _ in range(3)] == [True] * 3
    assert [text.partition(":")[0] for text in said] == [f"the disk of {tmp_path} has 255 MB left", f"the disk of {tmp_path} has room again"]
