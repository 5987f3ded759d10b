"""A follower has everything that was visible when it was asked, in order and once, and asks for nothing in between."""

import random

import pytest
from confluent_kafka import Producer

from pipelines.following import Follower
from pipelines.reach import reach
from pipelines.testing import Kafka, until
from pipelines.topology import CONTRACT_CHANGES

SEED = 4712


@pytest.mark.parametrize("live", (False, True))
def test_it_has_what_was_visible_when_it_was_asked_in_order_and_once(kafka: Kafka, live: bool) -> None:
    # given transactions of one record or several, some aborted, on partitions as it comes
    dice = random.Random(SEED)
    producer = Producer({**reach(kafka.bootstrap), "transactional.id": f"following-{live}"})
    producer.init_transactions(30)
    found: list[tuple[int, bytes]] = []
    follower = Follower(kafka.bootstrap, CONTRACT_CHANGES.name, lambda message: found.append((message.partition(), message.value())), live=live)
    follower.catch_up()
    before = len(found)
    sent: list[tuple[int, bytes]] = []

    def has_all() -> bool:
        follower.catch_up()
        return len(found) - before >= len(sent)

    for turn in range(30):
        producer.begin_transaction()
        records = [(dice.randrange(follower.partitions), b"%d %d" % (turn, number)) for number in range(dice.randint(1, 4))]
        for partition, value in records:
            producer.produce(CONTRACT_CHANGES.name, value, b"key", partition)
        if dice.random() < 0.2:
            producer.flush(30)
            producer.abort_transaction(30)
            continue
        producer.commit_transaction(30)
        sent += records
        # when: some are asked for at once, others later together; the mark of a transaction may come a moment behind its commit
        if dice.random() < 0.5:
            until(has_all, "what was sent")

            # then
            assert sorted(found[before:]) == sorted(sent)
    until(has_all, "all of it")
    follower.close()
    for number in range(follower.partitions):
        assert [value for partition, value in found[before:] if partition == number] == [value for partition, value in sent if partition == number]
