"""Ids learned again from their packed log, from the events, and from both: the same store each time."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.metering import id_log, ids, relearn
from pipelines.metering.batch import Limits, Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import engine
from pipelines.metering.reading import read, visible
from pipelines.offsets import Committed
from pipelines.testing import Kafka, until
from pipelines.topology import ACCEPTED_EVENTS, BACKFILLS, METER_GROUP, USAGE_EVENTS
from tests.broker.metering.rig import CODEC, PARTITIONS, Flow, Process, caught_up, committed, publish, running

SEED = random.SystemRandom().randrange(1 << 30)
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        kafka.with_topics()
        publish(kafka)
        yield kafka


@pytest.fixture(scope="module")
def flow(broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """Usage that METER has metered, with repeats, conflicts and garbage."""
    meter = Process(broker, tmp_path_factory.mktemp("data"))
    made = Flow(broker, SEED, 4_000).start()
    try:
        with running(meter):
            meter.start()
            until(lambda: committed(broker) > 4_000, "usage")
            made.stop()
            caught_up(broker)
            assert meter.stop() == 0
    finally:
        made.halt()
    return made


def gaps(broker: Kafka) -> dict[int, tuple[int, int]]:
    asked = Committed(broker.bootstrap)
    try:
        return {number: (0, end) for (_, number), end in asked.of(METER_GROUP, [(USAGE_EVENTS.name, number) for number in range(PARTITIONS)]).items()}
    finally:
        asked.close()


def logged(broker: Kafka) -> dict[bytes, bytes]:
    """What is in the log of ids."""
    found: dict[bytes, bytes] = {}
    for batch in read(broker.bootstrap, ACCEPTED_EVENTS.name, dict.fromkeys(range(PARTITIONS), (0, None))):
        for message in batch:
            stretch = ids.unpacked(CODEC, message.value())
            found |= dict(zip(*ids.entries([stretch], 0, 1 << 60), strict=True))
    return found


def test_the_log_has_every_event_that_counted_and_no_other(broker: Kafka, flow: Flow) -> None:
    assert len(logged(broker)) == len(flow.good)


def test_every_way_of_learning_gives_the_same_store(broker: Kafka, flow: Flow, tmp_path: Path) -> None:
    """Given a store that is lost, when ids are learned from their log, from events, or from both because the log begins late, then the store is the same."""
    known, missing, logs = logged(broker), gaps(broker), id_log.logs(broker.bootstrap, CODEC)
    metering = Metering(engine(), CODEC, Limits())
    now = time.time_ns() // 1_000_000

    def learned(name: str, since_ms: int = 0) -> list[bytes | None]:
        store = Dedup(tmp_path / name, 34, now)
        try:
            if name == "events":
                relearn.from_events(broker.bootstrap, CODEC, metering, store, missing)
            else:
                count = relearn.relearn(logs, metering, store, missing, since_ms)
                assert {number: store.position(number) for number in missing} == {number: end for number, (_, end) in missing.items()}
                assert count >= len(flow.good) or since_ms
            return store.get(list(known))
        finally:
            store.close()

    assert learned("events") == list(known.values())
    assert learned("ids", now - DAY_MS) == list(known.values())
    assert learned("nothing old enough", now + DAY_MS) == [None] * len(known)
    # when the log begins late
    marks = logs[-1].ranges(missing)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    halves = [TopicPartition(ACCEPTED_EVENTS.name, number, (start + end) // 2) for number, (start, end) in marks.items()]
    for future in admin.delete_records(halves).values():
        future.result()
    assert len(logged(broker)) < len(known)
    assert learned("both") == list(known.values())


def test_what_is_learned_stays_learned_when_it_is_broken_off(broker: Kafka, flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a METER that is ended whenever it has learned a little, when it begins again each time, then it comes to the end all the same."""
    monkeypatch.setattr(relearn, "PUT", len(flow.good) // 4)
    known, missing, logs = logged(broker), gaps(broker), id_log.logs(broker.bootstrap, CODEC)
    metering = Metering(engine(), CODEC, Limits())
    store = Dedup(tmp_path / "store", 34, time.time_ns() // 1_000_000)
    left = dict(missing)

    class EndedError(Exception):
        """By somebody from outside."""

    def ended_after_a_put() -> None:
        if any((store.position(number) or 0) > start for number, (start, _) in left.items()):
            raise EndedError

    try:
        for _ in range(20):
            left = {number: (store.position(number) or 0, end) for number, (_, end) in missing.items()}
            try:
                relearn.relearn(logs, metering, store, left, 0, ended_after_a_put)
            except EndedError:
                continue
            break
        assert {number: store.position(number) for number in missing} == {number: end for number, (_, end) in missing.items()}
        assert store.get(list(known)) == list(known.values())
    finally:
        store.close()


def test_what_is_being_committed_is_waited_for(broker: Kafka) -> None:
    """Given a transaction that is open, when somebody asks what is visible, then the answer comes when it has ended, and has it."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "test-open"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(BACKFILLS.name, b"x", b"k", 3)
    assert producer.flush(30) == 0
    found: list[dict[int, tuple[int, int]]] = []
    asking = threading.Thread(target=lambda: found.append(visible(broker.bootstrap, BACKFILLS.name, [3])))
    asking.start()
    asking.join(0.5)
    assert not found

    producer.commit_transaction(30)

    asking.join(60)
    start, end = found[0][3]
    assert len([message for batch in read(broker.bootstrap, BACKFILLS.name, {3: (start, None)}) for message in batch if message.value() == b"x"]) == 1
    assert end > start
