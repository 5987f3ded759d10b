"""Backups: whole or none, checked on the way there and back, and never over anything."""

from pathlib import Path

import pytest

from pipelines.local import backups
from pipelines.local.backups import BackupError
from pipelines.local.ownership import FolderHeldError, owned


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name, text in {
        "kafka/topic-0/0.log": "log",
        "meter/ids": "ids",
        "warehouse/part": "rows",
        "run/stack.json": "{}",
        "logs/up.log": "x",
        "console-secret": "s",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "console-secret").chmod(0o600)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_restored_is_what_was_there(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    manifest = backups.make(data, tmp_path / "backup", progress=lambda done, whole: told.append((done, whole)))
    backups.restore(tmp_path / "backup", tmp_path / "again")

    assert contents(tmp_path / "again") == {name: text for name, text in contents(data).items() if not name.startswith(("run/", "logs/"))}
    assert (tmp_path / "again" / "console-secret").stat().st_mode & 0o777 == 0o600
    assert told[-1] == (manifest.size, manifest.size)


def test_equal_files_of_a_former_backup_are_linked(data: Path, tmp_path: Path) -> None:
    backups.make(data, tmp_path / "one")
    (data / "meter" / "ids").write_text("more ids", encoding="utf-8")

    backups.make(data, tmp_path / "two", since=tmp_path / "one")

    one, two = tmp_path / "one" / "data", tmp_path / "two" / "data"
    assert (two / "warehouse" / "part").samefile(one / "warehouse" / "part")
    assert (two / "meter" / "ids").read_text(encoding="utf-8") == "more ids"
    assert (one / "meter" / "ids").read_text(encoding="utf-8") == "ids"


def test_a_flipped_byte_is_found_and_nothing_is_restored(data: Path, tmp_path: Path) -> None:
    backups.make(data, tmp_path / "backup")
    (tmp_path / "backup" / "data" / "warehouse" / "part").write_text("rowz", encoding="utf-8")

    with pytest.raises(BackupError, match=r"warehouse/part .* can not be trusted"):
        backups.restore(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert not list(tmp_path.glob("*.restoring"))


def test_a_missing_file_is_found(data: Path, tmp_path: Path) -> None:
    backups.make(data, tmp_path / "backup")
    (tmp_path / "backup" / "data" / "meter" / "ids").unlink()

    with pytest.raises(BackupError, match=r"meter/ids is missing"):
        backups.restore(tmp_path / "backup", tmp_path / "again")


def test_nothing_is_written_over(data: Path, tmp_path: Path) -> None:
    backups.make(data, tmp_path / "backup")

    with pytest.raises(BackupError, match="is not empty"):
        backups.make(data, tmp_path / "backup")
    with pytest.raises(BackupError, match="is not empty"):
        backups.restore(tmp_path / "backup", data)


def test_an_unfinished_backup_and_another_form_are_none(data: Path, tmp_path: Path) -> None:
    backups.make(data, tmp_path / "backup")
    manifest = tmp_path / "backup" / backups.MANIFEST
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"version":1', '"version":9'), encoding="utf-8")
    with pytest.raises(BackupError, match="form 9"):
        backups.read(tmp_path / "backup")
    manifest.unlink()
    with pytest.raises(BackupError, match="was not finished"):
        backups.read(tmp_path / "backup")


def test_a_folder_on_which_something_runs_is_not_copied(data: Path, tmp_path: Path) -> None:
    with owned(data / "run", "test"), pytest.raises(FolderHeldError):
        backups.make(data, tmp_path / "backup")
    with owned(data / "run", "test"):
        backups_of_nothing = tmp_path / "none"
        backups_of_nothing.mkdir()
        with pytest.raises(BackupError, match="was not finished"):
            backups.restore(backups_of_nothing, data)


def test_a_folder_without_a_stack_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="has no stack"):
        backups.make(tmp_path / "nothing", tmp_path / "backup")
