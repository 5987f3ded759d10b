"""The writing end of METER: one Kafka transaction a batch."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from pipelines.hanging import end_hanging
from pipelines.metering import id_log
from pipelines.metering.batch import Outcome
from pipelines.metering.patience import Patience
from pipelines.monitoring import metrics
from pipelines.reach import reach
from pipelines.topology import ACCEPTED_EVENTS, ARRIVED, BACKFILLS, METERED_USAGE, REJECTED_EVENTS, USAGE_EVENTS

log = logging.getLogger("taximeter.meter")

TRANSACTION_S: Final = 15
"""Kafka ends the transaction of a process that is gone after so long: until then nobody reads past it, nor takes over its partitions."""
COMMIT_S: Final = 90.0
ABORT_S: Final = 20.0
"""After a broker's return the client may say for ever that the call goes on when it is made again (seen with 2.16, when the broker itself had ended the transaction).
A new producer of the same name settles it, whichever way it went, and what is not committed is read again."""
_REPLACED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.FENCED_INSTANCE_ID})  # noqa: SLF001 - the client's own names


class Output:
    """Commits outcomes together with the offsets behind them. Not thread safe."""

    def __init__(self, bootstrap: str, name: str, patience: Patience, ids: id_log.Log) -> None:
        self._ids = ids
        self._bootstrap = bootstrap
        self._config: dict[str, Any] = {
            **reach(bootstrap),
            "client.id": name,
            "transactional.id": f"taximeter-{name}",
            "transaction.timeout.ms": TRANSACTION_S * 1000,
            "linger.ms": 2,
            # A transaction that begins right behind another one is told to come again: with the client's own patience, in 100 ms (decision 0503).
            "retry.backoff.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
            "log_level": 2,
        }
        self._patience = patience
        self._producer = self._start()
        self.arrived_ms: int | None = None
        """Arrival of the oldest event of the next outcome; it goes along (`ARRIVED`), so that whoever comes later can tell how long it took."""
        self.written: dict[int, int] = {}
        """Offsets behind the last record of metered-usage that was committed, by partition."""
        self._delivered: dict[int, int] = {}
        """The same of the transaction that is under way."""

    def _start(self) -> Producer:
        producer = Producer(self._config)
        self._patience(lambda: producer.init_transactions(10))
        end_hanging(self._bootstrap)
        return producer

    @metrics.TRANSACTION.time()
    def commit(self, outcome: Outcome, ends: Mapping[int, int], group: Any) -> bool:
        """True when the transaction is committed; false when it is not, nothing of it counts, and its events must be read again.

        Raises KafkaException when another process goes on under this name: this one must end, or they would take turns.
        """
        producer = self._producer
        offsets = [TopicPartition(USAGE_EVENTS.name, partition, end) for partition, end in ends.items()]
        self._delivered = {}
        try:
            producer.begin_transaction()
            self._produce(METERED_USAGE.name, _keyed(outcome.metered))
            self._produce(REJECTED_EVENTS.name, _keyed(outcome.rejected))
            self._produce(ACCEPTED_EVENTS.name, ((self._ids.home(partition), id_log.key(partition), value) for partition, value in outcome.ids))
            self._produce(BACKFILLS.name, outcome.coverage)
            self._patience(lambda: producer.send_offsets_to_transaction(offsets, group, 10), COMMIT_S)
            self._patience(lambda: producer.commit_transaction(10), COMMIT_S)
        except KafkaException as error:
            self._give_up(error)
            return False
        self.written |= self._delivered
        return True

    def _give_up(self, error: KafkaException) -> None:
        kafka_error: Any = error.args[0]
        if kafka_error.code() in _REPLACED:
            raise error
        log.warning("the transaction of a batch failed (%s): its events are read again", kafka_error.str())
        producer = self._producer
        # A record that is refused tells that the client is done for, and not why; a call of the transaction does.
        if kafka_error.txn_requires_abort() or kafka_error.code() == KafkaError._FATAL:  # noqa: SLF001 - the client's own name
            try:
                self._patience(lambda: producer.abort_transaction(10), ABORT_S)
            except KafkaException as second:
                if second.args[0].code() in _REPLACED:  # the commit failed for that, though it was told otherwise
                    raise
                log.warning("and could not be aborted (%s): a new producer ends it", second.args[0].str())
            else:
                return
        self._producer = self._start()

    def _produce(self, topic: str, records: Iterable[tuple[int, bytes, bytes]]) -> None:
        producer = self._producer
        metered = topic == METERED_USAGE.name
        headers = [(ARRIVED, b"%d" % self.arrived_ms)] if metered and self.arrived_ms is not None else []
        told = {"on_delivery": self._told} if metered else {}
        for partition, key, value in records:
            while True:
                try:
                    producer.produce(topic, value, key, partition, headers=headers, **told)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break

    def _told(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self._delivered[message.partition()] = message.offset() + 1


def _keyed(records: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes, bytes]]:
    return ((partition, b"p%d" % partition, value) for partition, value in records)
