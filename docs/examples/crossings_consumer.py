"""Follows crossings on Kafka with nothing but a Kafka client and the Avro schema: `python docs/examples/crossings_consumer.py HOST:PORT GROUP`.

A value is an Avro single-object: 2 bytes of marker, 8 bytes of the schema's fingerprint, the record. A crossing has one number for ever, so whoever
keeps (customer, contract, threshold, crossing, state) recognises a repeat.
"""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer

SCHEMA = fastavro.parse_schema(json.loads((Path(__file__).parents[2] / "schemas" / "avro" / "crossing.avsc").read_text()))
HEADER = 10


def crossings(kafka: str, group: str) -> Iterator[dict[str, Any]]:
    """Crossings from where the group has got to; an offset is committed when the next crossing is asked for."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe(["balance-thresholds"])
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            found = fastavro.schemaless_reader(io.BytesIO(message.value()[HEADER:]), SCHEMA, None)
            if isinstance(found, dict):
                yield found
            consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()


if __name__ == "__main__":
    for each in crossings(sys.argv[1], sys.argv[2]):
        at = each["at"] if isinstance(each["at"], datetime) else datetime.fromtimestamp(each["at"] / 1000, UTC)
        print(f"{at:%Y-%m-%d %H:%M:%S}", each["customer"], each["threshold"], each["state"], each["value"], each["currency"], flush=True)
