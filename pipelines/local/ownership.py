"""Who owns a folder: one process at a time. The lock is the kernel's, so a killed owner leaves none behind.

FolderHeldError     another process owns it; the message names its pid
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import TaximeterError


class FolderHeldError(TaximeterError):
    """Another process owns the folder."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


@contextlib.contextmanager
def owned(folder: Path, what: str) -> Iterator[None]:
    """Own the folder until the end of the block, or of the process. Raises FolderHeldError; `what` is who wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "owner.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = owner(folder)
            raise FolderHeldError(
                f"{what}: {folder} is held by process {pid or 'unknown'}. Stop it (`taximeter down`, or `kill {pid or 'PID'}`), or name another folder with --data",
                pid,
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def owner(folder: Path) -> int | None:
    """The process that owns the folder now, or none."""
    try:
        with (folder / "owner.lock").open(encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0) or None
    except OSError:
        return None
    return None
