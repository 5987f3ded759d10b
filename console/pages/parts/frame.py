"""What is around every page: navigation, who is logged in, light and dark."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nicegui import ui

from console.pages.parts.live import TURNED
from console.pages.parts.text import Html, join, link, tag
from console.pages.parts.visit import Visit

STYLE: Final = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
PLACES: Final = (("Overview", ""), ("Customers", "customers"), ("Events", "events"), ("Alerts", "alerts"), ("Catalogue", "catalogues"), ("Replay", "replay"))
PATIENCE_S: Final = 30.0
THEME: Final = "taximeter_theme"
THEMES: Final[dict[str, bool | None]] = {"light": False, "dark": True}


def at(path: str) -> ui.page:
    """The decorator of a page at that address. When the machine is slow it comes late, and not as an error."""
    return ui.page(path, response_timeout=PATIENCE_S)


def remember(**chosen: str | list[str]) -> None:
    """What a person has chosen goes into the address of the page, so that it can be sent around and comes back with the page."""
    ui.run_javascript(
        "const at = new URL(location); for (const [key, values] of Object.entries("
        + json.dumps({key: [value] if isinstance(value, str) else value for key, value in chosen.items()})
        + ")) { at.searchParams.delete(key); values.forEach(value => at.searchParams.append(key, value)) } history.replaceState(null, '', at)"
    )


@contextmanager
def frame(visit: Visit, place: str, title: str) -> Iterator[None]:
    """The page `title` under the heading `place` of the navigation; the block has its content."""
    ui.page_title(f"{title} · Taximeter")
    ui.add_css(STYLE)
    ui.add_body_html(TURNED)
    ui.colors(primary="#1d5fd1")
    dark = ui.dark_mode(THEMES.get(visit.request.cookies.get(THEME, "")))

    async def turn() -> None:
        now = await ui.run_javascript("document.body.classList.contains('body--dark')")
        dark.value = not now
        ui.run_javascript(f"document.cookie = '{THEME}={'light' if now else 'dark'}; path=/; max-age=31536000; samesite=strict'")

    with ui.header().classes("bar items-center row no-wrap").style("gap: .5rem"):
        raw(tag("a", "Skip to the content", href="#content", class_="skip"))
        raw(tag("nav", _places(visit, place), class_="main", aria_label="Main")).style("flex: 1; min-width: 0")
        ui.button(icon="contrast", on_click=turn).props('flat dense aria-label="Light or dark"')
        if visit.caller.by == "session":
            raw(Html('<form method="post" action="/logout"><button class="badge" title="Log out">Log out</button></form>'))
    raw(Html('<span id="content" tabindex="-1"></span>')).style("position: absolute")
    yield


def raw(content: Html = Html(""), classes: str = "") -> ui.html:  # noqa: B008 - text is immutable
    """HTML of ours: its values were escaped when it was made."""
    return ui.html(content, sanitize=False).classes(classes)


@contextmanager
def card(title: str = "", **attributes: Any) -> Iterator[ui.element]:
    """A box with a heading."""
    with ui.element("section").classes("card") as made:
        if title:
            raw(tag("h2", title, **attributes))
        yield made


def _places(visit: Visit, place: str) -> Html:
    mine = PLACES if visit.caller.customer is None else ()
    found = [tag("a", "Taximeter", href="/", class_="brand")]
    return join([*found, *(link(name, path, aria_current="page" if name == place else None) for name, path in mine)])
