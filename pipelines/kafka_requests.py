"""Three requests of Kafka's protocol that its Python clients lack, for aiokafka's connections: who has transactions open where, and the end of one.

Source: Kafka's message definitions ListTransactions (66), DescribeProducers (61), WriteTxnMarkers (27), in versions that brokers from 3.0 to 4.x have.
"""

from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

__all__ = ["DescribeProducers", "ListTransactions", "WriteTxnMarkers"]

NAME: Final = CompactString("utf-8")
TAGS: Final = ("tags", TaggedFields)
PARTITIONS: Final = CompactArray(("name", NAME), ("partitions", CompactArray(Int32)), TAGS)


class _Listed(Response):
    API_KEY = 66
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("unknown_state_filters", CompactArray(NAME)),
        ("transactions", CompactArray(("transactional_id", NAME), ("producer_id", Int64), ("state", NAME), TAGS)),
        TAGS,
    )


class _List(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 66
    API_VERSION = 0
    RESPONSE_TYPE = _Listed
    SCHEMA = Schema(("state_filters", CompactArray(NAME)), ("producer_id_filters", CompactArray(Int64)), TAGS)


class ListTransactions(Request[_List]):
    """All transactional ids of a coordinator. `transactions` of the answer: (transactional id, producer id, state, tags)."""

    API_KEY = 66

    def build(self, request_struct_class: type[_List]) -> _List:
        return request_struct_class([], [], {})


class _Described(Response):
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", NAME),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", NAME),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("start_offset", Int64),
                                TAGS,
                            ),
                        ),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _Describe(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(("topics", PARTITIONS), TAGS)


class DescribeProducers(Request[_Describe]):
    """Producers of partitions that the asked broker leads."""

    API_KEY = 61

    def __init__(self, topics: dict[str, list[int]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Describe]) -> _Describe:
        return request_struct_class([(name, partitions, {}) for name, partitions in self._topics.items()], {})


class _Marked(Response):
    API_KEY = 27
    API_VERSION = 1
    SCHEMA = Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64),
                ("topics", CompactArray(("name", NAME), ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), TAGS)), TAGS)),
                TAGS,
            ),
        ),
        TAGS,
    )


class _Mark(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 27
    API_VERSION = 1
    RESPONSE_TYPE = _Marked
    SCHEMA = Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64), ("producer_epoch", Int16), ("committed", Boolean), ("topics", PARTITIONS), ("coordinator_epoch", Int32), TAGS
            ),
        ),
        TAGS,
    )


class WriteTxnMarkers(Request[_Mark]):
    """End what a producer has open in one partition, which the asked broker leads."""

    API_KEY = 27

    def __init__(self, producer_id: int, producer_epoch: int, coordinator_epoch: int, topic: str, partition: int, *, committed: bool) -> None:
        self._marker: tuple[Any, ...] = (producer_id, producer_epoch, committed, [(topic, [partition], {})], coordinator_epoch, {})

    def build(self, request_struct_class: type[_Mark]) -> _Mark:
        return request_struct_class([self._marker], {})
