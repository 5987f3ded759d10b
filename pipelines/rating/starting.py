"""How long RATE waits for its start: as long as that goes on, however much of the changelog there is to read."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

START_S: Final = 120.0
"""Without a row of the changelog."""
LOOK_S: Final = 1.0


class NotStartedError(RuntimeError):
    """Faust does not come up. Under load its client's coordination died once at the start, and its `start` never returned."""


async def started(
    start: Coroutine[Any, Any, Any],
    rows: Callable[[], int],
    tell: Callable[[float], None],
    stopping: asyncio.Event,
    patience_s: float = START_S,
    look_s: float = LOOK_S,
) -> bool:
    """True when `start` has returned, false when `stopping` was set before.

    `rows`: how many were read so far; `tell` hears every `look_s` for how many seconds it has been starting. Raises NotStartedError when nothing has been
    read for `patience_s`, and what `start` and `tell` raise.
    """
    starting, stop = asyncio.create_task(start), asyncio.create_task(stopping.wait())
    began = moved_at = time.monotonic()
    seen = rows()
    try:
        while not starting.done() and not stop.done():
            await asyncio.wait((starting, stop), timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
            now, read = time.monotonic(), rows()
            if read != seen:
                seen, moved_at = read, now
            if now - moved_at > patience_s and not starting.done():
                raise NotStartedError(f"Faust has not started, and nothing was read for {patience_s:.0f} s: ending, to be started again; nothing is lost")
            tell(now - began)
        if starting.done():
            await starting
            return True
        return False
    finally:
        for task in (starting, stop):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
