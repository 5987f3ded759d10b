"""What a killed supervisor has left running: found by pid and start time in `<data>/run/pids.json`, and ended before a new stack starts."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

PATIENCE_S: Final = 25.0
"""Its processes were told to stop when it died; they may have a batch to finish."""


def note(data: Path, pids: Mapping[str, int]) -> None:
    """Write down the processes of this stack, by name. Raises OSError."""
    noted = {}
    for name, pid in pids.items():
        with contextlib.suppress(psutil.Error):
            noted[name] = {"pid": pid, "started_at": psutil.Process(pid).create_time()}
    path = _path(data)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(noted), encoding="utf-8")
    draft.replace(path)


def running(data: Path) -> dict[str, psutil.Process]:
    """The noted processes that still run. A pid that another process has got since is none of ours."""
    try:
        noted = json.loads(_path(data).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = {}
    for name, each in noted.items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(each["pid"])
            if abs(process.create_time() - each["started_at"]) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
                found[name] = process
    return found


def end(data: Path, say: Callable[[str], None]) -> None:
    """End them: politely, then not."""
    left = running(data)
    if left:
        say(f"an earlier stack was killed; ending what it left: {', '.join(f'{name} ({process.pid})' for name, process in left.items())}")
    for process in left.values():
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(list(left.values()), PATIENCE_S)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, PATIENCE_S)
    _path(data).unlink(missing_ok=True)


def _path(data: Path) -> Path:
    return data / "run" / "pids.json"
