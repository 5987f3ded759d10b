"""The log of accepted ids as a whole: partitions of events that share one of its partitions, and those that a former release wrote to their own."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pytest
from confluent_kafka import Producer

from pipelines.metering import id_log
from pipelines.metering.ids import PACKED, Stretch, packed, unpacked
from pipelines.metering.reading import read
from pipelines.testing import Kafka
from pipelines.topology import ACCEPTED_IDS
from tests.broker.metering.rig import CODEC, PARTITIONS

SEED: Final = random.SystemRandom().randrange(1 << 30)
RECORDS: Final = 3_000
QUIET: Final = 4
"""A partition with one stretch at the very beginning, in a place that others fill."""
SILENT: Final = 10
"""A partition without any."""


class Written(NamedTuple):
    """A stretch, and where it is in the log."""

    partition: int
    stretch: Stretch
    place: int


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        kafka.with_topics()
        yield kafka


@pytest.fixture(scope="module")
def written(broker: Kafka) -> list[Written]:
    """At first as a former release did, then by both in turns (they are upgraded one after the other), then as now."""
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    at = [dice.randrange(1_000) for _ in range(PARTITIONS)]
    found = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
    for number in range(RECORDS):
        partition = QUIET if number == 0 else dice.choice([each for each in range(PARTITIONS) if each not in (QUIET, SILENT)])
        first, size = at[partition] + dice.randrange(3), 1 + dice.randrange(9)  # marks of transactions stand between
        counted = sorted(dice.sample(range(size), dice.randrange(size + 1)))
        ids = np.zeros(len(counted), PACKED)
        ids["place"] = counted
        at[partition] = first + size
        former = number < RECORDS // 4 or (number < RECORDS // 2 and dice.random() < 0.5)
        place = partition if former else id_log.home(partition)
        stretch = Stretch(first, first + size, ids)
        producer.produce(ACCEPTED_IDS.name, packed(CODEC, stretch), id_log.key(partition), place)
        found.append(Written(partition, stretch, place))
    assert producer.flush(60) == 0
    return found


def of(written: list[Written], partition: int) -> list[Stretch]:
    return [each.stretch for each in written if each.partition == partition]


def test_the_last_offset_that_is_covered_is_known_of_each_partition_that_has_one(broker: Kafka, written: list[Written]) -> None:
    found = id_log.covered(broker.bootstrap, CODEC, range(PARTITIONS))

    assert found == {number: of(written, number)[-1].end for number in range(PARTITIONS) if number != SILENT}
    assert id_log.covered(broker.bootstrap, CODEC, [SILENT]) == {}


def test_where_the_log_begins_is_known_of_each_partition_that_has_a_stretch(broker: Kafka, written: list[Written]) -> None:
    within = id_log.ranges(broker.bootstrap, range(PARTITIONS))

    found = id_log.beginnings(broker.bootstrap, CODEC, within, range(PARTITIONS))

    assert found == {number: of(written, number)[0].first for number in range(PARTITIONS) if number != SILENT}


@pytest.mark.parametrize("count", [1, 3, PARTITIONS])
def test_the_place_of_offsets_is_found_by_halving(broker: Kafka, written: list[Written], count: int) -> None:
    """Given event offsets, when their places are looked for, then what lies behind those has every stretch that ends behind its offset."""
    dice = random.Random(SEED + count)
    for _ in range(4):
        wanted = {number: dice.choice(of(written, number)).end - dice.randrange(2) for number in dice.sample(range(PARTITIONS), count) if number != SILENT}
        within = id_log.ranges(broker.bootstrap, wanted)

        places = id_log.find(broker.bootstrap, CODEC, within, wanted)

        assert places.keys() == within.keys()
        found = set()
        for batch in read(broker.bootstrap, ACCEPTED_IDS.name, {place: (start, None) for place, start in places.items()}):
            found |= {(id_log.owner(message), unpacked(CODEC, message.value()).end) for message in batch}
        assert found >= {(number, each.end) for number, offset in wanted.items() for each in of(written, number) if each.end > offset}


def test_of_a_partition_with_stretches_little_is_read_for_nothing(broker: Kafka, written: list[Written]) -> None:
    partition, place = 3, id_log.home(3)
    within = {place: id_log.ranges(broker.bootstrap, [partition])[place]}
    offset = of(written, partition)[-10].end

    start = id_log.find(broker.bootstrap, CODEC, within, {partition: offset})[place]

    behind = [each for batch in read(broker.bootstrap, ACCEPTED_IDS.name, {place: (start, None)}) for each in batch]
    assert sum(id_log.owner(each) == partition and unpacked(CODEC, each.value()).end <= offset for each in behind) <= id_log.NEAR


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_accepted_offsets_are_told_in_order_portion_by_portion(broker: Kafka, written: list[Written], partition: int) -> None:
    dice = random.Random(SEED + partition)
    stretches = of(written, partition)
    everything = [int(offset) for each in stretches for offset in each.offsets]
    start = dice.choice(everything) if everything else 0
    reader = id_log.Accepted(broker.bootstrap, CODEC)
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
        assert reader.until(at + 1_000) == []
    finally:
        reader.close()
