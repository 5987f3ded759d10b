"""Windows that were counted again from raw events: a dictionary of aggregates, given to the fold as deltas."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from contracts.scales import raw_value
from contracts.usage import Delta
from contracts.windows import Aggregate, GroupKey, group_key, merge, of_delta

QUARTER_MS: Final = 900_000


class Place(NamedTuple):
    """A window of a product and group under a customer id."""

    customer: str
    catalogue: str
    product: str
    group: GroupKey
    window_ms: int


Counted = dict[Place, dict[int, Aggregate]]
"""By window and arrival: the window's own start for what arrived inside it, else the quarter hour (or the instant, where that matters)."""
Kinds = Mapping[tuple[str, str], str]
"""How each (catalogue, product) aggregates."""


def arrival(window_ms: int, recorded_ms: int, length_ms: int) -> int:
    """What arrived inside its window counts as having come with it: no invoice can be final by then."""
    return window_ms if recorded_ms < window_ms + length_ms else recorded_ms - recorded_ms % QUARTER_MS


def count(counted: Counted, kinds: Kinds, delta: Delta, at_ms: int) -> None:
    """Add a delta."""
    place = Place(delta.customer, delta.catalogue, delta.product, group_key(delta.group), delta.window_ms)
    slots = counted.setdefault(place, {})
    slots[at_ms] = merge(kinds.get((delta.catalogue, delta.product), "count"), slots.get(at_ms), of_delta(delta))


def join(into: Counted, kinds: Kinds, more: Counted) -> None:
    """Add what was counted elsewhere."""
    for place, found in more.items():
        slots = into.setdefault(place, {})
        for at_ms, aggregate in found.items():
            slots[at_ms] = merge(kinds.get((place.catalogue, place.product), "count"), slots.get(at_ms), aggregate)


def whole(kinds: Kinds, place: Place, slots: Mapping[int, Aggregate]) -> Aggregate:
    """All of a window, whenever it arrived."""
    found: Aggregate | None = None
    for aggregate in slots.values():
        found = merge(kinds.get((place.catalogue, place.product), "count"), found, aggregate)
    return found or Aggregate(0, 0)


def deltas(places: Iterable[tuple[Place, Mapping[int, Aggregate]]]) -> tuple[Delta, ...]:
    """As the fold takes them, in the order of arrival."""
    found = [
        Delta(
            place.catalogue,
            place.product,
            place.customer,
            dict(place.group),
            place.window_ms,
            at_ms,
            each.first_ms,
            each.events,
            None if each.value is None else raw_value(each.value),
            each.points,
            each.members,
        )
        for place, slots in places
        for at_ms, each in slots.items()
    ]
    return tuple(sorted(found, key=lambda delta: delta.recorded_ms))
