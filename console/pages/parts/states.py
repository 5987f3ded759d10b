"""A part of a page while it waits, when there is nothing, and when something is wrong. No part waits blank: bones are drawn first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from nicegui import ui

from console.errors import ApiError, UnavailableError, problems
from console.pages.parts.frame import raw
from console.pages.parts.text import Html, join, tag
from contracts.errors import DocumentError, TaximeterError
from contracts.translation.fields import RefusedError, Wrong

LOG = logging.getLogger("taximeter.console")
Found = TypeVar("Found")
SOON_S: Final = 0.15
"""Nobody looks at a blank page for longer."""
BELOW_S: Final = 0.04
"""What stands further below holds the first answer up no longer."""
FAILURES = (ApiError, TaximeterError, ClickHouseError, KafkaException, OSError)


def bones(lines: int = 4) -> Html:
    widths = (92, 78, 85, 64, 71)
    return tag("div", *(tag("div", class_="bone", style=f"width:{widths[at % len(widths)]}%") for at in range(lines)), aria_busy="true", aria_label="loading")


def empty(what: str, next_step: str | Html) -> Html:
    """Nothing there, and what one would do about it."""
    return tag("div", tag("b", what), tag("span", next_step), class_="state")


def wrongs(error: Exception) -> list[Wrong]:
    """What is wrong, field by field."""
    if isinstance(error, RefusedError):
        return list(error.wrong)
    if isinstance(error, DocumentError):
        return problems(error.problems)
    return [Wrong("", str(error).splitlines()[0][:300] if str(error) else type(error).__name__)]


def failed(error: Exception) -> Html:
    found = wrongs(error)
    said = join(tag("li", *([tag("code", each.field), ": "] if each.field else []), each.message) for each in found)
    return tag("div", tag("b", "That did not work"), tag("ul", said, class_="wrong"), class_="state bad", role="alert")


async def soon(where: ui.element, load: Callable[[], Awaitable[Found]], draw: Callable[[Found], None], lines: int = 4, patience_s: float = SOON_S) -> None:
    """What `load` brings, drawn into `where`; a failure is told, with a button to try again.

    For a page that is being made: what is there within `patience_s` is in the first answer, and needs no second way to the browser. Else the answer
    has bones, and the rest follows.
    """
    loading = asyncio.ensure_future(load())
    if (await asyncio.wait([loading], timeout=patience_s))[0]:
        await _draw(where, loading, load, draw)
        return
    with where:
        raw(bones(lines))
        ui.timer(0, lambda: _draw(where, loading, load, draw), once=True)


async def _draw(where: ui.element, loading: Awaitable[Found], load: Callable[[], Awaitable[Found]], draw: Callable[[Found], None]) -> None:
    try:
        found = await loading
    except Exception as error:
        if not isinstance(error, FAILURES):
            LOG.exception("a part of a page could not be loaded")
            error = UnavailableError(Wrong("", "this should not happen; the console's log has the details"))
        where.clear()
        with where:
            raw(failed(error))
            ui.button("Try again", on_click=lambda: _again(where, load, draw)).props("outline no-caps")
        return
    where.clear()
    with where:
        draw(found)


async def _again(where: ui.element, load: Callable[[], Awaitable[Found]], draw: Callable[[Found], None]) -> None:
    where.clear()
    with where:
        raw(bones())
    await _draw(where, load(), load, draw)
