"""What can go wrong with a running stack, one function a fault. Each returns when the damage is done; coming back is the stack's own business."""

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
from confluent_kafka import KafkaException, Producer

from pipelines.testing import Stack, until
from pipelines.topology import METERED_USAGE, PARTITIONER, USAGE_EVENTS
from schemas.codec import Codec
from tests.faults.flow import START_MS, Flow

FROZEN_S: Final = (0.5, 14.0)
SLEEP_S: Final = (7.0, 40.0)
"""Shorter and longer than the sessions of the consumer groups (6 and 10 s)."""
SLOW_S: Final = 6.0
FULL_S: Final = 6.0
FULL_BYTES: Final = 65_536
AGAIN: Final = 300
LEFT_OPEN_MS: Final = 4_000
ZOMBIE_MS: Final = 120_000


class Scene(NamedTuple):
    """Where a fault happens."""

    stack: Stack
    flow: Flow
    dice: random.Random
    workers: int

    def stage(self, name: str) -> str:
        """One of the processes of METER or RATE; other stages have one."""
        return f"{name}-{self.dice.randrange(self.workers)}" if self.workers > 1 and name in ("meter", "rate") else name

    def state(self, stage: str) -> Path:
        """The folder of a stage's local state."""
        name, _, number = stage.partition("-")
        return self.stack.data / name / f"{name}-{number or 0}"


Fault = Callable[[Scene], None]


def killed(name: str) -> Fault:
    """SIGKILL, as a crash or the kernel's killer of memory eaters would."""

    def happen(scene: Scene) -> None:
        scene.stack.kill(scene.stage(name))

    return happen


def frozen(name: str) -> Fault:
    """SIGSTOP and SIGCONT: a machine that sleeps, a long pause of memory management. It may come back as a zombie that others have replaced."""

    def happen(scene: Scene) -> None:
        with _stopped(_pid(scene.stack, scene.stage(name))):
            time.sleep(scene.dice.uniform(*FROZEN_S))

    return happen


def all_frozen(scene: Scene) -> None:
    """The whole machine sleeps, for longer than the sessions: on waking everybody finds that he was given up, and all take over from all at once."""
    names = [row["name"] for row in scene.stack.book()["stages"]]
    pids = [pid for name in names if (pid := scene.stack.pid(name)) is not None]
    with ExitStack() as stopped:
        for pid in pids:
            stopped.enter_context(_stopped(pid))
        time.sleep(scene.dice.uniform(*SLEEP_S))


def slow(name: str) -> Fault:
    """A process that runs a fifth of the time."""

    def happen(scene: Scene) -> None:
        pid = _pid(scene.stack, name)
        deadline = time.monotonic() + SLOW_S
        while time.monotonic() < deadline:
            with _stopped(pid):
                time.sleep(0.4)
            time.sleep(0.1)

    return happen


def lost(name: str) -> Fault:
    """SIGKILL and the loss of the local state, as with a disk."""

    def happen(scene: Scene) -> None:
        stage = scene.stage(name)
        _while_down(scene, stage, shutil.rmtree)

    return happen


def corrupted(name: str) -> Fault:
    """SIGKILL, and a file of the local state has other bytes, or fewer, or is gone."""

    def happen(scene: Scene) -> None:
        stage = scene.stage(name)
        _while_down(scene, stage, lambda folder: _spoil(folder, scene.dice))

    return happen


def full(name: str) -> Fault:
    """No file of the process can grow for some seconds: its writes fail as on a full disk.

    Not for the warehouse: the embedded engine takes this error for none. What it does on a full disk is tested in `tests/warehouse`.
    """

    def happen(scene: Scene) -> None:
        pid = _pid(scene.stack, scene.stage(name))
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
            time.sleep(FULL_S)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    return happen


def supervisor_killed(scene: Scene) -> None:
    """The supervisor dies and its processes with it; it is started again as a person or the system would."""
    scene.stack.supervisor.kill()
    scene.stack.start()


def repeated(scene: Scene) -> None:
    """Hundreds of events once more, and in another order."""
    sent = list(scene.flow.sent)
    again = [scene.dice.choice(sent) for _ in range(AGAIN)] if sent else []
    scene.flow.repeat(again)


def clock_moved(scene: Scene) -> None:
    """The customers' clock jumps within the month, also to a time that is over."""
    scene.flow.move_clock(START_MS + scene.dice.randrange(30 * 86_400_000))


def aborted(scene: Scene) -> None:
    """A transaction on usage-events that is taken back, and one that is left open until the broker ends it: neither ever was."""
    producer = _transactional(scene.stack, f"chaos-{scene.dice.randrange(10**9)}")
    producer.begin_transaction()
    _produce_usage(producer, scene, 50)
    producer.flush(30)
    producer.abort_transaction(30)
    producer.begin_transaction()
    _produce_usage(producer, scene, 50)
    producer.flush(30)


