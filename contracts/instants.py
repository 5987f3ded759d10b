"""Instants and durations as documents write them: RFC 3339 text, dates, ISO 8601 durations.

Pure text to numbers; the only outside knowledge is the time zone database. Milliseconds of UTC since the epoch inside.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)


class Duration(NamedTuple):
    """An ISO 8601 duration: calendar months, then an exact rest."""

    months: int
    exact_ms: int


@lru_cache(maxsize=4096)
def instant_ms(text: str, timezone: str = "UTC") -> int:
    """Milliseconds of a document's instant; a date is midnight in `timezone`. Fractions below a millisecond are cut. Raises ValueError."""
    if _DATE.fullmatch(text):
        day = date.fromisoformat(text)
        return to_ms(datetime(day.year, day.month, day.day, tzinfo=zone(timezone)))
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time; write RFC 3339 with an offset (2025-10-15T00:00:00Z) or a date (2025-10-15)")
    day_text, clock, fraction, offset = found.groups()
    clock += ":00" if len(clock) == 5 else ""
    when = datetime.fromisoformat(f"{day_text}T{clock}{'+00:00' if offset in 'Zz' else offset}")
    return to_ms(when) + int(((fraction or ".") + "000")[1:4])


def to_ms(when: datetime) -> int:
    """Milliseconds of an aware datetime."""
    return (when - EPOCH) // MILLISECOND


def from_ms(instant: int, timezone: str = "UTC") -> datetime:
    """The aware datetime in `timezone`."""
    return (EPOCH + instant * MILLISECOND).astimezone(zone(timezone))


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError for a name that nobody knows."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no known time zone; write an IANA name such as Europe/Berlin or UTC") from None


@lru_cache(maxsize=256)
def duration(text: str) -> Duration:
    """An ISO 8601 duration of whole numbers, such as P1M, P14D, PT24H. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(part is not None for part in found.groups()) or text.endswith("T"):
        raise ValueError(f"{text!r} is no duration; write ISO 8601 such as PT24H, P1D, P1M")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    exact_s = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    return Duration(years * 12 + months, exact_s * 1000)


def exact_ms(text: str) -> int:
    """Milliseconds of a duration of fixed length: weeks, days (24 hours), hours, minutes, seconds. Raises ValueError."""
    found = duration(text)
    if found.months:
        raise ValueError(f"{text!r} has no fixed length; write days, hours or minutes, such as P30D or PT24H")
    return found.exact_ms
