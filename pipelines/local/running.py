"""Stacks from outside: start one in the background, end one, know what runs on a folder. What `up`, `down` and `demo` share.

StackError          the stack did not come up or did not stop; the message has its own words
FolderHeldError     another process owns the folder
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts.errors import TaximeterError
from pipelines.local import addresses, leftovers, stages
from pipelines.local.ownership import FolderHeldError, owner
from pipelines.settings import Settings

UP_S: Final = 120.0
DOWN_S: Final = 120.0
BOOKLESS_S: Final = 2.0
"""A supervisor has an address book from the moment it owns the folder; whoever has none for so long is something else."""
LOOK_S: Final = 0.05
_begun: Final[list[subprocess.Popen[bytes]]] = []
"""Supervisors that this process has started: they outlive it, but as long as it lives it is told of their end."""


class StackError(TaximeterError):
    """A stack does not do what it was asked to."""


def found(data: Path) -> dict[str, Any] | None:
    """The address book of the stack that is up on the folder, after waiting for one that is just starting; none when none runs.

    Raises FolderHeldError when the folder has another owner.
    """
    bookless = time.monotonic() + BOOKLESS_S
    deadline = time.monotonic() + UP_S
    while (pid := owner(data / "run")) is not None:
        book = addresses.read(data)
        if book is not None and book["state"] == "up":
            return book
        now = time.monotonic()
        if now > deadline or (book is None and now > bookless):
            raise FolderHeldError(
                f"up: {data} is held by process {pid}, which is no stack that answers. Stop it (`taximeter down`, or `kill {pid}`), or name another folder with --data",
                pid,
            )
        time.sleep(LOOK_S)
    return None


def detached(settings: Settings) -> dict[str, Any]:
    """Start a stack that outlives this process, and give its address book when it is up. Raises StackError, OSError."""
    log = settings.data / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.local.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **stages.environment(settings, {})},
            start_new_session=True,
        )
    _begun.append(process)
    deadline = time.monotonic() + UP_S
    while process.poll() is None:
        book = addresses.read(settings.data)
        if book is not None and book["pid"] == process.pid and book["state"] == "up":
            return book
        if time.monotonic() > deadline:
            process.terminate()
            process.wait()
        time.sleep(LOOK_S)
    with log.open("rb") as output:
        output.seek(start)
        raise StackError(output.read().decode(errors="replace").strip() or f"up: the supervisor ended with {process.returncode}; its log is {log}")


def ended(data: Path, say: Callable[[str], None]) -> bool:
    """Stop the stack of the folder in order, and what a killed one has left; false when there was none. Raises StackError."""
    pid = owner(data / "run")
    if pid is None:
        left = bool(leftovers.running(data))
        leftovers.end(data, say)
        return left
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_S
    while owner(data / "run") == pid:
        if time.monotonic() > deadline:
            raise StackError(
                f"down: process {pid} has not stopped in {DOWN_S:.0f} s; what it did is in {data / 'logs'}. `kill -9 {pid}` ends it; no data is lost"
            )
        time.sleep(LOOK_S)
    for process in _begun:
        if process.pid == pid:
            process.wait()
    return True
