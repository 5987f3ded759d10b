"""Instants as the API writes them: RFC 3339 in UTC, and what stands for no beginning and no end."""

from typing import Final

from contracts.instants import instant_ms
from contracts.timeline import iso

EPOCH: Final = "1970-01-01T00:00:00Z"
FAR: Final = "9999-12-31T00:00:00Z"


def instant_text(text: str | None, zone: str, default: str) -> str:
    """An instant of a document as RFC 3339 in UTC."""
    return default if text is None else iso(instant_ms(text, zone))
