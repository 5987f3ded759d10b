"""Alert delivery as a process: `python -m pipelines.alerting.worker`.

Reads crossings from `balance-thresholds` in a consumer group; what is to be delivered goes to `webhook-deliveries` in the transaction that commits the
crossing's offset, so no crossing is lost and none is taken on twice. The state after each attempt goes there too. After a crash the partition's next
owner reads how it stands and goes on; a message may then come twice, under the same id.
"""

import logging
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from types import FrameType
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from contracts.errors import TaximeterError
from contracts.result import Alert
from pipelines.alerting.deliveries import DeliveryLog, encode
from pipelines.alerting.step import Delivery, Outcome, after, heads
from pipelines.alerting.webhooks import KIND as WEBHOOK
from pipelines.alerting.webhooks import described, message_body, message_id, post, wanted
from pipelines.deployment import Deployment
from pipelines.hanging import end_hanging
from pipelines.health import Health
from pipelines.local.addresses import located
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.objects import ObjectLog
from pipelines.reach import reach
from pipelines.reader import is_end
from pipelines.secret import secret_of
from pipelines.settings import Settings
from pipelines.silence import Silence
from pipelines.topology import ALERTS_GROUP, BALANCE_THRESHOLDS, DELIVERIES

LOG = logging.getLogger("taximeter.alerts")
REPORT_S: Final = 1.0
KNOWN_FOR_S: Final = 1.0
"""A webhook that was made elsewhere hears of crossings this late at most."""
WAIT_S: Final = 0.1
TIMEOUT_S: Final = 30.0
AT_ONCE: Final = 16
KEPT_MS: Final = 7 * 24 * 3_600_000
"""How long a delivered message can be looked up."""


