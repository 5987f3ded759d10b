"""Instants, dates and anchored periods, written again from the documents' words. Milliseconds of UTC; intervals are half-open."""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

HOUR = 3_600_000
DAY = 24 * HOUR
FOREVER = 2**62
MONTHS = {"monthly": 1, "month": 1, "quarterly": 3, "quarter": 3, "annual": 12, "year": 12}


@cache
def parse(text: str, zone: str = "UTC") -> int:
    """RFC 3339, or a date: midnight in `zone`."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return midnight(date.fromisoformat(text), zone)
    found = re.fullmatch(r"(.{10})[Tt ](\d\d:\d\d)(:\d\d)?(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text)
    assert found, text
    day, minutes, seconds, fraction, offset = found.groups()
    whole = datetime.fromisoformat(f"{day}T{minutes}{seconds or ':00'}{'+00:00' if offset in 'Zz' else offset}")
    return round(whole.timestamp()) * 1000 + int(((fraction or ".") + "000")[1:4])


def opt(text: str | None, zone: str, otherwise: int) -> int:
    return otherwise if text is None else parse(text, zone)


@cache
def midnight(day: date, zone: str) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def local(ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone)) + timedelta(milliseconds=ms % 1000)


def text(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return moment + (f".{ms % 1000:03d}Z" if ms % 1000 else "Z")


def duration(iso: str) -> int:
    """Milliseconds of an exact duration: P1D is 24 hours."""
    found = re.fullmatch(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", iso)
    assert found, iso
    weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def shift(anchor: date, period: str, number: int) -> date:
    """The anchor's date `number` periods on: whole weeks, or whole months with the day held inside the month."""
    if period in {"weekly", "week"}:
        return anchor + timedelta(days=7 * number)
    months = anchor.year * 12 + anchor.month - 1 + MONTHS[period] * number
    year, month = divmod(months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def anchor_of(anchor: str, start: int, zone: str) -> date:
    """The date that periods are counted from."""
    begun = local(start, zone).date()
    if anchor == "first_of_month":
        return begun.replace(day=1)
    return begun if anchor == "contract_start" else local(parse(anchor, zone), zone).date()


def period_at(anchor: date, period: str, zone: str, moment: int) -> tuple[int, int]:
    """The anchored period that holds `moment`."""
    day = local(moment, zone).date()
    if period in {"weekly", "week"}:
        number = (day - anchor).days // 7 - 2
    else:
        number = (day.year * 12 + day.month - anchor.year * 12 - anchor.month) // MONTHS[period] - 2
    while midnight(shift(anchor, period, number + 1), zone) <= moment:
        number += 1
    return midnight(shift(anchor, period, number), zone), midnight(shift(anchor, period, number + 1), zone)


def periods(anchor: date, period: str, zone: str, start: int, end: int, until: int) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, whole start, whole end) of each period of [start, end) that begins at or before `until`."""
    moment = start
    while moment < end and moment <= until:
        whole = period_at(anchor, period, zone, moment)
        yield moment, min(whole[1], end), whole[0], whole[1]
        moment = whole[1]


def days(start: int, end: int, zone: str) -> int:
    """Calendar days of an interval in `zone`."""
    return (local(end, zone).date() - local(start, zone).date()).days


def stepped(start: int, step: str, zone: str, end: int, until: int) -> Iterator[int]:
    """start, start + 1 step, … before `end` and not after `until`; the local time of day stays."""
    begun = local(start, zone)
    number = 0
    while True:
        day = shift(begun.date(), step, number)
        moment = midnight(day, zone) + (start - midnight(begun.date(), zone))
        if moment >= end or moment > until:
            return
        yield moment
        number += 1
