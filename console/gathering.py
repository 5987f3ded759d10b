"""Questions that many open pages have are asked once.

`Gathering`: about different things of one kind. What comes while an answer is on its way waits for it, and is then one question for all of them: alone nobody
waits, and the busier it is, the more share a question. `Shared`: the same question; an answer is good for a moment, and may be given for a little longer
while the next one is looked up.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from fastapi.concurrency import run_in_threadpool

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")
MOST: Final = 50
"""Things in a question: so many that none of those who wait has to wait long."""


class Gathering(Generic[Key, Found]):
    """For one event loop."""

    def __init__(self, read: Callable[[Sequence[Key]], Mapping[Key, Found]]) -> None:
        """`read` answers for all that it is given; it runs on a thread."""
        self._read = read
        self._waiting: dict[Key, asyncio.Future[Found]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, key: Key) -> Found:
        """Raises what `read` raises."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        while self._waiting:
            asked = {name: self._waiting.pop(name) for name in list(self._waiting)[:MOST]}
            try:
                found = await run_in_threadpool(self._read, list(asked))
            except Exception as error:  # noqa: BLE001 - whoever has asked gets it
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # nobody may be there any more
            else:
                for name, future in asked.items():
                    if name in found:
                        future.set_result(found[name])
                    else:
                        future.set_exception(KeyError(name))
                        future.exception()


class Shared(Generic[Found]):
    """Answers that are given to all who ask within `life_s` of the last look. For one event loop."""

    def __init__(self, life_s: float, kept_s: float = 0.0) -> None:
        """`kept_s`: so old may be what is given at once, while it is looked up anew beside those who ask; nobody waits as long as somebody asks."""
        self._life_s = life_s
        self._kept_s = max(life_s, kept_s)
        self._known: dict[Hashable, tuple[float, Found]] = {}
        self._asking: dict[Hashable, asyncio.Lock] = {}
        self._beside: dict[Hashable, asyncio.Task[Found]] = {}

    async def ask(self, key: Hashable, read: Callable[[], Found]) -> Found:
        """The answer to `key`, which `read` looks up on a thread. Raises what it raises; after a look beside that has failed, whoever asks next hears it."""
        known = self._known.get(key)
        if known is None or time.monotonic() - known[0] >= self._kept_s:
            return await self._look(key, read)
        if time.monotonic() - known[0] >= self._life_s and key not in self._beside:
            looking = self._beside[key] = asyncio.create_task(self._look(key, read))
            looking.add_done_callback(lambda done: self._looked(key, done))
        return known[1]

    def known(self, key: Hashable) -> Found | None:
        """The last answer to `key`, however old, without asking."""
        known = self._known.get(key)
        return None if known is None else known[1]

    def _looked(self, key: Hashable, done: asyncio.Task[Found]) -> None:
        del self._beside[key]
        if not done.cancelled() and done.exception() is not None:
            self._known.pop(key, None)

    async def _look(self, key: Hashable, read: Callable[[], Found]) -> Found:
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._known.get(key)
            if known is None or time.monotonic() - known[0] >= self._life_s:
                found = await run_in_threadpool(read)
                now = time.monotonic()
                self._known = {name: each for name, each in self._known.items() if now - each[0] < self._kept_s} | {key: (now, found)}
                self._asking = {name: each for name, each in self._asking.items() if each.locked()}
                return found
            return known[1]
