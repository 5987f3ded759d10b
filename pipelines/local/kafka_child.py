"""The embedded Kafka as a child process, for tests and for whoever supervises it alone."""

import time
from pathlib import Path
from typing import Final, Self

from pipelines.local import kafka, ports
from pipelines.local.child import Child
from pipelines.local.kafka import Broker
from pipelines.local.kafka_folder import KafkaStartError

START_S: Final = 120.0
LOOK_S: Final = 0.25
STOP_S: Final = 20.0


class KafkaChild:
    """A broker on a data folder. It keeps its port over restarts."""

    def __init__(self, data: Path, cache: Path) -> None:
        port = ports.free()
        self.broker = Broker(data, cache, port, ports.free(without=(port,)))
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """What TAXIMETER_KAFKA takes."""
        return self.broker.bootstrap

    @property
    def pid(self) -> int:
        if self._child is None or self._child.pid is None:
            raise KafkaStartError("kafka was not started")
        return self._child.pid

    def start(self) -> Self:
        """Return when it answers. Raises KafkaStartError with its own words when it does not."""
        self._child = Child("kafka", kafka.prepare(self.broker), {}, self.broker.log)
        self._child.start()
        until = time.monotonic() + START_S
        while not kafka.answers(self.bootstrap, LOOK_S):
            if not self._child.running():
                raise KafkaStartError(f"kafka {self._child.ended()}: {self._child.told()}")
            if time.monotonic() > until:
                self._child.kill()
                raise KafkaStartError(f"kafka did not answer in {START_S:.0f} s; its log is {self.broker.data / 'logs' / 'kafka.log'}")
        kafka.compile_aside(self.pid)
        return self

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._child is not None:
            self._child.kill()

    def stop(self) -> bool:
        """SIGTERM; true when that was enough."""
        return self._child is None or self._child.stop(STOP_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
