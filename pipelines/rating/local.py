"""Before RATE starts: the broker answers, the changelog topic is there, and the local state belongs to these topics."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from contracts.errors import TaximeterError
from pipelines.rating.tables import CHANGELOG, TABLE
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METERED_USAGE, RATE_GROUP

log = logging.getLogger("taximeter.rate")

CHANGELOG_TOPIC: Final = f"{RATE_GROUP}-{TABLE}-changelog"
REQUEST_S: Final = 10.0
PAUSE_S: Final = 0.5

_SILENT: Final = logging.getLogger("taximeter.rate.admin")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class SourcesError(TaximeterError):
    """The topics are not as RATE needs them."""


def prepare(settings: Settings, folder: Path, waiting: Callable[[str], None]) -> None:
    """Returns when RATE can start on `folder`. Raises SourcesError, KafkaException."""
    admin = AdminClient(reach(settings.kafka), logger=_SILENT)
    described = _when_it_answers(admin, settings, waiting)
    for topic in (METERED_USAGE, CONTRACT_CHANGES, CLOCK):
        found = len(described[topic.name].partitions)
        if found != settings.partitions:
            raise SourcesError(f"{topic.name} has {found} partitions, and TAXIMETER_PARTITIONS says {settings.partitions}: they are fixed for life")
    if CHANGELOG_TOPIC not in admin.list_topics(timeout=REQUEST_S).topics:
        _make(admin, settings.partitions)
    described = _describe(admin, [CHANGELOG_TOPIC])
    found = len(described[CHANGELOG_TOPIC].partitions)
    if found != settings.partitions:
        raise SourcesError(f"{CHANGELOG_TOPIC} has {found} partitions instead of {settings.partitions}: delete it, and RATE's state is made anew")
    _belong_to(folder, str(described[CHANGELOG_TOPIC].topic_id))


def _when_it_answers(admin: AdminClient, settings: Settings, waiting: Callable[[str], None]) -> Any:
    said = False
    while True:
        try:
            return _describe(admin, [METERED_USAGE.name, CONTRACT_CHANGES.name, CLOCK.name])
        except KafkaException as error:
            reason = f"Kafka at {settings.kafka}: {error.args[0].str()}"
            if not said:
                log.warning("waiting for %s", reason)
                said = True
            waiting(reason)
            time.sleep(PAUSE_S)


def _describe(admin: AdminClient, names: list[str]) -> Any:
    asked = admin.describe_topics(TopicCollection(names), request_timeout=REQUEST_S)
    return {name: future.result() for name, future in asked.items()}


def _make(admin: AdminClient, partitions: int) -> None:
    """The changelog; another worker may be quicker."""
    topic = NewTopic(CHANGELOG_TOPIC, num_partitions=partitions, replication_factor=-1, config=dict(CHANGELOG))
    try:
        admin.create_topics([topic], request_timeout=REQUEST_S)[CHANGELOG_TOPIC].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    while True:
        try:
            described = _describe(admin, [CHANGELOG_TOPIC])[CHANGELOG_TOPIC]
        except KafkaException:
            described = None
        if described is not None and all(each.leader is not None and each.leader.id >= 0 for each in described.partitions):
            return
        time.sleep(0.05)


def _belong_to(folder: Path, topic_id: str) -> None:
    """Local state of another broker's changelog is thrown away."""
    mark = folder / "changelog-id"
    if folder.exists() and (not mark.exists() or mark.read_text(encoding="utf-8") != topic_id):
        log.info("the local state belongs to another changelog: it is made anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(topic_id, encoding="utf-8")
