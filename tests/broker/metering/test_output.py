"""METER's producer on a real broker, when another one of its name has come."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException

from pipelines.metering import id_log
from pipelines.metering.output import Output
from pipelines.metering.patience import Patience
from pipelines.testing import Kafka, until
from schemas.codec import Codec


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        kafka.with_topics()
        yield kafka


def test_who_learns_between_two_records_that_it_was_replaced_does_not_take_its_name_back(broker: Kafka) -> None:
    """The client says only that it is done for then, and not why."""
    ids = id_log.logs(broker.bootstrap, Codec())[-1]
    first = Output(broker.bootstrap, "meter-0", Patience(lambda _: None), ids)
    producer: Any = first._producer
    second = Output(broker.bootstrap, "meter-0", Patience(lambda _: None), ids)

    def refused() -> bool:
        try:
            producer.produce("metered-usage", b"", b"p1", 1)
        except KafkaException:
            return True
        return False

    def metered() -> Iterator[tuple[int, bytes]]:
        yield 0, b""
        until(refused, "the client's word that it is done for")
        yield 2, b""

    # when: it learns it while it hands over the records of a transaction
    outcome: Any = SimpleNamespace(metered=metered(), rejected=[], ids=[], coverage=[])
    with pytest.raises(KafkaException, match="fenced"):
        first.commit(outcome, {}, None)

    # then: the one that came goes on
    second._producer.begin_transaction()
    second._producer.produce("metered-usage", b"", b"p0", 0)
    second._producer.commit_transaction(10)
