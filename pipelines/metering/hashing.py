"""The hashes of ids and bodies as METER's engine has them, worked out here: for a batch of some hundred events a statement costs more.

`sipHash128` of the partition and the id, `cityHash64` of the rest: the store of ids has them from both, so they must be the same to the bit. As
ClickHouse defines them for several arguments: of SipHash's the hashes stand behind each other and are hashed again, of CityHash's each is mixed
into the last; a map is its size, then its pairs; a number is mixed as `intHash64` does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from clickhouse_cityhash.cityhash import CityHash64

Words = npt.NDArray[np.uint64]

_START: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_LAST: Final = np.uint64(0xFF)
_MIX: Final = np.uint64(0x9DDFEA08EB382D69)
_47: Final = np.uint64(47)
_33: Final = np.uint64(33)
_REMEMBERED: Final = 16_384
"""Texts whose hashes are kept: customers, types and most properties come again and again."""
_SHORT: Final = 64
"""Characters that such a text may have: a property may be a whole document, which does not come again and would fill the memory."""


def keys(partitions: Iterable[int], ids: Iterable[str]) -> npt.NDArray[np.void]:
    """`sipHash128(partition, id)` of each, as the sixteen bytes that the engine writes."""
    of_ids = _sip([each.encode() for each in ids])
    words = np.empty((len(of_ids), 5), np.uint64)
    words[:, :2] = [_of_partition(each) for each in partitions]
    words[:, 2:4] = of_ids
    words[:, 4] = 32 << 56
    return np.ascontiguousarray(_sip_words(words)).view("V16").reshape(-1)


def bodies(events: Sequence[Mapping[str, Any]]) -> Words:
    """`cityHash64(customer, event_type, timestamp, mapSort(properties))` of each usage event."""
    found = np.empty(len(events), np.uint64)
    alike: dict[int, list[int]] = defaultdict(list)
    for place, each in enumerate(events):
        alike[len(each["properties"])].append(place)
    for size, places in alike.items():
        some = [events[place] for place in places]
        total = _mixed(_texts(each["customer"] for each in some), _texts(each["event_type"] for each in some))
        total = _mixed(total, _number(np.array([each["timestamp"] for each in some], np.int64).view(np.uint64)))
        total = _mixed(total, _number(np.array([size], np.uint64)))
        for pairs in zip(*(sorted(each["properties"].items()) for each in some), strict=True):
            total = _mixed(total, _mixed(_texts(key for key, _ in pairs), _texts(value for _, value in pairs)))
        found[places] = total
    return found


def _texts(texts: Iterable[str]) -> Words:
    return np.fromiter([(_remembered if len(text) <= _SHORT else _text)(text) for text in texts], np.uint64)


def _text(text: str) -> int:
    return int(CityHash64(text.encode()))


_remembered = lru_cache(_REMEMBERED)(_text)


def _mixed(low: Words, high: Words) -> Words:
    """CityHash's `Hash128to64`."""
    first = (low ^ high) * _MIX
    first ^= first >> _47
    second = (high ^ first) * _MIX
    second ^= second >> _47
    return second * _MIX


def _number(value: Words) -> Words:
    value = value ^ np.uint64(0x4CF2D2BAAE6DA887)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value ^= value >> _33
        value *= np.uint64(factor)
    return value ^ (value >> _33)


@lru_cache(1024)
def _of_partition(partition: int) -> tuple[int, int]:
    low, high = _sip([partition.to_bytes(2, "little")])[0].tolist()
    return low, high


def _sip(texts: Sequence[bytes]) -> Words:
    """SipHash-2-4 with 128 bits of each, a row each: low word, high word."""
    found = np.empty((len(texts), 2), np.uint64)
    alike: dict[int, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        alike[len(text) // 8 + 1].append(place)
    for size, places in alike.items():
        padded = b"".join([texts[place].ljust(8 * size - 1, b"\0") + bytes((len(texts[place]) & 255,)) for place in places])
        found[places] = _sip_words(np.frombuffer(padded, "<u8").reshape(-1, size))
    return found


def _sip_words(words: Words) -> Words:
    """Of rows of words; the last has the length in its highest byte."""
    state = [np.full(len(words), start, np.uint64) for start in _START]
    for column in words.T:
        state[3] = state[3] ^ column
        _rounds(state, 2)
        state[0] = state[0] ^ column
    state[2] = state[2] ^ _LAST
    _rounds(state, 4)
    return np.stack((state[0] ^ state[1], state[2] ^ state[3]), axis=1)


def _rounds(state: list[Words], times: int) -> None:
    a, b, c, d = state
    for _ in range(times):
        a = a + b
        b = _turned(b, 13) ^ a
        a = _turned(a, 32)
        c = c + d
        d = _turned(d, 16) ^ c
        a = a + d
        d = _turned(d, 21) ^ a
        c = c + b
        b = _turned(b, 17) ^ c
        c = _turned(c, 32)
    state[:] = a, b, c, d


def _turned(word: Words, bits: int) -> Words:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))
