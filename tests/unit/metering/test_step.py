"""The pure part of METER: order of keys, verdicts of dedup, limits of time, packing."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.metering.dedup import VALUE
from pipelines.metering.step import HEAD_BYTES, IDENTITY, in_order, judge, packs, untimely

keys = st.binary(min_size=16, max_size=16)
near = st.sampled_from([bytes([high]) * 8 + bytes([low]) * 8 for high in (0, 1, 255) for low in (0, 127, 128, 255)])


def identities(rows: list[tuple[bytes, int, int]]) -> np.ndarray:
    """Rows of key, body, offset, in the order that `judge` wants."""
    made = np.array(rows, IDENTITY) if rows else np.empty(0, IDENTITY)
    return made[in_order(np.ascontiguousarray(made["key"]))]


@given(st.lists(st.one_of(keys, near), max_size=60))
def test_keys_are_sorted_as_bytes_and_equal_ones_keep_their_order(found: list[bytes]) -> None:
    order = in_order(np.array(found, "V16"))

    assert order.tolist() == sorted(range(len(found)), key=lambda place: (found[place], place))


@given(st.lists(st.tuples(near, st.integers(0, 2)), max_size=40), st.dictionaries(near, st.tuples(st.integers(-50, 45), st.integers(0, 2)), max_size=6))
def test_verdicts_are_those_of_a_dictionary(events: list[tuple[bytes, int]], store: dict[bytes, tuple[int, int]]) -> None:
    """Given any store, then the first of an id counts, the same offset is the same event, another body is a conflict."""
    rows = identities([(key, body, offset) for offset, (key, body) in enumerate(events)])
    known = [VALUE.pack(*store[key]) if key in store else None for key in rows["key"].tolist()]

    verdicts = judge(rows, known)

    first = dict(store)
    fresh: dict[bytes, tuple[int, int]] = {}
    duplicates: set[tuple[int, int]] = set()
    conflicts: set[tuple[int, int]] = set()
    for offset, (key, body) in enumerate(events):
        if key not in first:
            first[key] = fresh[key] = (offset, body)
        elif first[key][0] != offset:
            (duplicates if first[key][1] == body else conflicts).add((offset, first[key][0]))
    offsets = rows["offset"].tolist()
    assert dict(zip(verdicts.fresh.keys, map(VALUE.unpack, verdicts.fresh.values), strict=True)) == fresh
    assert {offsets[place] for place in verdicts.duplicates} == {offset for offset, _ in duplicates}
    assert {(offsets[place], of) for place, of in verdicts.conflicts} == conflicts
    assert verdicts.fresh.keys == sorted(verdicts.fresh.keys)


def test_limits_of_time_are_accepted_themselves() -> None:
    recorded = np.full(5, 10_000)

    old, ahead = untimely(np.array([8_999, 9_000, 10_000, 10_500, 10_501]), recorded, 1_000, 500)

    assert old.tolist() == [0]
    assert ahead.tolist() == [4]


def test_nothing_is_before_1970() -> None:
    old, _ = untimely(np.array([-1, 0]), np.full(2, 10), 1_000, 0)

    assert old.tolist() == [0]


def row(target: int, place: int, size: int = 50) -> bytes:
    return target.to_bytes(2, "little") + place.to_bytes(8, "little", signed=True) + bytes([target]) * size


@given(st.lists(st.builds(row, st.integers(0, 3), st.just(-1), st.integers(1, 300)), max_size=50))
def test_packs_hold_every_delta_once_and_stay_small(rows: list[bytes]) -> None:
    found = list(packs(rows, 500))

    assert Counter((target, body) for target, pack in found for body in pack) == Counter((each[0], each[HEAD_BYTES:]) for each in rows)
    assert all(sum(map(len, pack)) <= 500 for _, pack in found)
    assert all(pack for _, pack in found)


@pytest.mark.parametrize("size", (50, 120, 500))
def test_deltas_of_one_watched_event_stay_in_one_record(size: int) -> None:
    """Given events of three deltas each, however small the records, then no event is in two of them, and their order stays."""
    rows = [row(1, event, size) for event in range(10) for _ in range(3)]

    found = list(packs(rows, 400))

    assert sum(len(pack) for _, pack in found) == len(rows)
    assert all(len(pack) % 3 == 0 for _, pack in found)
