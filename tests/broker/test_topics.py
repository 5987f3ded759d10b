"""Topics are made as the topology says, left alone when they fit, and refused with a remedy when they do not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from pipelines.local import topics
from pipelines.local.topics import DAY_MS, TopicsError, mismatches
from pipelines.settings import Settings
from pipelines.testing import Kafka
from pipelines.topology import BALANCES, CONTRACT_CHANGES, TOPICS, USAGE_EVENTS, Topic

FITTING = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "4194304"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("broker")) as running:
        yield running


def at(broker: Kafka, **more: object) -> Settings:
    return Settings(kafka=broker.bootstrap, **more)  # type: ignore[arg-type]


def test_missing_topics_are_made_once_and_fit(broker: Kafka) -> None:
    # when
    first, second = topics.ensure(at(broker)), topics.ensure(at(broker))
    # then
    assert sorted(first) == sorted(topic.name for topic in TOPICS)
    assert second == []
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    there = admin.list_topics(timeout=10).topics
    assert {len(there[topic.name].partitions) for topic in TOPICS} == {12}


def test_another_number_of_partitions_is_an_error_that_says_how_to_mend_it(broker: Kafka) -> None:
    topics.ensure(at(broker))
    with pytest.raises(TopicsError, match=r"usage-events: has 12 partitions, but TAXIMETER_PARTITIONS is 24.*set TAXIMETER_PARTITIONS=12"):
        topics.ensure(at(broker, partitions=24))


def test_a_topic_of_somebody_else_that_loses_records_is_refused_and_not_changed(tmp_path: Path) -> None:
    with Kafka(tmp_path) as broker:
        # given: contract-changes as a broker with automatic topics makes it
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(CONTRACT_CHANGES.name, 12, 1, config={"retention.ms": str(7 * DAY_MS)})])[CONTRACT_CHANGES.name].result()
        # when, then: twice, so the first time has not mended it by itself
        for _ in range(2):
            with pytest.raises(TopicsError, match=r"contract-changes: keeps records for 7 days and must keep them for ever.*--add-config retention.ms=-1"):
                topics.ensure(at(broker))


@pytest.mark.parametrize(
    ("topic", "config", "said"),
    (
        (USAGE_EVENTS, {"retention.ms": str(34 * DAY_MS)}, "for 35 days at least"),
        (USAGE_EVENTS, {"cleanup.policy": "compact"}, "cleanup.policy=delete"),
        (USAGE_EVENTS, {"retention.bytes": "1000"}, "retention.bytes=-1"),
        (USAGE_EVENTS, {"max.message.bytes": "1000"}, "takes messages of 1000 bytes"),
        (BALANCES, {"cleanup.policy": "delete"}, "cleanup.policy=compact"),
        (BALANCES, {"cleanup.policy": "compact,delete"}, "cleanup.policy=compact"),
    ),
)
def test_what_does_not_fit_is_named(topic: Topic, config: dict[str, str], said: str) -> None:
    (found,) = mismatches(topic, 12, FITTING | config, Settings())
    assert found.startswith(f"{topic.name}: ")
    assert said in found


def test_longer_retention_than_needed_fits() -> None:
    assert mismatches(USAGE_EVENTS, 12, FITTING | {"retention.ms": str(35 * DAY_MS)}, Settings()) == []
    assert mismatches(BALANCES, 12, FITTING | {"cleanup.policy": "compact", "retention.ms": str(DAY_MS)}, Settings()) == []
