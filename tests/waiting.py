"""Waiting on an event loop for what must come, without knowing when."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool]) -> None:
    """Raises AssertionError after a minute."""
    for _ in range(3_000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not come")
