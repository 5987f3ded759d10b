"""An answer that many share: given at once while the next one is looked up, as long as it is not too old."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from console.gathering import Shared
from pipelines.testing import until


def test_who_asks_meanwhile_gets_the_last_answer_and_nobody_waits() -> None:
    answers = iter((1, 2))
    going, let_go = threading.Event(), threading.Event()
    let_go.set()

    def read() -> int:
        going.set()
        let_go.wait()
        return next(answers)

    async def ask() -> None:
        shared: Shared[int] = Shared(0.0, 3_600)
        # given an answer, when the next look takes long, then all who ask get the answer that is there, and one look is enough
        assert await shared.ask("", read) == 1
        let_go.clear()
        going.clear()
        assert [await shared.ask("", read) for _ in range(3)] == [1, 1, 1]
        await _until(going.is_set)
        # and once it has come, they get it
        let_go.set()
        await _until(lambda: shared.known("") == 2)
        assert await shared.ask("", lambda: 3) == 2

    asyncio.run(ask())


def test_a_look_that_fails_is_heard_by_who_asks_next() -> None:
    def fail() -> int:
        raise OSError("gone")

    async def ask() -> None:
        shared: Shared[int] = Shared(0.0, 3_600)
        assert await shared.ask("", lambda: 1) == 1
        # given a look beside that fails, when somebody asks again, then it is looked up while he waits, and he hears what is wrong
        assert await shared.ask("", fail) == 1
        await _until(lambda: shared.known("") is None)
        with pytest.raises(OSError, match="gone"):
            await shared.ask("", fail)

    asyncio.run(ask())


async def _until(there: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, there, "it is there", 60)
