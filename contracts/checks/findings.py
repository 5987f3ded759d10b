"""Collects what is wrong with a document, and the checks that every part of it shares: names, ids, times, amounts."""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any, Protocol

from contracts.catalogue import Catalogue, Condition, Where
from contracts.instants import exact_ms, instant_ms, zone
from contracts.shapes import nearest, text_of
from contracts.sources import Path, Problem
from contracts.timeline import iso

MINUTE = 60_000


class Named(Protocol):
    """An item of a list whose ids are unique."""

    @property
    def id(self) -> str: ...


class Targeted(Protocol):
    """A term that holds for some products."""

    @property
    def products(self) -> list[str]: ...
    @property
    def tags(self) -> list[str]: ...


class Findings:
    """Problems of one document. `timezone` is that of its dates; boundaries fall on windows of `window_minutes`."""

    def __init__(self, timezone: str = "UTC", window_minutes: int = 60) -> None:
        self.problems: list[Problem] = []
        self.timezone = timezone
        self.window_minutes = window_minutes

    def add(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path, message))

    def known(self, path: Path, what: str, name: str, names: Collection[str]) -> bool:
        """Whether `name` is one of `names`; else a problem that tells the nearest."""
        if name in names:
            return True
        self.add(path, f"there is no {what} {name!r}; {nearest(name, names)}")
        return False

    def unique(self, path: Path, items: Iterable[Named]) -> None:
        """Ids are not empty and each is given once."""
        seen: set[str] = set()
        for number, item in enumerate(items):
            if not item.id:
                self.add((*path, number, "id"), "an id must not be empty")
            elif item.id in seen:
                self.add((*path, number, "id"), f"the id {item.id!r} is given twice in this list; every id must be unique")
            seen.add(item.id)

    def not_negative(self, path: Path, amount: Decimal | None, hint: str = "") -> None:
        if amount is not None and amount < 0:
            self.add(path, f"{amount} is negative; it must be 0 or more{hint}")

    def positive(self, path: Path, amount: Decimal | int | None) -> None:
        if amount is not None and amount <= 0:
            self.add(path, f"{amount} must be more than 0")

    def zone(self, path: Path, name: str) -> bool:
        """Whether the time zone exists."""
        try:
            zone(name)
        except ValueError:
            self.add(path, f"{name!r} is no known time zone; write an IANA name such as Europe/Berlin, America/New_York or UTC")
            return False
        return True

    def instant(self, path: Path, text: str | None) -> int | None:
        """Milliseconds of an instant; a problem and None when it is none."""
        if text is None:
            return None
        try:
            return instant_ms(text, self.timezone)
        except (ValueError, OverflowError):
            example = "2025-10-15T00:00:00Z, with an offset, or a date such as 2025-10-15"
            self.add(path, f"{text!r} is no instant; write RFC 3339: {example}")
            return None

    def boundary(self, path: Path, text: str | None) -> int | None:
        """An instant at which prices may change: it falls on the edge of a metering window."""
        moment = self.instant(path, text)
        if moment is not None and moment % (self.window_minutes * MINUTE):
            width = self.window_minutes * MINUTE
            words = "the full hour" if self.window_minutes == 60 else f"a multiple of {self.window_minutes} minutes"
            where = "" if self.timezone == "UTC" or "T" in str(text).upper() else f" (midnight in {self.timezone})"
            message = (
                f"the boundary {text}{where} is not on the metering window of {self.window_minutes} minutes, counted in UTC;"
                f" move it to {words}, such as {iso(moment - moment % width)}"
            )
            self.add(path, message)
        return moment

    def interval(self, path: Path, starting_at: str | None, ending_before: str | None) -> None:
        """Both ends are boundaries, and the end is after the start."""
        start = self.boundary((*path, "starting_at"), starting_at)
        end = self.boundary((*path, "ending_before"), ending_before)
        if start is not None and end is not None and end <= start:
            self.add((*path, "ending_before"), f"the end {ending_before} must be after the start {starting_at}")

    def duration(self, path: Path, text: str) -> int | None:
        """Milliseconds of a duration of fixed length."""
        try:
            return exact_ms(text)
        except (ValueError, OverflowError):
            self.add(path, f"{text!r} is no duration of fixed length; write ISO 8601 such as P1D (24 hours), PT12H or PT15M")
            return None

    def where(self, path: Path, where: Where) -> None:
        """Filters that can be met."""
        for name, wanted in where.items():
            if isinstance(wanted, list) and not wanted:
                self.add((*path, name), "an empty list matches nothing; name at least one value")
            if isinstance(wanted, Condition) and wanted.exists is None and not wanted.not_in:
                self.add((*path, name), "a condition needs {exists: true}, {exists: false} or {not_in: [...]}")

    def targets(self, path: Path, term: Targeted, catalogue: Catalogue) -> None:
        """Products and tags that the catalogue has."""
        for number, product in enumerate(term.products):
            self.known((*path, "products", number), "product", product, catalogue.products)
        for number, tag in enumerate(term.tags):
            self.known((*path, "tags", number), "product with the tag", tag, tags_of(catalogue))


def tags_of(catalogue: Catalogue) -> set[str]:
    return {tag for product in catalogue.products.values() for tag in product.tags}


def reached(term: Targeted, catalogue: Catalogue) -> set[str]:
    """Ids of the products a term holds for; a term without products and tags holds for all."""
    if not term.products and not term.tags:
        return set(catalogue.products)
    return {name for name, product in catalogue.products.items() if name in term.products or set(term.tags) & set(product.tags)}


def values_of(wanted: Any) -> frozenset[str] | None:
    """The values a filter names; none for a condition."""
    if isinstance(wanted, Condition):
        return None
    return frozenset(text_of(value) for value in (wanted if isinstance(wanted, list) else [wanted]))


def same_usage(one: Where, other: Where) -> bool:
    """Whether two filters over the same properties can be met by one event (conditions: only when they are equal)."""
    if one.keys() != other.keys():
        return False
    for name, wanted in one.items():
        left, right = values_of(wanted), values_of(other[name])
        if left is None or right is None:
            if wanted != other[name]:
                return False
        elif not left & right:
            return False
    return True


def overlap(one: tuple[int | None, int | None], other: tuple[int | None, int | None]) -> bool:
    """Whether two half-open intervals share an instant; None is open."""
    (a, b), (c, d) = one, other
    return (b is None or c is None or c < b) and (d is None or a is None or a < d)


def cycle(start: str, step: Callable[[str], Iterable[str]]) -> list[str] | None:
    """A way from `start` back to itself."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for target in step(way[-1]):
            if target == start:
                return [*way, target]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def quiet_ms(text: str | None, timezone: str) -> int | None:
    """Milliseconds of an instant; None when it is left out or wrong (which is told elsewhere)."""
    try:
        return None if text is None else instant_ms(text, timezone)
    except (ValueError, OverflowError):
        return None
