"""The topics of `pipelines.topology` on a broker: made where they are missing, checked where they are there.

    python -m pipelines.local.topics        make and check them on TAXIMETER_KAFKA

Works on the embedded broker and on any other. Nothing that exists is changed: a topic that does not fit is an error that says how to mend it.

TopicsError     topics do not fit, or the broker refuses to make them
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from contracts.errors import TaximeterError
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.topology import ACCEPTED_EVENTS, CLOCK, CONTRACT_CHANGES, METERED_USAGE, TOPICS, USAGE_EVENTS, Topic

DAY_MS: Final = 86_400_000
FOR_EVER: Final = -1
MESSAGE_BYTES: Final = 4_194_304
"""Largest message of a topic that is made here."""
LEAST_MESSAGE_BYTES: Final = 1_000_000
"""What the stages write at most."""
ANY_TIME_MS: Final = 9_223_372_036_854_775_807
CLOCK_SEGMENT_MS: Final = 6 * 3_600_000
REQUEST_S: Final = 30.0
PATIENCE_S: Final = 60.0
PAUSE_S: Final = 0.05

_SILENT: Final = logging.getLogger("taximeter.topics.client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class TopicsError(TaximeterError):
    """The topics are not as the pipeline needs them; one problem a line."""


def ensure(settings: Settings) -> list[str]:
    """Make what is missing, check the rest, and return when every partition has a leader: the names of the topics that were made.

    Raises TopicsError, KafkaException.
    """
    admin = AdminClient(reach(settings.kafka), logger=_SILENT)
    there = admin.list_topics(timeout=REQUEST_S).topics
    missing = [topic for topic in TOPICS if topic.name not in there]
    made = _make(admin, missing, settings.partitions)
    _wait_for_leaders(admin)
    found = problems(settings)
    if found:
        raise TopicsError("\n".join(found))
    return made


def problems(settings: Settings) -> list[str]:
    """What is wrong with the topics that are there or missing, with how to mend it; empty when all fits. Raises KafkaException."""
    admin = AdminClient(reach(settings.kafka), logger=_SILENT)
    there = admin.list_topics(timeout=REQUEST_S).topics
    known = [topic for topic in TOPICS if topic.name in there]
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name) for topic in known], request_timeout=REQUEST_S)
    configs = {resource.name: {name: entry.value for name, entry in future.result().items()} for resource, future in asked.items()}
    found = [
        f"{topic.name}: there is no such topic: make it with `python -m pipelines.local.topics`, or start with `taximeter up`"
        for topic in TOPICS
        if topic not in known
    ]
    for topic in known:
        found += mismatches(topic, len(there[topic.name].partitions), configs[topic.name], settings)
    return found


def mismatches(topic: Topic, partitions: int, config: Mapping[str, str], settings: Settings) -> list[str]:
    """What does not fit in one topic, given what the broker says of it. Pure."""
    found = []
    if partitions != settings.partitions:
        found.append(
            f"{topic.name}: has {partitions} partitions, but TAXIMETER_PARTITIONS is {settings.partitions}. The number is fixed for life, since it decides who owns"
            f" a customer: set TAXIMETER_PARTITIONS={partitions} (if all topics have as many), or use a new data folder or new topics"
        )
    if set(config["cleanup.policy"].split(",")) != {topic.cleanup}:
        found.append(
            _to_set(topic, f"cleanup.policy is {config['cleanup.policy']}, which would lose records that are needed", f"cleanup.policy={topic.cleanup}")
        )
    needed_ms, kept_ms = least_retention_ms(topic, settings), int(config["retention.ms"])
    if kept_ms != FOR_EVER and (needed_ms == FOR_EVER or kept_ms < needed_ms):
        needed = "for ever" if needed_ms == FOR_EVER else f"for {needed_ms // DAY_MS} days at least (what arrives late and repeats are told from it)"
        found.append(_to_set(topic, f"keeps records for {kept_ms / DAY_MS:g} days and must keep them {needed}", f"retention.ms={needed_ms}"))
    if int(config["retention.bytes"]) != FOR_EVER:
        found.append(_to_set(topic, f"keeps {config['retention.bytes']} bytes and must not be cut by size", "retention.bytes=-1"))
    if int(config["max.message.bytes"]) < LEAST_MESSAGE_BYTES:
        found.append(
            _to_set(
                topic,
                f"takes messages of {config['max.message.bytes']} bytes, the stages write up to {LEAST_MESSAGE_BYTES}",
                f"max.message.bytes={MESSAGE_BYTES}",
            )
        )
    return found


def least_retention_ms(topic: Topic, settings: Settings) -> int:
    """How long a topic must keep its records; -1: for ever. A compacted topic is not cut by time."""
    if topic == CONTRACT_CHANGES or topic.cleanup == "compact":
        return FOR_EVER if topic == CONTRACT_CHANGES else 0
    if topic in (USAGE_EVENTS, ACCEPTED_EVENTS, METERED_USAGE):
        return (max(settings.dedup_days, settings.late_days) + 1) * DAY_MS
    return DAY_MS


def _to_set(topic: Topic, wrong: str, config: str) -> str:
    return f"{topic.name}: {wrong}: set it with `kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config {config}`"


def _config(topic: Topic) -> dict[str, str]:
    config = {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(FOR_EVER if topic.retention_ms is None else topic.retention_ms),
        "retention.bytes": str(FOR_EVER),
        "max.message.bytes": str(MESSAGE_BYTES),
        # Months of the past and of the future are played on test clocks.
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": str(ANY_TIME_MS),
    }
    if topic == CLOCK:
        config["segment.ms"] = str(CLOCK_SEGMENT_MS)  # retention removes whole segments only
    return config


def _make(admin: AdminClient, topics: Sequence[Topic], partitions: int) -> list[str]:
    made: list[str] = []
    if not topics:
        return made
    asked = admin.create_topics([NewTopic(topic.name, partitions, config=_config(topic)) for topic in topics], request_timeout=REQUEST_S)
    for name, future in asked.items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was quicker
                raise TopicsError(f"{name}: can not be made: {error.args[0].str()}. Make it by hand, or let this user create topics") from error
        else:
            made.append(name)
    return made


def _wait_for_leaders(admin: AdminClient) -> None:
    """A topic that was just made is led a moment later; who sends before that is told it does not exist."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        there = admin.list_topics(timeout=REQUEST_S).topics
        if all(_is_led(there.get(topic.name)) for topic in TOPICS):
            return
        time.sleep(PAUSE_S)
    raise TopicsError(f"topics have no leader after {PATIENCE_S:.0f} s: look at the broker's log")


def _is_led(topic: Any) -> bool:
    return topic is not None and bool(topic.partitions) and all(each.leader >= 0 for each in topic.partitions.values())


def main() -> int:
    settings = Settings()
    if settings.kafka is None:
        print("topics: set TAXIMETER_KAFKA=host:port of the broker", file=sys.stderr)  # noqa: T201
        return 2
    try:
        made = ensure(settings)
    except (TopicsError, KafkaException) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(f"topics: {len(TOPICS)} fit, {len(made)} of them were made")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
