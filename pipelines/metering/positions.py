"""Where reading of usage-events goes on: behind what the group has committed, or behind what the log of accepted ids covers, whichever is later.

Both are written in the same transaction, so they agree. Should Kafka lose one of them (a mark that was never written, a disk that was full, somebody who
moves the group's offsets), the ids are the truth: what they cover has been counted and is never counted again.
"""

import logging
from collections.abc import Mapping, Sequence

from confluent_kafka import TopicPartition

from pipelines.metering.id_log import Log, covered
from pipelines.metering.reading import REQUEST_S, surveyor
from pipelines.topology import USAGE_EVENTS

log = logging.getLogger("taximeter.meter")


def later(logs: Sequence[Log], committed: Mapping[int, int | None]) -> dict[int, int | None]:
    """By partition the offset to go on from; none: nothing was ever metered. Raises KafkaException."""
    found = dict(committed)
    for partition, end in covered(logs, _behind(logs[0].bootstrap, committed)).items():
        known = committed[partition] or 0
        if end > known:
            log.warning("partition %d is metered up to %d, but the group has committed %d only: it is read on from there", partition, end, known)
            found[partition] = end
    return found


def _behind(bootstrap: str, committed: Mapping[int, int | None]) -> list[int]:
    """Those with something behind what is committed: of the others nothing can count twice, and their last stretch may be long ago.

    What is not decided there yet is not waited for: whoever sends may keep transactions open for as long as it likes.
    """
    asked = surveyor(bootstrap)
    try:
        return [
            number for number, known in committed.items() if asked.get_watermark_offsets(TopicPartition(USAGE_EVENTS.name, number), REQUEST_S)[1] > (known or 0)
        ]
    finally:
        asked.close()
