"""The embedded Kafka starts, stops, and comes back from SIGKILL with what it has acknowledged."""

import os
import signal
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipelines.local import kafka, kafka_jars
from pipelines.local.kafka import Broker, prepare
from pipelines.local.kafka_jars import JarsError
from pipelines.local.ports import free
from pipelines.settings import Settings
from pipelines.testing import Kafka, until


def make_topic(broker: Kafka, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()


def send(broker: Kafka, topic: str, values: list[bytes], **options: object) -> None:
    failed = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, **options})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(30) == 0
    assert failed == []


def read(broker: Kafka, topic: str, count: int, group: str) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    consumer.subscribe([topic])
    found: list[bytes] = []

    def more() -> bool:
        found.extend(message.value() for message in consumer.consume(100, 0.2) if message.error() is None)
        return len(found) >= count

    until(more, f"{count} records of {topic}")
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def test_what_was_acknowledged_survives_sigkill_and_offsets_and_transactions_too(tmp_path: Path) -> None:
    broker = Kafka(tmp_path)
    with broker:
        # given: records, half of them read and committed, and a transaction that is open when the broker dies
        make_topic(broker, "records")
        send(broker, "records", [b"a", b"b"], **{"compression.type": "lz4"})
        assert read(broker, "records", 2, "readers") == [b"a", b"b"]
        open_one = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "one", "transaction.timeout.ms": 60_000})
        open_one.init_transactions(30)
        open_one.begin_transaction()
        open_one.produce("records", b"never")
        open_one.flush(30)

        # when
        os.kill(broker.pid, signal.SIGKILL)
        broker.kill()
        broker.start()

        # then: the group goes on where it was; the producer's successor ends the open transaction
        successor = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "one"})
        successor.init_transactions(30)
        successor.begin_transaction()
        successor.produce("records", b"c")
        successor.commit_transaction(30)
        assert read(broker, "records", 1, "readers") == [b"c"]


def test_a_clean_stop_needs_no_kill_and_the_folder_starts_again(tmp_path: Path) -> None:
    broker = Kafka(tmp_path)
    with broker:
        make_topic(broker, "kept")
        send(broker, "kept", [b"x"])
        assert broker.stop()
        broker.start()
        assert read(broker, "kept", 1, "again") == [b"x"]


def test_a_format_that_was_interrupted_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    # given: half a folder, as a SIGKILL during formatting leaves it
    half = tmp_path / "kafka.new"
    half.mkdir()
    (half / "meta.properties").write_text("version=1\n")
    # when, then
    with Kafka(tmp_path) as broker:
        make_topic(broker, "works")


def test_every_folder_has_ids_of_its_own(tmp_path: Path) -> None:
    def ids(name: str) -> dict[str, str]:
        prepare(Broker(tmp_path / name, Settings().cache, free(), free()))
        lines = (tmp_path / name / "kafka" / "meta.properties").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    one, other = ids("one"), ids("other")

    assert {name for name in one if one[name] != other[name]} == {"cluster.id", "directory.id"}
    assert {len(one[name]) for name in ("cluster.id", "directory.id")} == {22}


def test_missing_jars_are_named(tmp_path: Path) -> None:
    with pytest.raises(JarsError, match=r"46 of 46 jars are missing, the first is .*\.jar"):
        kafka_jars.checked(tmp_path)


def test_every_jar_of_the_lock_has_a_hash() -> None:
    jars = kafka_jars.locked()
    assert f"org.apache.kafka:kafka_2.13:{kafka_jars.VERSION}" in {str(jar) for jar in jars}
    assert {len(jar.sha256) for jar in jars} == {64}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_its_second_compiler_lets_others_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a broker as `taximeter up` starts it, not as tests do
    monkeypatch.delenv("JDK_JAVA_OPTIONS", raising=False)

    # when
    with Kafka(tmp_path) as broker:
        told = {(each / "comm").read_text(): os.getpriority(os.PRIO_PROCESS, int(each.name)) for each in Path(f"/proc/{broker.pid}/task").iterdir()}

    # then
    compiler = [niceness for name, niceness in told.items() if name.startswith("C2 Compiler")]
    assert compiler == [os.nice(0) + kafka.ASIDE]
    assert min(told.values()) == os.nice(0)