def zombie(scene: Scene) -> None:
    """A second METER takes the name of the first, which takes it back; then the second ends its transaction with the epoch of before.

    Raises AssertionError when Kafka takes its word.
    """
    stage = scene.stage("meter")
    former = _pid(scene.stack, stage)
    producer = _transactional(scene.stack, f"taximeter-{stage if scene.workers > 1 else 'meter-0'}", ZOMBIE_MS)
    producer.begin_transaction()
    producer.produce(METERED_USAGE.name, Codec.at(None).encode("metered_usage", _usage_of_nobody(scene)), b"zombie", 0)
    producer.flush(30)
    scene.stack.back(stage, former)
    began = time.time()
    until(lambda: _committed_at(scene.stack, stage) > began, f"a commit of {stage} behind the zombie")
    try:
        producer.commit_transaction(30)
    except KafkaException:
        return
    raise AssertionError("Kafka took the transaction of a producer that was replaced")


FAULTS: Final[dict[str, Fault]] = {
    **{f"{name} killed": killed(name) for name in ("meter", "rate", "sink", "clock", "alerts", "console", "warehouse", "kafka")},
    **{f"{name} frozen": frozen(name) for name in ("meter", "rate", "sink", "warehouse", "kafka")},
    **{f"{name} without its state": lost(name) for name in ("meter", "rate")},
    **{f"{name} with corrupted state": corrupted(name) for name in ("meter", "rate")},
    **{f"{name} on a full disk": full(name) for name in ("meter", "rate", "kafka")},
    "all frozen": all_frozen,
    "warehouse slow": slow("warehouse"),
    "kafka slow": slow("kafka"),
    "supervisor killed": supervisor_killed,
    "events repeated in disorder": repeated,
    "clock jumps": clock_moved,
    "transactions aborted and left open": aborted,
    "zombie producer": zombie,
}


def _pid(stack: Stack, name: str) -> int:
    return until(lambda: stack.pid(name), f"a pid of {name}")


def _committed_at(stack: Stack, name: str) -> float:
    """Epoch seconds of the last commit that the supervisor has seen; 0: none."""
    age_s = stack.row(name).get("last_commit_age_s")
    return 0.0 if age_s is None else float(stack.book()["updated_at"]) - float(age_s)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _while_down(scene: Scene, stage: str, damage: Callable[[Path], None]) -> None:
    """Kill a stage and do something to its files before the supervisor, which is held meanwhile, starts it again."""
    pid, supervisor = _pid(scene.stack, stage), scene.stack.supervisor.pid
    assert supervisor is not None
    with _stopped(supervisor):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, f"the end of {stage}")
        damage(scene.state(stage))


def _spoil(folder: Path, dice: random.Random) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and not path.name.startswith("LOG"))
    if not files:
        return
    path = dice.choice(files)
    size = path.stat().st_size
    kind = dice.choice(("bytes", "shorter", "gone"))
    print(f"{path.relative_to(folder)}: {kind}", flush=True)
    if kind == "bytes":
        with path.open("r+b") as file:
            for _ in range(8):
                file.seek(dice.randrange(size))
                file.write(dice.randbytes(16))
    elif kind == "shorter":
        os.truncate(path, dice.randrange(size))
    else:
        path.unlink()


def _transactional(stack: Stack, name: str, timeout_ms: int = LEFT_OPEN_MS) -> Producer:
    settings = {
        "bootstrap.servers": stack.settings.kafka,
        "transactional.id": name,
        "transaction.timeout.ms": timeout_ms,
        "message.timeout.ms": timeout_ms,
        "partitioner": PARTITIONER,
        "log_level": 2,
    }
    producer = Producer(settings)
    producer.init_transactions(60)
    return producer


def _produce_usage(producer: Producer, scene: Scene, count: int) -> None:
    codec = Codec.at(None)
    for number in range(count):
        event = {
            "transaction_id": f"never-{scene.dice.randrange(10**12)}-{number}",
            "customer": scene.dice.choice(scene.flow.customers),
            "event_type": "api_call",
            "timestamp": START_MS + 1000,
            "properties": {"calls": "1000000"},
        }
        producer.produce(USAGE_EVENTS.name, codec.encode("usage_event", event), event["transaction_id"], timestamp=START_MS + 1050)


def _usage_of_nobody(scene: Scene) -> dict[str, Any]:
    delta = {
        "catalogue": scene.flow.name,
        "product": "api-calls",
        "customer": scene.dice.choice(scene.flow.customers),
        "group": {},
        "window_ms": START_MS,
        "recorded_ms": START_MS,
        "first_ms": START_MS,
        "events": 1,
        "value": "1000000",
        "points": [],
        "members": [],
        "sequence": None,
    }
    return {"kind": "metered", "origin_partition": -1, "origin_offset": -1, "deltas": [delta], "documents": -1}
