"""Parts of a page that follow what happens, as long as somebody sees them: a tab in the background, or one whose connection is gone, costs nothing."""

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import context, ui
from nicegui.events import GenericEventArguments

TURNED: Final = "<script>document.addEventListener('visibilitychange', () => emitEvent('seen', !document.hidden))</script>"
"""In every page."""


def sight() -> Callable[[], bool]:
    """Whether somebody sees the page that is being made, from now on."""
    client = context.client
    shown = True

    def turn(event: GenericEventArguments) -> None:
        nonlocal shown
        shown = bool(event.args)

    ui.on("seen", turn)
    return lambda: shown and client.has_socket_connection


def live(every_s: float, beat: Callable[[], Awaitable[None]]) -> None:
    """Call `beat` again and again while the page that is being made is seen, one call after the other."""
    seen = sight()

    async def look() -> None:
        if seen():
            await beat()

    ui.timer(every_s, look)
