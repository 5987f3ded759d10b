"""The store of ids: generations, retention, positions, another topic of the same name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.metering.dedup import VALUE, Dedup, Entries

DAY_MS = 86_400_000
NOW = 1_760_000_000_000


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def entries(*numbers: int, offset: int = 0) -> Entries:
    return Entries([key(number) for number in numbers], [VALUE.pack(offset, number) for number in numbers])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Dedup]:
    made = Dedup(tmp_path / "dedup", 34, NOW)
    yield made
    made.close()


def test_ids_are_found_in_the_order_in_which_they_are_asked_for(store: Dedup) -> None:
    store.put(entries(1, 2, 3))

    assert store.get([key(3), key(9), key(1)]) == [VALUE.pack(0, 3), None, VALUE.pack(0, 1)]


def test_an_id_is_known_for_the_retention_and_gone_within_one_and_a_half(store: Dedup) -> None:
    """Given an id a day while time goes on, then those of the last 34 days are always known and those older than 51 never."""
    for day in range(120):
        now = NOW + day * DAY_MS
        store.rotate(now)
        store.put(entries(day + 1))
        known = [value is not None for value in store.get([key(number + 1) for number in range(day + 1)])]
        assert all(known[max(0, day - 34) :])
        assert not any(known[: max(0, day - 52)])


def test_the_first_event_of_an_id_holds_over_generations(store: Dedup) -> None:
    store.put(entries(1, offset=5))
    store.rotate(NOW + 20 * DAY_MS)
    store.put(entries(2, offset=6))

    assert store.get([key(1), key(2)]) == [VALUE.pack(5, 1), VALUE.pack(6, 2)]


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Dedup(tmp_path / "dedup", 34, NOW)
    first.put(entries(1, offset=4))
    first.know({3: 17})
    first.rotate(NOW + 20 * DAY_MS)
    first.put(entries(2, offset=5))
    first.close()

    again = Dedup(tmp_path / "dedup", 34, NOW + 21 * DAY_MS)

    assert again.get([key(1), key(2)]) == [VALUE.pack(4, 1), VALUE.pack(5, 2)]
    assert again.position(3) == 17
    assert again.position(4) is None
    again.close()


def test_forgotten_ids_are_free_in_every_generation(store: Dedup) -> None:
    store.put(entries(1))
    store.rotate(NOW + 20 * DAY_MS)
    store.put(entries(2))

    store.forget([key(1), key(2)])

    assert store.get([key(1), key(2)]) == [None, None]


def test_another_topic_of_the_same_name_is_another_world(store: Dedup) -> None:
    store.belong_to("first", NOW)
    store.put(entries(1))
    store.know({0: 5})
    store.belong_to("first", NOW)
    assert store.get([key(1)]) != [None]

    store.belong_to("second", NOW)

    assert store.get([key(1)]) == [None]
    assert store.position(0) is None
    store.put(entries(2))
    assert store.get([key(2)]) != [None]
