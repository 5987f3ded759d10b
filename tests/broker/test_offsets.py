"""Committed offsets are told through restarts of the broker, also for groups that nobody has used."""

import subprocess
import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from pipelines.offsets import Committed
from pipelines.testing import Kafka
from pipelines.topology import SINK_GROUP, USAGE_EVENTS

PLACES = [(USAGE_EVENTS.name, number) for number in range(12)]
ASKS = """
import sys
from pipelines.offsets import Committed
asked = Committed(sys.argv[1])
places = [("usage-events", number) for number in range(12)]
print("begin", flush=True)
for line in sys.stdin:
    print(sum(asked.of(line.strip(), places).values()), flush=True)
"""


def test_what_a_group_has_committed_and_nothing_where_it_has_not(kafka: Kafka) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "offsets-test", "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(*PLACES[3], 7)], asynchronous=False)
    consumer.close()
    asked = Committed(kafka.bootstrap)

    found = asked.of("offsets-test", PLACES)

    assert found == dict.fromkeys(PLACES, 0) | {PLACES[3]: 7}
    assert asked.of("nobody-has-used-this-group", PLACES) == dict.fromkeys(PLACES, 0)
    assert asked.of("offsets-test", []) == {}
    asked.close()


def test_who_asks_survives_a_coordinator_that_is_just_coming_back(tmp_path: Path) -> None:
    with Kafka(tmp_path) as broker:
        broker.with_topics()
        # given: a process of its own, because what this is about would end it with SIGSEGV
        command = [sys.executable, "-c", ASKS, broker.bootstrap]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            for turn in range(2):
                # when: the broker has just come back, and its coordinator is still loading
                broker.kill()
                broker.start()
                for group in (SINK_GROUP, f"new-{turn}"):
                    process.stdin.write(f"{group}\n")
                    process.stdin.flush()
                    # then
                    assert process.stdout.readline() == "0\n"
            process.stdin.close()
            assert process.wait(60) == 0
