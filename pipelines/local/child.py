"""A child process: output to a file, stopped politely, tethered to whoever started it. The supervisor and the tests start everything with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

MOST_LOG_BYTES: Final = 10_000_000
TAIL_BYTES: Final = 3_000
TETHER: Final = Path(__file__).with_name("tether.py")


class Child:
    """One command, started as often as one likes, running once at most. Not thread safe."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, niceness: int = 0) -> None:
        """`niceness`: how far it lets others go first when the machine is full; 0: not at all."""
        self.name = name
        self.command = list(command)
        self.log = log
        self._niceness = niceness
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        """Start it; what it prints is appended to the log. Raises OSError."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MOST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".1.log"))
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own command lines
                [sys.executable, "-I", str(TETHER), str(os.getpid()), str(self._niceness), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                # Ctrl-C in the terminal is for the supervisor, which stops the stages in order. Not a session: niceness may count within one alone (decision 0204).
                process_group=0,
            )

    @property
    def pid(self) -> int | None:
        """Of the process, running or ended; none before the first start."""
        return self._process.pid if self._process else None

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    def stop(self, patience_s: float) -> bool:
        """SIGTERM, then SIGKILL after `patience_s`; true when SIGTERM was enough."""
        if self._process is None or not self.running():
            return True
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def told(self) -> str:
        """The end of what it has printed since it was started last."""
        try:
            with self.log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def ended(self) -> str:
        """How it ended, in words."""
        code = self.returncode
        if code is None:
            return "it runs"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
