"""A consumer of the sink's group: batches by count, bytes and time; offsets are committed by whoever stored them."""

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipelines.fatal import DONE_FOR, ClientLog
from pipelines.reach import reach
from pipelines.reader import is_end
from pipelines.replay.generations import ID
from pipelines.settings import Settings
from pipelines.silence import Silence
from pipelines.sink.records import Record
from pipelines.topology import AWAITED, BALANCES, CONTRACT_CHANGES, RATED_LINE_ITEMS, USAGE_EVENTS

QUEUE_KB = 32_768
"""What librdkafka may fetch ahead: bounds memory while the warehouse is slow."""
FETCH_BYTES = 100_000
REST = 10
"""A lane rests so many times as long as a batch takes to store: what an insert costs it costs whatever it holds, the warehouse more than this process. So it works for
an eleventh of the time, as long as it can afford to."""
MOST_REST_S = 1.0
WAIT_S = 0.25
STEP = ID.encode()
MARKED = frozenset({RATED_LINE_ITEMS.name, BALANCES.name})
"""Records of these topics say whether somebody waits for them."""
PORTION = 1000
"""Messages that are taken from the client at once."""
LOOK_S = 0.02
HURRY_S = 3.0
"""So long after a step readers may stand still and wait for what comes: most exchanges take less."""
HURRIED_LINGER_S = 0.03
ASK_S = 1.0
ASK_EVERY_S = 2.0


class BatchConsumer:
    """Reads whole batches in order. Not thread safe."""

    def __init__(self, settings: Settings, group: str, topics: Sequence[str], *, member: str, most_records: int, most_bytes: int, linger_s: float) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._linger_s = linger_s
        self._rest_until = 0.0
        """Records gather until then, unless somebody waits for one of them."""
        self.trouble: str | None = None
        """What the broker's client complained about last, until the broker answers again; or none."""
        self._look_s = LOOK_S if CONTRACT_CHANGES.name in topics else WAIT_S
        """The client comes back with nothing until it has as many as were asked for, or for so long."""
        self._hurried_until = 0.0
        self._asked = 0.0
        self._topics = list(topics)
        self._silence = Silence(str(settings.kafka), group)
        self._client = ClientLog()
        self._consumer = Consumer(
            {
                **reach(settings.kafka),
                "group.id": group,
                "client.id": f"{group}-{member}",
                "group.instance.id": f"{group}-{member}",  # static: after a crash the same member goes on at once, without a rebalance
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
                "max.poll.interval.ms": 300_000,
                "queued.max.messages.kbytes": QUEUE_KB,
                # A batch is gathered anyway: the broker gathers as well, rather than to answer for every few records.
                "fetch.min.bytes": FETCH_BYTES,
                "fetch.wait.max.ms": round(linger_s * 1000),
                "fetch.error.backoff.ms": 100,
                "topic.metadata.refresh.interval.ms": 30_000,
                "allow.auto.create.topics": False,
            },
            error_cb=self._complained,
            on_commit=self._committed,
            logger=self._client.logger,
        )
        self._consumer.subscribe(list(topics))

    def stored(self, took_s: float) -> None:
        """The last batch took so long to store: the next is gathered for some times as long."""
        self._rest_until = time.monotonic() + min(REST * took_s, MOST_REST_S)

    def batch(self) -> list[Record]:
        """What came in: up to the limits when much is there, after the linger and a rest when little is; empty when nothing is. What somebody waits for ends it: results of an
        edit, a step of a generation."""
        records: list[Record] = []
        size = 0
        now = time.monotonic()
        until = now + HURRIED_LINGER_S if now < self._hurried_until else max(now + self._linger_s, self._rest_until)
        more = False
        while len(records) < self._most_records and size < self._most_bytes:
            rest_s = until - time.monotonic()
            if rest_s <= 0 and not more:
                break
            portion = min(PORTION, self._most_records - len(records))
            chunk = self._consumer.consume(portion, max(0.0, min(rest_s, self._look_s)))
            more = len(chunk) == portion
            for message in chunk:
                error = message.error()
                if error is not None:
                    self._read_error(error)
                    continue
                record = _record(message)
                if record.topic == CONTRACT_CHANGES.name and (record.key or b"").startswith(STEP):
                    until, self._hurried_until = 0.0, time.monotonic() + HURRY_S
                elif record.awaited:
                    until = 0.0
                size += len(record.value or b"") + len(record.key or b"")
                records.append(record)
        self._client.check()
        if records:
            self.trouble = None
            self._silence.broken()
        else:
            self._ask()
        return records

    def _ask(self) -> None:
        """Nothing comes: because nothing is there, or because nobody answers? The client complains once, and not at all when a broker is back."""
        now = time.monotonic()
        if now - self._asked < ASK_EVERY_S:
            return
        self._asked = now
        try:
            self._consumer.list_topics(USAGE_EVENTS.name, timeout=ASK_S)
        except KafkaException as error:
            self.trouble = str(error.args[0])
        else:
            self.trouble = None
        # Also when this client says that nobody answers: it may be the client.
        try:
            self._silence.check(self._consumer, self._topics)
        except KafkaException as error:
            self.trouble = str(error.args[0])

    def commit(self, records: Sequence[Record]) -> None:
        """The records are stored. Does not wait: a client whose group stands still would do so for ever. A commit that fails is no loss: the records
        are stored again, which changes nothing."""
        last: dict[tuple[str, int], int] = {}
        for record in records:
            last[record.topic, record.partition] = record.offset
        offsets = [TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in last.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self.trouble = str(error.args[0])

    def idle(self, seconds: float) -> None:
        """Pass time without reading on, and stay a member of the group."""
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is None:  # came with a partition that was assigned meanwhile
            self._consumer.seek(TopicPartition(message.topic() or "", message.partition() or 0, message.offset() or 0))
        self._consumer.resume(self._consumer.assignment())

    def lag(self) -> int:
        """Records that are in the topics and not yet read, as far as the last fetches told."""
        lag = 0
        for position in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(position, cached=True)
            if high > 0:
                lag += max(0, high - max(position.offset, 0))
        return lag

    def close(self) -> None:
        self._consumer.close()

    def _committed(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            self.trouble = str(error)

    def _complained(self, error: KafkaError) -> None:
        self.trouble = str(error)

    def _read_error(self, error: KafkaError) -> None:
        if is_end(error):
            return
        self.trouble = str(error)
        if error.code() in DONE_FOR:
            raise KafkaException(error)


def _record(message: Message) -> Record:
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        # Of RATE's own records alone: names of headers may be of any bytes, and the client fails at such.
        message.topic() in MARKED and AWAITED in dict(message.headers() or ()),
    )
