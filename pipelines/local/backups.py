"""Backups of an embedded stack: its folder, whole, copied while nothing runs on it; checked file by file on the way there and back.

    <backup>/manifest.json    {"version", "program", "made_at", "files": {path: {"bytes", "sha256"}}}; written last: a backup without it is none
    <backup>/data/…           the files

BackupError     a backup can not be made, or is not one that can be trusted; the message says which file
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.errors import TaximeterError
from pipelines.local.ownership import owned, owner

FORM: Final = 1
MANIFEST: Final = "manifest.json"
LEFT_OUT: Final = ("run", "logs")
"""Addresses, pids and locks of a run, and what was said: made anew at every start."""
NAMES: Final = ("owner.lock",)
CHUNK: Final = 4_000_000

Progress = Callable[[int, int], None]
"""Told bytes that are done, and bytes in all."""


class BackupError(TaximeterError):
    """There is no backup that can be trusted."""


class Entry(msgspec.Struct, frozen=True):
    """A file of a backup."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    version: int
    program: str
    made_at: float
    files: dict[str, Entry]

    @property
    def size(self) -> int:
        return sum(entry.bytes for entry in self.files.values())


def make(data: Path, target: Path, since: Path | None = None, progress: Progress = lambda _done, _all: None) -> Manifest:
    """Copy the folder of a stack that does not run into `target`, which must not be there or be empty; equal files of the backup `since` are linked.

    Raises BackupError, FolderHeldError when a stack runs on it, OSError.
    """
    _empty(target, "backup")
    former = read(since).files if since is not None else {}
    with owned(data / "run", "backup"):
        paths = list(_files(data))
        if not paths:
            raise BackupError(f"backup: {data} has no stack: name its folder with --data")
        whole = sum((data / path).stat().st_size for path in paths)
        done = 0
        files = {}
        for path in paths:
            copy = target / "data" / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            entry = _entry(data / path)
            if since is not None and former.get(path) == entry and _entry(since / "data" / path) == entry:
                _linked(since / "data" / path, copy)
            else:
                _copied(data / path, copy, entry)
            files[path] = entry
            done += entry.bytes
            progress(done, whole)
    manifest = Manifest(FORM, version("taximeter"), time.time(), files)
    draft = target / f".{MANIFEST}"
    draft.write_bytes(msgspec.json.encode(manifest))
    draft.replace(target / MANIFEST)
    return manifest


def read(backup: Path) -> Manifest:
    """What a backup says it has. Raises BackupError."""
    try:
        told: dict[str, Any] = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        if told.get("version") != FORM:
            raise BackupError(
                f"{backup}: a backup of form {told.get('version')}; this program reads form {FORM}: use the version that made it ({told.get('program')})"
            )
        return msgspec.convert(told, Manifest)
    except FileNotFoundError:
        raise BackupError(f"{backup}: there is no {MANIFEST}, so this is no backup, or one that was not finished") from None
    except (ValueError, msgspec.ValidationError) as error:
        raise BackupError(f"{backup / MANIFEST}: {error}") from error


def restore(backup: Path, data: Path, progress: Progress = lambda _done, _all: None) -> Manifest:
    """Put a backup into `data`, which must not be there or be empty; it appears when it is whole and every file is what it was.

    Raises BackupError, OSError.
    """
    manifest = read(backup)
    if owner(data / "run") is not None:
        raise BackupError(f"restore: a stack runs on {data}: name another folder with --data, or stop it and move it away")
    _empty(data, "restore")
    draft = data.with_name(f"{data.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)
    done = 0
    for path, entry in manifest.files.items():
        copy = draft / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copied(backup / "data" / path, copy, entry)
        except FileNotFoundError:
            shutil.rmtree(draft, ignore_errors=True)
            raise BackupError(f"{backup / 'data' / path} is missing: this backup can not be trusted, take another one") from None
        except BackupError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        done += entry.bytes
        progress(done, manifest.size)
    if data.exists():
        data.rmdir()
    draft.rename(data)
    return manifest


def _files(data: Path) -> Iterator[str]:
    """Paths of what is kept, relative, in order."""
    for folder, folders, names in os.walk(data):
        at = Path(folder)
        if at == data:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        folders.sort()
        for name in sorted(names):
            if name not in NAMES and (at / name).is_file():
                yield str((at / name).relative_to(data))


def _empty(folder: Path, what: str) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{what}: {folder} is not empty, and nothing is ever written over: name a folder that is empty or not there")


def _entry(path: Path) -> Entry:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Entry(size, digest.hexdigest())


def _copied(source: Path, copy: Path, entry: Entry) -> None:
    """Copy, to the disk, and compare. Raises BackupError when the copy is not what it should be."""
    shutil.copy2(source, copy)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())
    if _entry(copy) != entry:
        raise BackupError(f"{source} is not what it was when it was backed up (size or checksum): this backup can not be trusted, take another one")


def _linked(source: Path, copy: Path) -> None:
    try:
        os.link(source, copy)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, copy)