class Alerts:
    """One member of the group. Not thread safe; attempts run in threads of its own."""

    def __init__(self, deployment: Deployment, secret: str) -> None:
        self._deployment = deployment
        self._secret = secret
        self._codec = deployment.codec
        self._objects = ObjectLog(deployment.kafka, deployment.codec)
        self._objects_at = float("-inf")
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._trying: dict[str, Future[Outcome]] = {}
        self._log: DeliveryLog | None = None
        self._consumer = Consumer(
            {
                **reach(deployment.kafka),
                "group.id": ALERTS_GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 1_000,
            }
        )
        self._silence = Silence(str(deployment.kafka), ALERTS_GROUP)
        self._producer = self._begin()
        self._consumer.subscribe([BALANCE_THRESHOLDS.name], on_assign=self._assigned, on_revoke=self._revoked)

    def turn(self) -> int:
        """Take on crossings that have come, make attempts that are due; gives the number of messages that wait. Raises KafkaException."""
        messages = self._consumer.consume(500, WAIT_S)
        crossings = []
        for message in messages:
            if message.error() is None:
                crossings.append(message)
            elif not is_end(message.error()):
                raise KafkaException(message.error())
        if crossings:
            self._silence.broken()
            self._take_on(crossings)
        else:
            with suppress(KafkaException):  # nobody answers: nothing waits that could be had
                self._silence.check(self._consumer, [BALANCE_THRESHOLDS.name])
        if self._log is None:
            return 0
        self._log.look(0.0)
        self._finish()
        self._try_due()
        return sum(each.state == "pending" for each in self._log.kept.values())

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._finish()
        self._consumer.close()
        self._objects.close()
        if self._log is not None:
            self._log.close()

    def _begin(self) -> Producer:
        """Attempts are written outside of the transactions of crossings, so each has a producer of its own kind."""
        self._plain = Producer({**reach(self._deployment.kafka), "enable.idempotence": True, "linger.ms": 0})
        producer = Producer(
            {**reach(self._deployment.kafka), "transactional.id": f"taximeter-alerts-{random.getrandbits(48):012x}", "linger.ms": 0}
        )
        producer.init_transactions(TIMEOUT_S)
        end_hanging(str(self._deployment.kafka))
        return producer

    def _assigned(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._reload([each.partition for each in partitions])

    def _revoked(self, _: Consumer, __: Sequence[TopicPartition]) -> None:
        """Answers of attempts that are under way are written by nobody; the next owner makes them again."""
        self._trying.clear()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _reload(self, partitions: Sequence[int]) -> None:
        if self._log is not None:
            self._log.close()
        self._log = DeliveryLog(self._deployment.kafka, self._codec, partitions, live=True) if partitions else None
        if self._log is not None:
            self._log.catch_up()

    def _take_on(self, messages: Sequence[Any]) -> None:
        """Deliveries of some crossings, and their offsets, in one transaction; the offsets alone where nobody wants to hear of any."""
        objects = self._objects.catch_up()
        self._objects_at = time.monotonic()
        now_ms = time.time_ns() // 1_000_000
        made: list[tuple[Delivery, int]] = []
        for message in messages:
            alert = self._alert(message.value())
            for webhook in wanted(objects, alert.customer):
                delivery = Delivery(webhook.id, message_id(alert), alert.customer, message.offset(), message_body(alert), now_ms, now_ms, now_ms)
                # A crossing that RATE has emitted again is the same message.
                if self._log is not None and delivery.key not in self._log.kept:
                    made.append((delivery, message.partition()))
        reached = {(each.topic(), each.partition()): each.offset() + 1 for each in messages}
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in reached.items()]
        if made:
            self._commit(made, offsets)
        else:
            # Does not wait: a client whose group stands still would do so for ever. Crossings that come again are known, or nobody wants to hear of them.
            self._consumer.commit(offsets=offsets, asynchronous=True)
        metrics.ALERTS_TAKEN.inc(len(messages))
        for delivery, partition in made:
            if self._log is not None:
                self._log.record(delivery, partition)

    def _commit(self, made: Sequence[tuple[Delivery, int]], offsets: list[TopicPartition]) -> None:
        self._producer.begin_transaction()
        for delivery, partition in made:
            self._producer.produce(DELIVERIES.name, encode(self._codec, delivery), delivery.key, partition)
        self._producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), TIMEOUT_S)
        self._producer.commit_transaction(TIMEOUT_S)

    def _alert(self, value: bytes) -> Alert:
        found = self._codec.decode("crossing", value)
        return Alert(
            found["customer"], found["contract"], found["threshold"], found["state"], Decimal(found["value"]), found["crossing"], found["at"]
        )

    def _try_due(self) -> None:
        if self._log is None:
            return
        now_ms = time.time_ns() // 1_000_000
        due = [each for each in heads(self._log.kept.values()) if each.due_ms <= now_ms and each.key not in self._trying]
        if due and time.monotonic() - self._objects_at > KNOWN_FOR_S:
            self._objects.catch_up()
            self._objects_at = time.monotonic()
        for each in sorted(due, key=lambda delivery: delivery.due_ms)[: AT_ONCE - len(self._trying)]:
            found = self._objects.objects.get(WEBHOOK, each.webhook)
            if found is None:
                self._write(each._replace(state="dead", version=each.version + 1, changed_ms=now_ms, result="the webhook was removed"))
                continue
            self._trying[each.key] = self._pool.submit(post, self._secret, described(found), each.message, each.body)
        for each in list(self._log.kept.values()):
            if each.state in ("delivered", "cleared") and each.changed_ms < now_ms - KEPT_MS:
                self._plain.produce(DELIVERIES.name, None, each.key, self._log.partition[each.key])
                self._log.forget(each.key)

    def _finish(self) -> None:
        """Write how attempts went."""
        now_ms = time.time_ns() // 1_000_000
        for key, attempt in list(self._trying.items()):
            if not attempt.done():
                continue
            del self._trying[key]
            delivery = self._log.kept.get(key) if self._log is not None else None
            if delivery is None or delivery.state != "pending" or attempt.cancelled():
                continue
            changed = after(delivery, attempt.result(), now_ms, random.uniform(-1, 1))  # noqa: S311 - so that many do not come at once
            metrics.ATTEMPTS.labels(changed.state).inc()
            if changed.state == "dead":
                LOG.warning("message %s to webhook %s is a dead letter after %d attempts: %s", changed.message, changed.webhook, changed.attempts, changed.result)
            self._write(changed)

    def _write(self, delivery: Delivery) -> None:
        if self._log is None:
            return
        partition = self._log.partition[delivery.key]
        self._plain.produce(DELIVERIES.name, encode(self._codec, delivery), delivery.key, partition)
        if self._plain.flush(TIMEOUT_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the client has no other name for it
        self._log.record(delivery, partition)


def main() -> int:
    settings = located(Settings())
    log_to_stderr(settings, "alerts")
    stopped = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with Health(settings, "alerts") as health:
        health.report("starting")
        try:
            _run(settings, health, stopped)
        except (TaximeterError, KafkaException, OSError) as error:
            LOG.error("%s", error)  # noqa: TRY400 - the message says it; the supervisor starts us again
            return 1
    return 0


def _run(settings: Settings, health: Health, stopped: threading.Event) -> None:
    alerts = Alerts(Deployment(settings), secret_of(settings.console_secret, settings.data))
    reported = float("-inf")
    try:
        while not stopped.is_set():
            waiting = alerts.turn()
            if time.monotonic() - reported > REPORT_S:
                reported = time.monotonic()
                metrics.WAITING.set(waiting)
                health.report("running", waiting=waiting)
    finally:
        alerts.close()


if __name__ == "__main__":
    sys.exit(main())
