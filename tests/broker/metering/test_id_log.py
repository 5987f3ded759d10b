"""The log of accepted ids as a whole: partitions of events that share one of its partitions, and what a former release wrote, each by itself."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipelines.metering import id_log
from pipelines.metering.ids import PACKED, Stretch, packed, unpacked
from pipelines.metering.reading import read
from pipelines.testing import Kafka, until
from pipelines.topology import FORMER_IDS
from tests.broker.metering.rig import CODEC, PARTITIONS

SEED: Final = random.SystemRandom().randrange(1 << 30)
RECORDS: Final = 3_000
QUIET: Final = 4
"""A partition with one stretch at the very beginning of the newer log, where others go on."""
SILENT: Final = 10
"""A partition without any."""
OLD: Final = 11
"""One of which nothing came any more after the upgrade."""


class Written(NamedTuple):
    """A stretch of a partition."""

    partition: int
    stretch: Stretch


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        kafka.with_topics()
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for made in admin.create_topics([NewTopic(FORMER_IDS, PARTITIONS)]).values():
            made.result()
        until(lambda: len(id_log.logs(kafka.bootstrap, CODEC)) == 2, "the former topic")
        yield kafka


@pytest.fixture(scope="module")
def written(broker: Kafka) -> list[Written]:
    """At first as a former release did, then as now."""
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    at = [dice.randrange(1_000) for _ in range(PARTITIONS)]
    former, present = id_log.logs(broker.bootstrap, CODEC)
    found = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
    for number in range(RECORDS):
        log = former if number < RECORDS // 4 else present
        busy = [each for each in range(PARTITIONS) if each not in (QUIET, SILENT) and (each != OLD or log is former)]
        partition = QUIET if number == RECORDS // 4 else dice.choice(busy)
        first, size = at[partition] + dice.randrange(3), dice.randrange(9)  # marks of transactions stand between
        counted = sorted(dice.sample(range(size), dice.randrange(size + 1)))
        ids = np.zeros(len(counted), PACKED)
        ids["place"] = counted
        at[partition] = first + size
        stretch = Stretch(first, first + size, ids)
        producer.produce(log.topic, packed(CODEC, stretch), id_log.key(partition), log.home(partition))
        found.append(Written(partition, stretch))
    assert producer.flush(60) == 0
    return found


def of(written: list[Written], partition: int) -> list[Stretch]:
    return [each.stretch for each in written if each.partition == partition]


def behind(log: id_log.Log, starts: dict[int, int]) -> set[tuple[int, int]]:
    """(partition of events, end) of the stretches from there on."""
    found = set()
    for batch in read(log.bootstrap, log.topic, {place: (start, None) for place, start in starts.items()}):
        found |= {(id_log.owner(message), unpacked(CODEC, message.value()).end) for message in batch}
    return found


def test_the_last_offset_that_is_covered_is_known_of_each_partition_that_has_one(broker: Kafka, written: list[Written]) -> None:
    logs = id_log.logs(broker.bootstrap, CODEC)

    assert id_log.covered(logs, range(PARTITIONS)) == {number: of(written, number)[-1].end for number in range(PARTITIONS) if number != SILENT}
    assert id_log.covered(logs, [SILENT]) == {}


def test_where_the_log_begins_is_known_of_each_partition_that_has_a_stretch(broker: Kafka, written: list[Written]) -> None:
    within = [(log, log.ranges(range(PARTITIONS))) for log in id_log.logs(broker.bootstrap, CODEC)]

    found = id_log.beginnings(within, range(PARTITIONS))

    assert found == {number: of(written, number)[0].first for number in range(PARTITIONS) if number != SILENT}


@pytest.mark.parametrize("count", [1, 3, PARTITIONS])
def test_the_place_of_offsets_is_found_by_halving(broker: Kafka, written: list[Written], count: int) -> None:
    """Given event offsets, when their places are looked for, then what lies behind those has every stretch that ends behind its offset."""
    dice = random.Random(SEED + count)
    for _ in range(4):
        wanted = {number: dice.choice(of(written, number)).end - dice.randrange(2) for number in dice.sample(range(PARTITIONS), count) if number != SILENT}

        found: set[tuple[int, int]] = set()
        for log in id_log.logs(broker.bootstrap, CODEC):
            found |= behind(log, id_log.find(log, log.ranges(wanted), wanted))

        assert found >= {(number, each.end) for number, offset in wanted.items() for each in of(written, number) if each.end > offset}


def test_of_a_partition_with_stretches_little_is_read_for_nothing(broker: Kafka, written: list[Written]) -> None:
    offset = of(written, 3)[-10].end
    log = id_log.logs(broker.bootstrap, CODEC)[-1]

    starts = id_log.find(log, log.ranges([3]), {3: offset})

    assert sum(number == 3 and end <= offset for number, end in behind(log, starts)) <= id_log.NEAR


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_accepted_offsets_are_told_in_order_portion_by_portion(broker: Kafka, written: list[Written], partition: int) -> None:
    dice = random.Random(SEED + partition)
    stretches = of(written, partition)
    everything = [int(offset) for each in stretches for offset in each.offsets]
    start = dice.choice(everything) if everything else 0
    reader = id_log.Accepted(id_log.logs(broker.bootstrap, CODEC))
    try:
        reader.begin(partition, start)
        told: set[int] = set()
        at = start
        while at < (stretches[-1].end if stretches else 1):
            end = at + 1 + dice.randrange(4_000)
            portion = {int(offset) for part in reader.until(end) for offset in part}

            assert {offset for offset in portion if at <= offset < end} == {offset for offset in everything if at <= offset < end}
            told |= portion
            at = end
        assert told >= {offset for offset in everything if offset >= start}
        assert not any(part.size for part in reader.until(at + 1_000))
    finally:
        reader.close()
