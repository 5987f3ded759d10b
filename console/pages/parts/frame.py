"""What is around every page: navigation, who is logged in, light and dark."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nicegui import context, ui

from console.pages.parts.live import TURNED
from console.pages.parts.locales import ENGLISH, separators
from console.pages.parts.text import Html, join, link, tag
from console.pages.parts.visit import Visit

STYLE: Final = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
PLACES: Final = (("Overview", ""), ("Customers", "customers"), ("Events", "events"), ("Alerts", "alerts"), ("Catalogue", "catalogues"), ("Replay", "replay"))
PATIENCE_S: Final = 30.0
SEPARATORS: Final = "separators"
"""Where a page keeps its own."""
THEME: Final = "taximeter_theme"
THEMES: Final[dict[str, bool | None]] = {"light": False, "dark": True}
TURN: Final = (
    "const dark = !document.body.classList.contains('body--dark'); setDark(dark);"
    f" document.cookie = `{THEME}=${{dark ? 'dark' : 'light'}}; path=/; max-age=31536000; samesite=strict`"
)
"""Runs in the browser: `setDark` is NiceGUI's."""


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
    context.client.storage[SEPARATORS] = separators(visit.request.headers.get("accept-language", ""))
    ui.page_title(f"{title} · Taximeter")
    ui.add_css(STYLE)
    # Plain HTML before the application: it is there at once, and costs the server no element.
    ui.add_body_html(_bar(visit, place) + TURNED)
    ui.dark_mode(THEMES.get(visit.request.cookies.get(THEME, "")))
    yield


def _bar(visit: Visit, place: str) -> Html:
    out = Html('<form method="post" action="/logout"><button class="badge" title="Log out">Log out</button></form>') if visit.caller.by == "session" else ""
    bar = tag(
        "header",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("nav", _places(visit, place), class_="main", aria_label="Main"),
        tag("button", "◐", type="button", class_="turn", aria_label="Light or dark", title="Light or dark", onclick=TURN),
        out,
        class_="bar",
    )
    return join([bar, Html('<span id="content" tabindex="-1"></span>')])


def raw(content: Html = Html("")) -> ui.html:  # noqa: B008 - text is immutable
    """HTML of ours: its values were escaped when it was made. Numbers in it are written as the browser's language has them."""
    return ui.html(content, sanitize=context.client.storage.get(SEPARATORS, ENGLISH).put)


def boxed(title: str, *content: Any) -> Html:
    """A box with a heading, as text: the server has one element for all of it."""
    return tag("section", tag("h2", title) if title else "", *content, class_="card")


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
