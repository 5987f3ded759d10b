"""A topic read to its end, and on: for those who keep the newest of each key in memory."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.reach import reach
from pipelines.reader import is_end, reader

TIMEOUT_S: Final = 30.0
LIVE_WAIT_MS: Final = 100
"""How long the broker lets a fetch of a live follower wait for more: so often it asks when there is nothing."""
END_WAIT_MS: Final = 5
"""And that of one that reads when it is asked: the end of a topic is known when a fetch behind it has come back empty."""
LOOK_S: Final = 0.05


class Follower:
    """Gives every committed record of a topic's partitions to `take`, from the first one, without a consumer group. Not thread safe.

    It asks the broker for records only while `catch_up` or `read_to` is behind, and what is not asked for costs nothing. A live one is sent what comes
    all the time, for `look`.
    """

    def __init__(
        self, bootstrap: str, topic: str, take: Callable[[Any], None], partitions: Iterable[int] | None = None, patience_s: float = offsets.PATIENCE_S,
        *, live: bool = False,
    ) -> None:  # fmt: skip
        """`partitions`: only these; all of them when they are left out. `patience_s`: how long it waits for a broker that does not answer.

        Raises KeyError while there is no such topic, KafkaException.
        """
        self._topic = topic
        self._patience_s = patience_s
        self._take = take
        self._live = live
        # log_level 2: what a client complains about is told once, by whoever waits for it
        self._admin = AdminClient({**reach(bootstrap), "log_level": 2})
        self._consumer = reader(bootstrap, f"taximeter-follower-{topic}", {"fetch.wait.max.ms": LIVE_WAIT_MS if live else END_WAIT_MS})
        self._asked: Callable[[], offsets.Offsets] | None = None
        there = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        self._reached = dict.fromkeys(there if partitions is None else partitions, 0)
        if live:
            self._assign(self._reached)

    @property
    def partitions(self) -> int:
        """How many it follows."""
        return len(self._reached)

    def ask(self) -> None:
        """Ask already for the ends that the next `catch_up` goes to; who has something to do meanwhile does not wait for the broker."""
        self._asked = offsets.asked(self._admin, [(self._topic, number) for number in self._reached], self._patience_s)

    def catch_up(self) -> None:
        """Return when everything that was visible before the call, or before `ask`, was taken. Raises KafkaException."""
        if self._asked is None:
            self.ask()
        answer, self._asked = self._asked, None
        self.read_to({partition: end for (_, partition), end in answer().items()} if answer else {})

    def read_to(self, ends: Mapping[int, int]) -> None:
        """Return when everything before these offsets (by partition) has become visible and was taken."""
        behind = {partition for partition, end in ends.items() if self._reached[partition] < end}
        if not behind:
            return
        if not self._live:
            self._assign(behind)
        try:
            while behind:
                self.look(LOOK_S)
                behind = {partition for partition in behind if self._reached[partition] < ends[partition]}
        finally:
            if not self._live:
                self._consumer.unassign()

    def look(self, wait_s: float) -> None:
        """Take what has come, waiting so long at most."""
        # `consume` waits for as many as it is asked for.
        for message in [*self._consumer.consume(1, wait_s), *self._consumer.consume(1000, 0.0)]:
            error = message.error()
            if error is None:
                self._reached[message.partition()] = message.offset() + 1
                self._take(message)
            elif is_end(error):
                self._reached[message.partition()] = message.offset()

    def _assign(self, partitions: Iterable[int]) -> None:
        """Read these on from where they are."""
        self._consumer.assign([TopicPartition(self._topic, number, self._reached[number] or OFFSET_BEGINNING) for number in partitions])

    def close(self) -> None:
        self._consumer.close()
