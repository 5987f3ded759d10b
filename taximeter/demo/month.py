"""A month of usage in October 2025, made up but exact: whatever the single events are, the sums of the month are these.

The same seed gives the same events, so two runs can be compared.
"""

import random
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

START_MS: Final = 1_759_276_800_000
"""2025-10-01T00:00:00Z."""
DAY_MS: Final = 86_400_000
DAYS: Final = 31


class Event(NamedTuple):
    arrived_ms: int
    """When it reaches Kafka: a moment after it happened."""
    timestamp_ms: int
    event_type: str
    properties: Mapping[str, str]


class Stream(NamedTuple):
    """One kind of event: how many a day, and the exact sum of what they count."""

    event_type: str
    counted: str
    fixed: Mapping[str, str]
    days: int
    a_day: int
    total: int


STREAMS: Final = (
    Stream("api_call", "calls", {}, DAYS, 2_500, 3_100_000),
    Stream("completion", "tokens", {"model": "a"}, DAYS, 1_400, 3_100_000_000),
    Stream("completion", "tokens", {"model": "b"}, DAYS, 1_000, 1_240_000_000),
    Stream("completion", "tokens", {"model": "c"}, DAYS, 1_500, 15_500_000_000),
    Stream("image", "images", {}, 14, 600, 190_000),
)
EVENTS: Final = sum(stream.days * stream.a_day for stream in STREAMS)


def month(seed: int = 2025) -> Iterator[Event]:
    """All events of the month in the order of their arrival."""
    dice = random.Random(seed)  # noqa: S311 - made-up usage, no secret
    shares = [_split(stream.total, stream.days, dice, even=True) for stream in STREAMS]
    for day in range(DAYS):
        today = [
            event
            for stream, share in zip(STREAMS, shares, strict=True)
            if day < stream.days
            for event in _day(stream, share[day], START_MS + day * DAY_MS, dice)
        ]
        today.sort(key=lambda event: event.arrived_ms)
        yield from today


def _day(stream: Stream, total: int, start_ms: int, dice: random.Random) -> Iterator[Event]:
    for amount in _split(total, stream.a_day, dice, even=False):
        # Two in the afternoon is the busiest hour; the last second of the day stays free, so that everything arrives on its day.
        timestamp_ms = start_ms + int(dice.triangular(0, DAY_MS - 5_000, 14 * 3_600_000))
        arrived_ms = timestamp_ms + dice.randrange(20, 2_000)
        yield Event(arrived_ms, timestamp_ms, stream.event_type, {**stream.fixed, stream.counted: str(amount)})


def _split(total: int, parts: int, dice: random.Random, *, even: bool) -> list[int]:
    """`total` as that many integers of at least 1; as even as can be, or at random cuts."""
    if even:
        return [total * (part + 1) // parts - total * part // parts for part in range(parts)]
    cuts = sorted(dice.randrange(total - parts + 1) for _ in range(parts - 1))
    return [high - low + 1 for low, high in pairwise([0, *cuts, total - parts])]
