"""Which partition owns a key: Kafka's murmur2, as the Java client, librdkafka (`murmur2_random`) and Faust compute it.

The one implementation in Python: METER, RATE and whoever publishes documents must agree on the owner of a customer.
"""

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as 32 bits without sign."""
    length = len(data)
    whole = length & ~3
    digest = (_SEED ^ length) & _WORD
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MIX & _WORD
        word = (word ^ (word >> 24)) * _MIX & _WORD
        digest = (digest * _MIX & _WORD) ^ word
    if length > whole:
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    digest = (digest ^ (digest >> 13)) * _MIX & _WORD
    return digest ^ (digest >> 15)


@lru_cache(maxsize=1 << 17)
def partition_of(key: str, partitions: int) -> int:
    """The partition that owns `key` (a root customer, a transaction id) in a topic of that many partitions."""
    return (murmur2(key.encode()) & _POSITIVE) % partitions
