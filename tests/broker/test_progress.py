"""Whether everything has come through: by what the groups have committed, also of what was written before anybody asked."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.holds.passage import Ends
from pipelines.progress import Progress, StalledError, all_shown
from pipelines.rating.watermark import Watermark
from pipelines.testing import Kafka, until
from pipelines.topology import METER_GROUP, METERED_USAGE, RATE_GROUP, SINK_GROUP, USAGE_EVENTS
from schemas.codec import Codec


def commit(bootstrap: str, group: str, topic: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def left_open(bootstrap: str) -> Producer:
    """Whose transaction on metered-usage is open, with a record, behind which another producer has committed one."""
    one, other = (Producer({"bootstrap.servers": bootstrap, "transactional.id": name}) for name in ("one", "other"))
    for producer in (one, other):
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(METERED_USAGE.name, b"record", "key", 0)
        producer.flush(30)
    other.commit_transaction(30)
    admin, place = AdminClient({"bootstrap.servers": bootstrap}), (METERED_USAGE.name, 0)
    until(lambda: offsets.whole_ends(admin, [place])[place] == 3, "two records and the mark of the one that is committed")
    return one


def test_what_was_written_before_anybody_asked_is_waited_for_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        # given: METER has come through, and RATE has yet to read what it has written
        kafka = broker.with_topics().bootstrap
        writer = Producer({"bootstrap.servers": kafka, "transactional.id": "writer"})
        writer.init_transactions(30)
        writer.begin_transaction()
        for topic in (USAGE_EVENTS.name, METERED_USAGE.name):
            writer.produce(topic, b"record", "key", 0)
        writer.commit_transaction(30)
        commit(kafka, METER_GROUP, USAGE_EVENTS.name, 1)

        # then: who follows the topics from now on does not know of it, who asks for all does
        following = Progress(kafka)
        following.rated(30)
        following.close()
        with pytest.raises(StalledError, match=r"RATE has not come through in time: it is behind on metered-usage\[0\] by 1"):
            all_shown(kafka, 0.5)

        # when
        commit(kafka, RATE_GROUP, METERED_USAGE.name, 1)

        # then
        with pytest.raises(StalledError, match="SINK has not come through in time"):
            all_shown(kafka, 0.5)
        commit(kafka, SINK_GROUP, METERED_USAGE.name, 1)
        assert all_shown(kafka, 30)[0] == 1


def test_what_stands_behind_the_open_transaction_of_another_meter_is_waited_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        # given: one METER has a transaction open, and behind it another one has committed
        kafka = broker.with_topics().bootstrap
        following = Progress(kafka)
        one = left_open(kafka)

        # then: RATE has not come through, though there is nothing yet that it could read; nor may a tick pass
        with pytest.raises(StalledError, match=r"a transaction on metered-usage\[0\] does not end in time"):
            following.rated(0.5)
        assert Watermark(kafka, Codec()).pass_by([0], 1.0) == {0: 3}  # two records and a mark

        # when
        one.abort_transaction(30)

        # then: the record of the other
        with pytest.raises(StalledError, match=r"RATE has not come through in time: it is behind on metered-usage\[0\] by 2"):
            following.rated(0.5)
        commit(kafka, RATE_GROUP, METERED_USAGE.name, 2)
        following.rated(30)
        following.close()


def test_holds_are_not_let_go_before_what_stands_behind_an_open_transaction(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        # given: one producer has a transaction open, and behind it another one has committed
        kafka = broker.with_topics(partitions=1).bootstrap
        one = left_open(kafka)
        log = Ends(kafka, 1)

        # then: there is nothing to be read, and yet RATE is not past it
        goal = log.ends(METERED_USAGE.name)
        assert goal == {(METERED_USAGE.name, 0): 3}  # two records and a mark
        assert not log.passed(RATE_GROUP, goal)

        # when
        one.abort_transaction(30)

        # then: the record of the other, and behind it marks alone
        assert not log.passed(RATE_GROUP, goal)
        commit(kafka, RATE_GROUP, METERED_USAGE.name, 2)
        assert log.passed(RATE_GROUP, goal)
        log.close()
