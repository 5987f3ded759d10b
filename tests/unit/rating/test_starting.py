"""A start is waited for as long as it goes on."""

import asyncio
from collections.abc import Callable

import pytest

from pipelines.rating.starting import NotStartedError, started

PATIENCE_S = 0.2
LOOK_S = 0.01


def start(takes_s: float, rows: Callable[[], int], stop_after_s: float | None = None) -> tuple[bool | None, list[float], bool]:
    """What `started` says, what it told meanwhile, and whether the start was given up."""

    async def run() -> tuple[bool | None, list[float], bool]:
        given_up = False
        told: list[float] = []
        stopping = asyncio.Event()

        async def starting() -> None:
            nonlocal given_up
            try:
                await asyncio.sleep(takes_s)
            except asyncio.CancelledError:
                given_up = True
                raise

        if stop_after_s is not None:
            asyncio.get_running_loop().call_later(stop_after_s, stopping.set)
        try:
            said = await started(starting(), rows, told.append, stopping, PATIENCE_S, LOOK_S)
        except NotStartedError:
            said = None
        return said, told, given_up

    return asyncio.run(run())


def test_it_may_take_any_time_as_long_as_rows_are_read() -> None:
    read = iter(range(10**6))
    said, told, given_up = start(5 * PATIENCE_S, lambda: next(read))
    assert (said, given_up) == (True, False)
    assert told == sorted(told)
    assert told[-1] > PATIENCE_S  # whoever watches hears of it all the while


def test_without_rows_it_is_given_up() -> None:
    said, _, given_up = start(3600, lambda: 7)
    assert (said, given_up) == (None, True)


def test_a_stop_does_not_wait_for_it() -> None:
    said, _, given_up = start(3600, lambda: 7, stop_after_s=PATIENCE_S / 4)
    assert (said, given_up) == (False, True)


def test_what_it_raises_comes_through() -> None:
    async def fails() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        asyncio.run(started(fails(), lambda: 0, lambda _: None, asyncio.Event()))


def test_what_the_teller_finds_ends_it() -> None:
    def tell(_: float) -> None:
        raise ValueError("the worker has failed")

    with pytest.raises(ValueError, match="the worker has failed"):
        asyncio.run(started(asyncio.sleep(3600), lambda: 0, tell, asyncio.Event(), PATIENCE_S, LOOK_S))
