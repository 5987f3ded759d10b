"""Apache Kafka's jars: named with their hashes in `kafka.lock`, fetched once into the user's cache by jgo, no Maven needed.

    python -m pipelines.local.kafka_jars            fetch and check them (what `taximeter up` does when they are missing)
    python -m pipelines.local.kafka_jars --renew    resolve VERSION anew and write the lock

JarsError       a jar can not be had, or is not the one that was locked; the message says where to put it by hand
"""

import argparse
import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.errors import TaximeterError
from pipelines.settings import Settings

VERSION: Final = "4.3.1"
KAFKA: Final = ("org.apache.kafka", "kafka_2.13", VERSION)
LOGGING: Final = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")
"""Kafka's archive ships this binding, but its POM does not name it: without it the broker has no log."""
LOCK: Final = Path(__file__).with_name("kafka.lock")
CHUNK: Final = 1 << 20


class JarsError(TaximeterError):
    """Kafka's jars are not complete."""


class Jar(NamedTuple):
    group: str
    artifact: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked() -> list[Jar]:
    """The jars of the lock, in the order of the class path."""
    lines = [line.split() for line in LOCK.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    return [Jar._make((*name.split(":"), sha256)) for name, sha256 in lines]


def store(cache: Path) -> Path:
    """Where the jars are: laid out as a Maven repository, so that one can be copied there on a machine without network."""
    return cache / "jars"


def checked(cache: Path) -> list[Path]:
    """The jars that are in the cache already. Raises JarsError when one is missing."""
    paths = [_path(cache, jar) for jar in locked()]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise JarsError(f"kafka: {len(missing)} of {len(paths)} jars are missing, the first is {missing[0]}")
    return paths


def fetched(cache: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """The jars, after fetching those that are missing. Each is checked against its hash once, when it is fetched. Raises JarsError."""
    folder = store(cache)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "fetch.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once fetch once
        missing = [jar for jar in locked() if not _path(cache, jar).exists()]
        if missing:
            say(f"fetching Apache Kafka {VERSION} once: {len(missing)} jars into {folder}")
            context = _context(cache / "fetching")
            for jar in missing:
                _fetch(context, jar, _path(cache, jar))
            shutil.rmtree(cache / "fetching")
    return checked(cache)


def _path(cache: Path, jar: Jar) -> Path:
    return store(cache).joinpath(*jar.group.split("."), jar.artifact, jar.version, f"{jar.artifact}-{jar.version}.jar")


def _context(folder: Path) -> Any:
    import logging  # noqa: PLC0415 - jgo takes a while to import, and nobody needs it once the jars are there

    from jgo.maven import MavenContext  # noqa: PLC0415

    logging.getLogger("jgo").setLevel(logging.ERROR)
    return MavenContext(repo_cache=folder, timeout=30)


def _fetch(context: Any, jar: Jar, target: Path) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    artifact.cached_path.unlink(missing_ok=True)  # what an interrupted fetch has left
    try:
        found: Path = artifact.resolve()
    except (RuntimeError, OSError) as error:
        raise JarsError(f"kafka: {jar} can not be fetched ({error}). Without network, copy the jar to {target}") from error
    sha256 = _sha256(found)
    if sha256 != jar.sha256:
        found.unlink()
        raise JarsError(f"kafka: {jar} has the hash {sha256}, but {LOCK.name} says {jar.sha256}: it was not used. Fetch again, or look at who serves it")
    target.parent.mkdir(parents=True, exist_ok=True)
    found.replace(target)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def renew(cache: Path) -> int:
    """Resolve Kafka's jars anew and write the lock; gives their number. Raises RuntimeError."""
    from jgo.parse import Coordinate  # noqa: PLC0415

    context = _context(cache / "renewing")
    given, needed = context.resolver.resolve([context.create_dependency(Coordinate(*KAFKA, scope="compile"))])
    artifacts = [each.artifact for each in (*given, *needed) if each.scope in ("compile", "runtime")]
    # Not resolved together with Kafka: the binding's parent would then choose versions for Kafka.
    group, name, version = LOGGING
    artifacts.append(context.project(group, name).at_version(version).artifact())
    lines = sorted(f"{each.groupId}:{each.artifactId}:{each.version} {_sha256(each.resolve())}" for each in artifacts)
    head = "# Jars of the embedded Kafka with their SHA-256. Written by `python -m pipelines.local.kafka_jars --renew`.\n"
    LOCK.write_text(head + "\n".join(lines) + "\n", encoding="ascii")
    shutil.rmtree(cache / "renewing")
    return len(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.local.kafka_jars", description="Fetch the jars of the embedded Kafka.")
    parser.add_argument("--renew", action="store_true", help=f"resolve Kafka {VERSION} anew and write {LOCK.name}")
    cache = Settings().cache
    try:
        if parser.parse_args().renew:
            print(f"{LOCK}: {renew(cache)} jars")  # noqa: T201
        else:
            print(f"{len(fetched(cache, print))} jars in {store(cache)}")  # noqa: T201
    except TaximeterError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
