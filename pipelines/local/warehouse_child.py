"""The embedded warehouse as a child process, for tests and for whoever supervises it alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from contracts.errors import TaximeterError

START_S = 120.0


class WarehouseStartError(TaximeterError):
    """The warehouse did not come up; the message has what it said."""


class WarehouseChild:
    """A warehouse on a data folder. `url` is what TAXIMETER_CLICKHOUSE takes."""

    def __init__(self, data: Path, port: int = 0, **environment: str) -> None:
        self._data = data
        self._port = port
        self._environment = environment
        self._log = data / "logs" / "warehouse.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        if self._process is None:
            raise WarehouseStartError("the warehouse was not started")
        return self._process.pid

    def start(self) -> "WarehouseChild":
        """Return when it answers. Raise WarehouseStartError with its own words when it does not."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        health = self._data / "run" / "health-warehouse.json"
        health.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "pipelines.local.warehouse", "--data", str(self._data), "--port", str(self._port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise WarehouseStartError(f"the warehouse ended with {self._process.returncode}: {self._log.read_text()[-2000:]}")
            if health.exists():
                told = json.loads(health.read_text())
                if told["pid"] == self._process.pid:
                    self.url = told["address"]
                    self._port = int(self.url.rpartition(":")[2])
                    return self
            time.sleep(0.02)
        self.kill()
        raise WarehouseStartError(f"the warehouse did not answer in {START_S:.0f} s; its log is {self._log}")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> "WarehouseChild":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
