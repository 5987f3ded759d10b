"""Parts of a page that hear what somebody does there, and parts that follow what happens, as long as somebody sees them: a tab in the background, or one whose connection is gone, costs nothing."""

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import context, ui
from nicegui.events import GenericEventArguments

PICKED: Final = "event => { const at = event.target.closest('[data-pick]'); if (at) emit(at.dataset.pick) }"
CHOSEN: Final = "event => emit(event.target.name, event.target.value, event.target.checked ?? true)"
TURNED: Final = "<script>document.addEventListener('visibilitychange', () => emitEvent('seen', !document.hidden))</script>"
"""In every page."""


def picked(part: ui.html, told: Callable[[str], object]) -> None:
    """`told` hears `data-pick` of the button in `part` that was clicked. Buttons in HTML cost the server nothing, however many there are."""
    part.on("click", lambda event: told(str(event.args)), js_handler=PICKED)


def chosen(part: ui.html, told: Callable[[str, str, bool], object]) -> None:
    """`told` hears name and value of the select or box in `part` that was changed, and whether it is on."""
    part.on("change", lambda event: told(*event.args), js_handler=CHOSEN)


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
