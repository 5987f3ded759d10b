"""The demo's own stack: on a temporary folder, gone at the end unless it shall stay.

DemoStackError      it did not come up; the message has the supervisor's words
"""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from contracts.errors import TaximeterError
from pipelines.local import addresses, ports, running, stages
from pipelines.local.child import Child
from pipelines.settings import Settings

UP_S: Final = 900.0
"""With the downloads of a first run."""
STOP_S: Final = 90.0
LOOK_S: Final = 0.05


class DemoStackError(TaximeterError):
    """The stack of the demo did not come up."""


@contextlib.contextmanager
def own_stack(say: Callable[[str], None], *, stay: bool) -> Iterator[Settings]:
    """A stack that is up, for the length of the block; the settings have its addresses. When the block fails its logs are kept.

    `stay`: leave it up after a block that did not fail. Otherwise it ends with this process, however that ends. Raises DemoStackError.
    """
    settings = Settings(data=Path(tempfile.mkdtemp(prefix="taximeter-demo-")), port_base=_free_ports())
    supervisor = None if stay else _tethered(settings)
    done = False
    try:
        if supervisor is None:
            say("starting the stack")
            running.detached(settings)
        else:
            _wait(supervisor, settings, say)
        yield addresses.located(settings)
        done = True
    finally:
        if supervisor is not None:
            supervisor.stop(STOP_S)
        elif not done:
            running.ended(settings.data, say)
        if done and not stay:
            shutil.rmtree(settings.data, ignore_errors=True)
        elif not done:
            say(f"the logs of the stack are in {settings.data / 'logs'}")


def _free_ports() -> int:
    """The first of as many neighbouring ports as a stack needs. Not the usual ones: they are for the stack that a person starts."""
    while True:
        first = ports.free()
        if all(ports.usable(first + at) for at in range(len(ports.USUAL))):
            return first


def _tethered(settings: Settings) -> Child:
    command = [sys.executable, "-m", "pipelines.local.supervisor"]
    child = Child("supervisor", command, stages.environment(settings, {}), settings.data / "logs" / "up.log")
    child.start()
    return child


def _wait(supervisor: Child, settings: Settings, say: Callable[[str], None]) -> None:
    """Until the stack is up, telling what it tells."""
    deadline = time.monotonic() + UP_S
    said = ""
    say("starting Kafka, ClickHouse, METER, RATE and SINK")
    while (addresses.read(settings.data) or {}).get("state") != "up":
        words = supervisor.told()
        if not supervisor.running() or time.monotonic() > deadline:
            raise DemoStackError(f"the stack did not come up, {supervisor.ended()}: {words}")
        last = words.rpartition("\n")[2].partition(" ")[2]
        if last and last != said:
            said = last
            say(last)
        time.sleep(LOOK_S)
