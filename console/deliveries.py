"""Messages to webhooks, for the API and the pages: what became of each, and dead letters sent again or put aside."""

import threading
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaException, Producer

from console.errors import UnavailableError
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines.alerting.deliveries import encode
from pipelines.alerting.step import Delivery, again
from pipelines.reach import reach
from pipelines.topology import DELIVERIES

FLUSH_S: Final = 30.0
_LOOKING = threading.Lock()


def kept(held: Services) -> dict[str, Delivery]:
    """All deliveries by key, read to the end of the topic. Raises UnavailableError."""
    with _LOOKING:
        try:
            return dict(held.deliveries.catch_up())
        except KafkaException as error:
            raise UnavailableError(Wrong("", f"Kafka does not answer: {error.args[0]}")) from error


def sent_again(delivery: Delivery) -> Delivery:
    """It has 48 hours anew."""
    return again(delivery, _now_ms())


def put_aside(delivery: Delivery) -> Delivery:
    """Nobody has to look at it any more."""
    return delivery._replace(state="cleared", version=delivery.version + 1, changed_ms=_now_ms())


def put(held: Services, changed: Sequence[Delivery]) -> None:
    """Put them on the log; whoever delivers follows it. Raises UnavailableError."""
    producer = Producer({**reach(held.deployment.kafka), "enable.idempotence": True})
    for each in changed:
        producer.produce(DELIVERIES.name, encode(held.deployment.codec, each), each.key, held.deliveries.partition[each.key])
    if producer.flush(FLUSH_S):
        raise UnavailableError(Wrong("", "Kafka does not answer; try again"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
