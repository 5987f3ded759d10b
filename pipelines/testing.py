"""Helpers for tests of whoever runs on the pipeline; ours use them too. Nothing in the product imports this module.

`Kafka`     a broker of its own with the pipeline's topics
`Stack`     a whole stack of its own, whose stages can be killed by name
`until`     waits for something to become true, by asking, and says what it was when it does not
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import psutil

from contracts.errors import TaximeterError
from pipelines.local import addresses, ports, stages, topics, watch
from pipelines.local.addresses import located
from pipelines.local.child import Child
from pipelines.local.kafka_child import KafkaChild
from pipelines.local.ports import USUAL
from pipelines.settings import Settings

PATIENCE_S: Final = 240.0
"""Of the tests with servers: generous, since a slow machine is no failure."""
LOOK_S: Final = 0.05
STOP_S: Final = 90.0

Found = TypeVar("Found")


class StackError(TaximeterError):
    """The stack did not come up."""


class Kafka(KafkaChild):
    """A real broker below `data`. Jars come from the user's cache, as in the product."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, Settings().cache)

    def with_topics(self, **settings: object) -> Self:
        """Make the pipeline's topics, if they are not there."""
        topics.ensure(Settings.model_validate({"kafka": self.bootstrap, **settings}))
        return self


def until(look: Callable[[], Found | None], what: str, patience_s: float = PATIENCE_S) -> Found:
    """The first true answer of `look`. Raises TimeoutError with `what` and the last answer."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {patience_s:.0f} s; at last: {found!r}")
        time.sleep(LOOK_S)
    return found


class Stack:
    """A whole stack on a data folder, on free ports, as `taximeter up` runs it. It ends with the process that started it."""

    def __init__(self, data: Path, *, only: Sequence[str] | None = None, **settings: object) -> None:
        """`only`: just these stages and the servers (meter, rate, sink, clock). `settings`: of `pipelines.settings`, by name."""
        self.data = data
        given = Settings.model_validate({"data": data, **settings})
        self._told = stages.environment(given, {}) | ({} if given.port_base else {"TAXIMETER_PORT_BASE": str(free_ports(len(USUAL)))})
        command = [sys.executable, "-m", "pipelines.local.supervisor", *(["--only", *only] if only else [])]
        self.supervisor = Child("supervisor", command, self._told, data / "logs" / "supervisor.log")

    def start(self, patience_s: float = PATIENCE_S) -> Self:
        """Return when every stage runs. Raises StackError with the supervisor's own words."""
        self.supervisor.start()
        deadline = time.monotonic() + patience_s
        while self.book().get("state") != "up":
            if not self.supervisor.running() or time.monotonic() > deadline:
                words = f"the stack {self.supervisor.ended()}: {self.supervisor.told()}"
                self.stop()
                raise StackError(words)
            time.sleep(LOOK_S)
        return self

    def stop(self) -> bool:
        """In order; true when nobody had to be killed."""
        return self.supervisor.stop(STOP_S)

    @property
    def settings(self) -> Settings:
        """The settings with the stack's addresses."""
        return located(Settings.model_validate({"data": self.data}))

    def book(self) -> dict[str, Any]:
        """The address book; empty while there is none."""
        return addresses.read(self.data) or {}

    def row(self, name: str) -> dict[str, Any]:
        """What `status` tells of a stage: name, pid, state, lag, last_commit_age_s, …"""
        return next((row for row in self.book().get("stages", ()) if row["name"] == name), {})

    def pid(self, name: str) -> int | None:
        """Of a stage that runs."""
        pid: int | None = self.row(name).get("pid")
        return pid

    def kill(self, name: str, *, forget: bool = False) -> int:
        """SIGKILL a stage, as a crash would; with `forget` its local state is gone too, as with a lost disk. Gives the pid that it had."""
        pid = until(lambda: self.pid(name), f"a pid of {name}")
        supervisor = self.supervisor.pid
        if forget and supervisor is not None:
            os.kill(supervisor, signal.SIGSTOP)  # it would start the stage again meanwhile
        try:
            os.kill(pid, signal.SIGKILL)
            if forget:
                until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, f"the end of {name}")
                shutil.rmtree(self.data / name.split("-", maxsplit=1)[0])
        finally:
            if forget and supervisor is not None:
                os.kill(supervisor, signal.SIGCONT)
        return pid

    def back(self, name: str, former: int, patience_s: float = PATIENCE_S) -> int:
        """The pid of the stage once another process than `former` runs for it."""

        def look() -> int | None:
            row = self.row(name)
            return row["pid"] if row.get("pid") not in (None, former) and row["state"] == "running" else None

        return until(look, f"{name} back after {former}", patience_s)

    def quiet(self, patience_s: float = PATIENCE_S) -> None:
        """Return when no stage has anything left to read, twice in a row."""
        calm = 0

        def look() -> bool:
            nonlocal calm
            book = self.book()
            lags = [row["lag"] for row in book.get("stages", ()) if row["lag"] is not None]
            calm = calm + 1 if lags and not any(lags) and book["updated_at"] > since else 0
            return calm > 1

        since = time.time() + 2 * watch.LOOK_S
        until(look, "nothing left to read", patience_s)

    def said(self) -> str:
        """Everything the supervisor has printed."""
        return self.supervisor.log.read_text(encoding="utf-8")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that are free now."""
    while True:
        first = ports.free()
        if all(ports.usable(first + at) for at in range(count)):
            return first
