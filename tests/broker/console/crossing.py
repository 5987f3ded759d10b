"""Crossings of thresholds without rating."""

from decimal import Decimal

from confluent_kafka import Producer

from console.services import Services
from pipelines.topology import BALANCE_THRESHOLDS, PARTITIONER


def crossings(services: Services, customer: str, *numbers: int) -> None:
    """As RATE would write them."""
    producer = Producer({"bootstrap.servers": services.deployment.kafka, "partitioner": PARTITIONER, "enable.idempotence": True})
    for number in numbers:
        value = {
            "customer": customer, "contract": "k", "threshold": "low", "state": "in_alarm", "crossing": number, "value": str(Decimal(number)), "at": 1_700_000_000_000,
            "currency": "USD",
        }  # fmt: skip
        producer.produce(BALANCE_THRESHOLDS.name, services.deployment.codec.encode("crossing", value), customer)
    assert producer.flush(30) == 0
