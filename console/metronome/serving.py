"""What the routes share: Metronome's envelope, the body, pages."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from console import paging
from console.access.guard import Caller
from console.books import Change
from console.errors import invalid
from console.metronome.shelf import Shelf
from console.requests import Body, edit
from console.services import Services

CLOCK_HEADER: Final = "taximeter-clock"
"""Test clocks by an official client: contracts that it makes live on this clock, and events arrive on it at their own time. Clients set it as a default header."""
MOST: Final = 100


def change(held: Services, caller: Caller, body: Body, make: Callable[[Shelf], Change]) -> Any:
    """Carry out an edit and give its answer."""
    return edit(held, caller, body, lambda papers: make(Shelf(papers)))[0]


def shelf(held: Services) -> Shelf:
    return Shelf(held.books.now())


def paged(items: Sequence[Any], name: Callable[[Any], str], cursor: str | None, limit: int | None, field: str = "next_page") -> tuple[list[Any], str | None]:
    """A page of a list, as the clients ask for it."""
    if limit is not None and not 1 <= limit <= MOST:
        raise invalid("limit", f"must be 1 to {MOST}")
    return paging.page(items, name, cursor, limit or MOST, field)
