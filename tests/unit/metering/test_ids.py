"""The packed log of accepted ids: what goes in comes out, whatever the cuts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.metering import ids
from pipelines.metering.dedup import VALUE
from pipelines.metering.step import IDENTITY, in_order
from schemas.codec import Codec

CODEC = Codec()


@pytest.fixture(autouse=True)
def small_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "MOST", 4)


events = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(1 << 33, (1 << 33) + 40)), st.binary(min_size=16, max_size=16), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_packed_stretches_have_every_accepted_event_once(accepted: dict[tuple[int, int], bytes]) -> None:
    """Given accepted events on three partitions, when they are packed in small records, then each is in the record of its offset, and in order of key."""
    rows = np.array([(key, offset % 7, offset) for (_, offset), key in accepted.items()], IDENTITY)
    partitions = np.array([partition for partition, _ in accepted], np.uint16)
    order = in_order(np.ascontiguousarray(rows["key"]))
    spans = [(partition, 1 << 33, (1 << 33) + 41) for partition in range(3)]

    made = [(partition, ids.unpacked(CODEC, ids.packed(CODEC, each))) for partition, each in ids.stretches(rows[order], partitions[order], spans)]

    found: dict[tuple[int, int], bytes] = {}
    for partition in range(3):
        mine = [each for number, each in made if number == partition]
        assert [mine[0].first, mine[-1].end] == [1 << 33, (1 << 33) + 41]
        assert [each.end for each in mine[:-1]] == [each.first for each in mine[1:]]
        for each in mine:
            assert len(each.ids) <= 5
            assert all(each.first <= offset < each.end for offset in each.offsets)
            keys = [bytes(key) for key in each.ids["key"].tolist()]
            assert keys == sorted(keys)
            found |= {(partition, int(offset)): key for offset, key in zip(each.offsets, keys, strict=True)}
        entries = ids.entries(mine, (1 << 33) + 5, (1 << 33) + 30)
        assert entries.keys == sorted(entries.keys)
        inside = {offset for number, offset in accepted if number == partition and (1 << 33) + 5 <= offset < (1 << 33) + 30}
        assert {VALUE.unpack(value)[0] for value in entries.values} == inside
        assert all(VALUE.unpack(value)[1] == VALUE.unpack(value)[0] % 7 for value in entries.values)
    assert found == accepted


def test_a_stretch_in_which_nothing_counted_is_told_too() -> None:
    made = list(ids.stretches(np.empty(0, IDENTITY), np.empty(0, np.uint16), [(3, 10, 20)]))

    assert [(partition, each.first, each.end, len(each.ids)) for partition, each in made] == [(3, 10, 20, 0)]
    assert ids.entries([made[0][1]], 0, 100) == ([], [])
