"""Pages of a list: a cursor names the last item that was given, so nothing is skipped or given twice when the list grows."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from console.errors import invalid

Item = TypeVar("Item")


def page(items: Sequence[Item], name: Callable[[Item], str], cursor: str | None, limit: int, field: str = "next_page") -> tuple[list[Item], str | None]:
    """`limit` items behind the cursor, and the cursor of the next page (none: this is the last). `name` tells items apart. Raises InvalidError."""
    start = 0
    if cursor:
        last = _read(cursor, field)
        start = next((number + 1 for number, item in enumerate(items) if name(item) == last), -1)
        if start < 0:
            raise invalid(field, "this cursor is of another list, or its last item is gone; start from the first page")
    found = list(items[start : start + limit])
    more = start + limit < len(items)
    return found, base64.urlsafe_b64encode(name(found[-1]).encode()).decode() if more and found else None


def _read(cursor: str, field: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        raise invalid(field, "this is no cursor that was given here") from error
