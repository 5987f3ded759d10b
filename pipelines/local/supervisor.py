"""The supervisor of a stack: starts everything in order, keeps it running, tells how it does, stops it in order.

    python -m pipelines.local.supervisor [--data DIR] [--port-base N] [--workers N]

One owner for each data folder (`<data>/run/owner.lock`). It keeps the address book (`addresses`) and the list of its processes (`leftovers`). When it
is killed, its processes are told to stop by the kernel; the next one waits for them. Nothing is lost either way: every stage goes on from
what it has committed.

StartError      a stage can not be started; the message has its own last words
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from confluent_kafka import KafkaException

from contracts.errors import TaximeterError
from pipelines.local import addresses, kafka, leftovers, ports, stages, topics
from pipelines.local.child import Child
from pipelines.local.kafka import Broker
from pipelines.local.keeping import TRIES, Kept
from pipelines.local.ownership import FolderHeldError, owned
from pipelines.local.ports import PortError
from pipelines.local.topics import TopicsError
from pipelines.local.watch import Watch
from pipelines.monitoring import targets
from pipelines.monitoring.exporter import Exporter
from pipelines.settings import Settings

DATABASE: Final = "taximeter"
LOOK_S: Final = 0.2
ASK_KAFKA_S: Final = 0.3
BOOK_S: Final = 1.0
STOP_S: Final = 20.0
STUCK_S: Final = 120.0
"""A stage that says it runs, has work, and commits nothing at all for so long is started again."""
PARTITION_STUCK_S: Final = 600.0
"""The same of a single partition, while others move: it may just be slow."""
HUNG_STOP_S: Final = 5.0
LEAST_FREE_BYTES: Final = 256_000_000
"""With less on the disk nothing is started again: it would fail, or fill the rest."""

Say = Callable[[str], None]


class StartError(TaximeterError):
    """The stack can not be started."""


class Supervisor:
    """One run of a stack. `run` returns after `stop`, when everything has stopped."""

    def __init__(self, settings: Settings, say: Say, only: Sequence[str] | None = None) -> None:
        self._settings = settings
        self._data = settings.data
        self._say = say
        self._stages = [stage for stage in stages.stages(settings.workers) if only is None or stage.name.split("-")[0] in only]
        self._halt = threading.Event()
        self._hurry = False
        self._kept: dict[str, Kept] = {}
        self._ports: dict[str, int] = {}
        self._addresses: dict[str, str] = {}
        self._watch: Watch | None = None
        self._exporter: Exporter | None = None
        self._rows: list[dict[str, Any]] = []
        """The stages as they were written to the book last."""
        self._state = "starting"
        self._began = 0.0
        self._written = 0.0
        self._full = False
        self._waits_for_kafka = False
        self._heard: dict[str, tuple[float, float]] = {}
        """By name: when its health file was written last, and since when (monotonic) we know that."""

    def stop(self) -> None:
        """Begin to stop; a second time: do not wait for anybody. Safe in a signal handler."""
        self._hurry = self._halt.is_set()
        self._halt.set()

    def run(self) -> None:
        """Raises FolderHeldError, PortError, JarsError, KafkaStartError, TopicsError, StartError, OSError."""
        self._began = time.monotonic()
        with owned(self._data / "run", "up"):
            self._write()
            self._exporter = Exporter(self._settings, lambda: self._rows)
            try:
                leftovers.end(self._data, self._say)
                self._start_servers()
                while not self._halt.is_set():
                    self._turn()
                    self._halt.wait(LOOK_S)
            finally:
                self._state = "stopping"
                self._write()
                self._stop_all()
                self._exporter.close()
                addresses.book_path(self._data).unlink(missing_ok=True)

    # Starting

    def _start_servers(self) -> None:
        """Kafka and the warehouse, side by side; each only when the settings name no other."""
        settings = self._settings
        if settings.kafka is None and settings.kafka_security != "plaintext":
            raise StartError("up: TAXIMETER_KAFKA_SECURITY is for a Kafka of yours, the embedded one has none: name yours in TAXIMETER_KAFKA, or unset it")
        self._ports = ports.chosen(settings)
        if settings.kafka is None:
            self._keep_kafka()
        if settings.clickhouse is None:
            self._keep_warehouse()
        self._addresses = {
            "kafka": settings.kafka or f"{ports.HOST}:{self._ports['kafka']}",
            "clickhouse": settings.clickhouse or f"http://{_credentials(settings)}{ports.HOST}:{self._ports['clickhouse']}/{DATABASE}",
        }

    def _keep_kafka(self) -> None:
        broker = Broker(self._data, self._settings.cache, self._ports["kafka"], self._ports["controller"])
        self._keep(Child("kafka", kafka.prepare(broker, self._say), {}, broker.log), lambda: kafka.last_words(broker))

    def _keep_warehouse(self) -> None:
        stage = stages.warehouse(self._settings, self._ports["clickhouse"])
        told = stages.environment(self._settings.model_copy(update={"metrics_port": 0}), {})
        self._keep(Child(stage.name, stage.command, told, self._data / "logs" / "warehouse.log", stage.niceness))

    def _keep(self, child: Child, words: Callable[[], str] | None = None) -> None:
        kept = Kept(child, words)
        kept.start(time.monotonic())
        self._kept[child.name] = kept
        self._note()

    def _start_stages(self) -> None:
        """When Kafka answers and the warehouse is there."""
        console_port = self._settings.console_port or self._ports.get("console")
        told = stages.environment(self._settings.model_copy(update={"console_port": console_port, "metrics_port": 0}), self._addresses)
        for stage in self._stages:
            self._keep(Child(stage.name, stage.command, told, self._data / "logs" / f"{stage.name}.log", stage.niceness))
        groups = list({group: None for stage in self._stages for group in stage.reads})
        self._watch = Watch(self._addresses["kafka"], groups)
        self._watch.start()
        if self._exporter is not None:
            self._exporter.follow(self._watch, groups)

    # Running

    def _turn(self) -> None:
        now = time.monotonic()
        room = self._room()
        changed = False
        for kept in self._kept.values():
            pid = kept.child.pid
            said = kept.look(now, room=room)
            changed = changed or kept.child.pid != pid or said is not None
            if said:
                self._say(said)
        if changed:
            self._note()
        self._see_who_is_ready()
        if self._state == "starting":
            self._come_up()
        if changed or now - self._written > BOOK_S:
            self._restart_stuck(now)
            self._restart_hung(now)
            self._write()

    def _come_up(self) -> None:
        for kept in self._kept.values():
            if kept.failures >= TRIES and not kept.ready:
                raise StartError(f"up: stopped again, since {kept.name} can not start: {kept.error}")
        if self._watch is None:
            self._move_from_taken_ports()
            if all(kept.ready for kept in self._kept.values()) and self._kafka_answers():
                made = topics.ensure(self._settings.model_copy(update={"kafka": self._addresses["kafka"]}))
                if made:
                    self._say(f"made {len(made)} topics of {self._settings.partitions} partitions")
                self._start_stages()
        elif all(kept.ready for kept in self._kept.values()):
            self._state = "up"
            self._written = 0.0
            self._say(
                f"the stack on {self._data} is up after {time.monotonic() - self._began:.1f} s: Kafka {self._addresses['kafka']}, ClickHouse {self._shown()}"
            )

    def _move_from_taken_ports(self) -> None:
        """Somebody took a port between our look and the server's start: as long as nobody knows the port, another will do."""
        if self._settings.port_base is not None:
            return
        for name, needed in (("kafka", ("kafka", "controller")), ("warehouse", ("clickhouse",))):
            kept = self._kept.get(name)
            if kept is not None and not kept.child.running() and not all(ports.usable(self._ports[each]) for each in needed):
                ports.forget(self._settings)
                self._stop_all()
                self._kept.clear()
                self._start_servers()
                return

    def _kafka_answers(self) -> bool:
        if kafka.answers(self._addresses["kafka"], ASK_KAFKA_S):
            return True
        if not self._waits_for_kafka:
            self._waits_for_kafka = True
            self._say(f"Kafka at {self._addresses['kafka']} does not answer: waiting for it")
        return False

    def _see_who_is_ready(self) -> None:
        for name, kept in self._kept.items():
            if not kept.ready and kept.child.running():
                kept.ready = (
                    kafka.answers(self._addresses["kafka"], ASK_KAFKA_S) if name == "kafka" else self._health(name).get("state", "starting") != "starting"
                )
                if kept.ready and name == "kafka":
                    kafka.compile_aside(kept.child.pid or 0)

    def _restart_hung(self, now: float) -> None:
        for name, kept in self._kept.items():
            if not kept.ready or self._health(name).get("state") not in {"running", "waiting", "failed"}:
                self._heard.pop(name, None)
                continue
            written = (self._data / "run" / f"health-{name}.json").stat().st_mtime
            last, heard = self._heard.setdefault(name, (written, now))
            if last != written:
                self._heard[name] = (written, now)
            elif now - heard > self._settings.hung_s:
                self._say(f"{name} has not said anything for {self._settings.hung_s:.0f} s: starting it again")
                kept.child.stop(HUNG_STOP_S)

    def _restart_stuck(self, now: float) -> None:
        for stage in self._stages:
            kept = self._kept.get(stage.name)
            if kept is None or self._watch is None or not kept.ready or now - kept.started < STUCK_S:
                continue
            standing = self._watch.standing(stage.reads)
            alive_s = now - kept.started
            if standing and self._watch.stuck(stage.reads, STUCK_S, PARTITION_STUCK_S, alive_s) and self._health(stage.name).get("state") == "running":
                self._say(f"{stage.name} runs and does not come through, though {standing.lag} records wait: starting it again")
                kept.child.stop(STOP_S)

    def _room(self) -> bool:
        free = shutil.disk_usage(self._data).free
        full = free < LEAST_FREE_BYTES
        if full != self._full:
            self._full = full
            self._say(
                f"the disk of {self._data} has {free // 1_000_000} MB left: stages that end are started again when there are {LEAST_FREE_BYTES // 1_000_000}; nothing is lost, make room"
                if full
                else f"the disk of {self._data} has room again: going on"
            )
        return not full

    # Telling

    def _health(self, name: str) -> dict[str, Any]:
        """What the stage says of itself, if it is this run of it that says so."""
        try:
            told = json.loads((self._data / "run" / f"health-{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return told if told.get("pid") == self._kept[name].child.pid else {}

    def _write(self) -> None:
        self._written = time.monotonic()
        reads = {stage.name: stage.reads for stage in self._stages}
        self._rows = [self._row(name, kept, reads.get(name, ())) for name, kept in self._kept.items()]
        served = {"exporter": self._exporter.address} if self._exporter and self._exporter.address else {}
        served |= {name: address for name in self._kept if (address := self._health(name).get("metrics"))}
        book = {
            "pid": os.getpid(),
            "state": self._state,
            "kafka": None,
            "clickhouse": None,
            **self._addresses,
            "console": self._health("console").get("address") if "console" in self._kept else None,
            "updated_at": time.time(),
            "metrics": served,
            "stages": self._rows,
        }
        # On a full disk the old book stays.
        with contextlib.suppress(OSError):
            addresses.write(self._data, book)
            targets.write(self._data, served)

    def _row(self, name: str, kept: Kept, reads: tuple[stages.Group, ...]) -> dict[str, Any]:
        health = self._health(name)
        standing = self._watch.standing(reads) if self._watch and reads else None
        moved = standing.moved_at if standing else health.get("last_progress_at") if name == "clock" else None
        state = "down" if not kept.child.running() else "starting" if not kept.ready else str(health.get("state", "running"))
        alive_s = time.monotonic() - kept.started
        if state == "running" and self._watch and self._watch.stuck(reads, STUCK_S / 2, PARTITION_STUCK_S / 2, alive_s):
            state = "stuck"
        own_lag = health.get("lag") if self._settings.workers > 1 else None
        return {
            "name": name,
            "pid": kept.child.pid if kept.child.running() else None,
            "state": state,
            "lag": own_lag if own_lag is not None else standing.lag if standing else None,
            "last_commit_age_s": round(max(0.0, time.time() - moved), 1) if moved else None,
            "restarts": kept.restarts,
            "waiting_for": health.get("waiting_for") or None,
            "error": kept.error,
        }

    def _note(self) -> None:
        with contextlib.suppress(OSError):
            leftovers.note(self._data, {name: kept.child.pid for name, kept in self._kept.items() if kept.child.pid is not None})

    def _shown(self) -> str:
        return addresses.without_password(self._addresses["clickhouse"])

    # Stopping

    def _stop_all(self) -> None:
        """Against the flow: who reads before who is read from; the servers last."""
        if self._watch is not None:
            self._watch.stop()
        order = [name for name in ("clock", *(stage.name for stage in self._stages if stage.name != "clock"), "warehouse", "kafka") if name in self._kept]
        for name in order:
            kept = self._kept[name]
            if not kept.child.stop(0.0 if self._hurry else STOP_S):
                self._say(f"{name} did not stop in time and was killed; it goes on from its last commit at the next start")
        self._note()


def _credentials(settings: Settings) -> str:
    return f"default:{quote(settings.clickhouse_password, safe='')}@" if settings.clickhouse_password else ""


def options() -> argparse.ArgumentParser:
    """The arguments of a supervisor that runs by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.local.supervisor", description="Start a stack and keep it running until SIGTERM.")
    parser.add_argument("--data", type=Path, help="folder of the stack (default: TAXIMETER_DATA)")
    parser.add_argument("--port-base", type=int, help="first of its ports (default: the usual ones, or free ones)")
    parser.add_argument("--workers", type=int, help="METER and RATE processes")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="start just these stages, and the servers")
    return parser


def supervise(settings: Settings, say: Say, only: Sequence[str] | None = None) -> int:
    """Run a stack in this process until SIGTERM or SIGINT; a second signal does not wait for anybody.

    Gives 0, or 1 when it can not be started, or 2 when what was asked for can not be: the folder or a port is taken, topics do not fit.
    """
    supervisor = Supervisor(settings, say, only)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())
    try:
        supervisor.run()
    except (FolderHeldError, PortError, TopicsError) as error:
        say(str(error))
        return 2
    except (TaximeterError, KafkaException, OSError) as error:
        say(str(error))
        return 1
    return 0


def main() -> int:
    given = {name: value for name, value in vars(options().parse_args()).items() if value is not None}
    only = given.pop("only", None)
    return supervise(Settings(**given), lambda text: print(f"{time.strftime('%H:%M:%S')} {text}", flush=True), only)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
