"""Clocks: where a named clock stands, and moving a test clock. The log decides: a tick is a record on every partition of the clock topic."""

from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.errors import TaximeterError
from pipelines import offsets
from pipelines.reach import reach
from pipelines.reader import is_end, reader
from pipelines.topology import CLOCK
from schemas.codec import Codec

WALL: Final = "wall"
TIMEOUT_S: Final = 30.0


class ClockError(TaximeterError):
    """The clock cannot be moved like that."""


def standings(bootstrap: str, codec: Codec) -> dict[str, int]:
    """Every clock that has ticked within the topic's retention, and its latest time (UTC, epoch milliseconds)."""
    # Every partition has every tick, so one is enough.
    where = TopicPartition(CLOCK.name, 0, OFFSET_BEGINNING)
    (end,) = offsets.ends(AdminClient({**reach(bootstrap), "log_level": 2}), [(CLOCK.name, 0)]).values()
    consumer = reader(bootstrap, "taximeter-clock-reader")
    consumer.list_topics(CLOCK.name, timeout=TIMEOUT_S)
    consumer.assign([where])
    found: dict[str, int] = {}
    reached = 0
    try:
        while reached < end:
            for message in consumer.consume(5000, 0.05):
                error = message.error()
                if error is not None:
                    if is_end(error):
                        reached = end
                    continue
                reached = message.offset() + 1
                tick = codec.decode("clock_tick", message.value())
                found[tick["clock"]] = max(found.get(tick["clock"], 0), tick["now"])
    finally:
        consumer.close()
    return found


def move(producer: Producer, codec: Codec, name: str, now_ms: int, partitions: int) -> dict[int, int]:
    """Tick clock `name`: it stands at `now_ms` from now on (it never goes back; an earlier time changes nothing).

    Gives the offset behind the tick by partition. Raises ClockError for the wall clock, KafkaException.
    """
    if name == WALL:
        raise ClockError("clock wall is real time and cannot be moved; give the contract a test clock (`clock: NAME`)")
    value = codec.encode("clock_tick", {"clock": name, "now": now_ms})
    behind: dict[int, int] = {}
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Any) -> None:
        if error is not None:
            failed.append(error)
        else:
            behind[message.partition()] = message.offset() + 1

    for partition in range(partitions):
        producer.produce(CLOCK.name, value, name, partition, on_delivery=delivered)
    producer.flush(TIMEOUT_S)
    if failed or len(behind) < partitions:
        raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
    return behind
