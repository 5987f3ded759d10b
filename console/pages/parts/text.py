"""HTML text, made safe, and how values are written: amounts with their minor units, quantities without trailing zeros, days without midnight."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any, Final
from urllib.parse import quote

from console.pages.parts.locales import marked
from contracts.money import exponent, plain
from contracts.timeline import iso

MINUS: Final = "−"


class Html(str):
    """Text that is HTML already; everything else is escaped on the way in."""

    __slots__ = ()


def safe(value: Any) -> str:
    return value if isinstance(value, Html) else escape("" if value is None else str(value))


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """An element; `class_` and `data_x` are `class` and `data-x`, None and False are left out, True is a bare attribute."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None and value is not False)
    written = "".join(f" {key}" if value is True else f' {key}="{escape(str(value))}"' for key, value in named)
    return Html(f"<{name}{written}>{''.join(safe(each) for each in content)}</{name}>")


def join(parts: Iterable[Any]) -> Html:
    return Html("".join(safe(each) for each in parts))


def link(text: Any, *path: str, **attributes: Any) -> Html:
    """A link to a page of ours: the parts of its path are quoted."""
    return tag("a", text, href=href(*path), **attributes)


def href(*path: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in path)


def event_link(transaction_id: str) -> Html:
    """To the search for an event."""
    return tag("a", transaction_id, href=f"/events?transaction_id={quote(transaction_id, safe='')}")


def money(amount: Decimal | None, currency: str = "USD") -> str:
    """With thousands separated and the currency's minor units: `51,000.00`, `−10.00`. The separators are marks (`locales`) that each page replaces."""
    return "" if amount is None else marked(f"{amount:,.{exponent(currency)}f}".replace("-", MINUS))


def number(value: Decimal | None) -> str:
    """A quantity or unit price, exact, without trailing zeros: `1,400,000`, `0.002`."""
    return "" if value is None else marked(f"{Decimal(plain(value)):,f}".replace("-", MINUS))


def many(value: float | Decimal, places: int = 0) -> str:
    """How many, or how long: `1,400`."""
    return marked(f"{value:,.{places}f}")


def day(ms: int) -> str:
    """`2025-10-15`, or `2025-10-15 12:00` where it is not midnight. UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%Y-%m-%d}" if ms % 86_400_000 == 0 else f"{moment:%Y-%m-%d %H:%M}" + ("" if ms % 60_000 == 0 else f"{moment::%S}")


def moment(ms: int) -> Html:
    """A time for people, with its exact text."""
    return tag("time", day(ms), datetime=iso(ms), title=iso(ms))


def table(head: Sequence[tuple[str, str]], rows: Iterable[Html], caption: str, foot: Html | None = None) -> Html:
    """A table that scrolls in itself when the page is narrow. `head`: texts and classes of the columns; `num` is right-aligned."""
    columns = join(tag("th", text, class_=kind or None, scope="col") for text, kind in head)
    parts = [tag("caption", caption), tag("thead", tag("tr", columns)), tag("tbody", *rows)]
    if foot is not None:
        parts.append(tag("tfoot", foot))
    return tag("div", tag("table", *parts), class_="scroll", tabindex="0", role="region", aria_label=caption)


def row(*cells: Any, kinds: Sequence[str] = (), **attributes: Any) -> Html:
    """A row; `kinds` are the classes of the cells."""
    classes = [*kinds, *[""] * (len(cells) - len(kinds))]
    return tag("tr", *(tag("td", cell, class_=kind or None) for cell, kind in zip(cells, classes, strict=False)), **attributes)


def choice(label: str, name: str, options: Mapping[int, str], value: int) -> Html:
    """One of several, as HTML: it costs the server no element."""
    shown = (tag("option", said, value=key, selected=key == value) for key, said in options.items())
    return tag("label", label, " ", tag("select", *shown, name=name))


def badge(text: str, kind: str = "") -> Html:
    return tag("span", text, class_=f"badge {kind}".strip())
