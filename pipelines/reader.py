"""Reading Kafka beside every group: partitions are assigned by hand, and whoever reads is told where they end."""

import logging
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from pipelines.reach import reach


def reader(bootstrap: str | None, name: str, options: Mapping[str, Any] | None = None, logger: logging.Logger | None = None) -> Consumer:
    """A client that joins no group, for what is committed; from the beginning where an offset is no more there. `name`: of the group that it would be.

    It complains to `logger`, or of what is critical only: the rest is told once, by whoever waits for it.
    """
    settings = {
        **reach(bootstrap),
        "group.id": name,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 20,
        "log_level": 2,
        **(options or {}),
    }
    return Consumer(settings) if logger is None else Consumer(settings, logger=logger)


def is_end(error: KafkaError) -> bool:
    """This is no trouble: the partition has no more for now."""
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001 - the client has no other name for it


def at_end(message: Any) -> bool:
    """Whether this is not a record but the end of its partition. Raises KafkaException for other errors."""
    error = message.error()
    if error is None:
        return False
    if is_end(error):
        return True
    raise KafkaException(error)
