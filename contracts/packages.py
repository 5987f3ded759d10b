"""Packages: contract templates whose times are durations from the contract's start.

Works on plain data, before models are built, because a template is no contract yet. A contract that names a package takes everything
from it that it does not say itself; items of lists that have ids are matched by id, so a contract can change one commit of its package
and keep the others.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from contracts.instants import duration, from_ms, instant_ms, to_ms
from contracts.sources import FloatText
from contracts.timeline import add_months, iso

TIMES: Final = frozenset({"starting_at", "ending_before", "at", "from", "until"})
"""Keys whose value may be a duration. A threshold's `at` is a number, which no duration looks like."""
OWN: Final = ("id", "customer", "starting_at", "package")
"""What a template cannot have: each contract says it."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def template_contract(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as a contract of nobody, to look at its shape."""
    return {**template, "id": "template", "customer": "template", "starting_at": "P0D"}


def fill(contract: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """The contract with what its package adds, and durations made instants. Raises ValueError for a start or duration that is none."""
    merged = _merge({key: value for key, value in template.items() if key not in OWN}, contract)
    merged.pop("package", None)
    start = merged.get("starting_at")
    if not isinstance(start, str) or isinstance(start, FloatText):
        raise ValueError("a contract that fills a package needs its own starting_at, from which the package counts")  # noqa: TRY004 - the document is wrong, not the program
    billing = merged.get("billing")
    zone = billing.get("timezone", "UTC") if isinstance(billing, Mapping) else "UTC"
    instant_ms(start, zone)
    dated = _dated(merged, start, zone)
    if not isinstance(dated, dict):
        raise TypeError("a contract is a mapping")
    return dated


def after(start: str, text: str, timezone: str = "UTC") -> str:
    """The instant a duration after `start`: a date when both count in days, else RFC 3339. P1M after 31 January is the end of February."""
    span = duration(text)
    days, rest_ms = divmod(span.exact_ms, 24 * 3_600_000)
    if _DATE.fullmatch(start) and rest_ms == 0:
        return (add_months(date.fromisoformat(start), span.months) + timedelta(days=days)).isoformat()
    begun = from_ms(instant_ms(start, timezone), timezone)
    day = add_months(begun.date(), span.months) + timedelta(days=days)
    local = begun.replace(year=day.year, month=day.month, day=day.day)
    return iso(to_ms(local) + rest_ms)


def _dated(value: Any, start: str, zone: str) -> Any:
    if isinstance(value, dict):
        return {key: _moment(item, start, zone) if key in TIMES else _dated(item, start, zone) for key, item in value.items()}
    if isinstance(value, list):
        return [_dated(item, start, zone) for item in value]
    return value


def _moment(value: Any, start: str, zone: str) -> Any:
    if isinstance(value, str) and not isinstance(value, FloatText) and value.startswith("P"):
        return after(start, value, zone)
    return value


def _merge(below: Any, above: Any) -> Any:
    """`above` over `below`: mappings by key, lists of items with ids by id, everything else whole."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = _merge(below[key], value) if key in below else value
        return merged
    if isinstance(below, list) and isinstance(above, list) and _have_ids(below) and _have_ids(above):
        given = {item["id"]: item for item in above}
        known = {item["id"] for item in below}
        return [_merge(item, given[item["id"]]) if item["id"] in given else item for item in below] + [item for item in above if item["id"] not in known]
    return above


def _have_ids(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, Mapping) and isinstance(item.get("id"), str) for item in items)
