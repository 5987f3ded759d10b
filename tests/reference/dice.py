"""Seeded dice for cases: numbers, dates and intervals of the story, and which features are switched on."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

START: Final = datetime(2025, 1, 1, tzinfo=UTC)
Document = dict[str, Any]


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def date_of(days: int) -> str:
    """The date so many days into the story."""
    return (START + timedelta(days=days)).date().isoformat()


class Dice:
    """Throws for one case."""

    def __init__(self, rng: random.Random, features: frozenset[str]) -> None:
        self.rng = rng
        self.features = features
        self.on = features.__contains__
        self.span_days = 75
        self.zone = rng.choice(["Europe/Berlin", "America/New_York"]) if self.on("zone") else "UTC"

    def number(self, low: int, high: int, places: int = 2) -> str:
        places = 0 if self.on("yen") else places
        value = Decimal(self.rng.randint(low * 10**places, high * 10**places)) / 10**places
        if self.rng.random() < 0.5:
            value = Decimal(int(value)) if value >= 1 else value
        return format(value, "f")

    def price(self) -> str:
        return self.rng.choice(["0.07", "1.00", "0.333", "2.50", "3", "0.125", "1.5"])

    def day(self, low: int = 0, high: int | None = None) -> str:
        """A date of the story; a boundary."""
        when = START + timedelta(days=self.rng.randint(low, self.span_days if high is None else high))
        return when.date().isoformat() if self.rng.random() < 0.8 else stamp(when + timedelta(hours=self.rng.randint(0, 23)))

    def interval(self) -> dict[str, str]:
        """Open at neither, one or both ends."""
        if self.rng.random() < 0.25:
            return {}
        first = self.rng.randint(0, 50)
        found = {}
        if self.rng.random() < 0.8:
            found["starting_at"] = self.day(first, first)
        if self.rng.random() < 0.6 or not found:
            found["ending_before"] = self.day(first + 1 + self.rng.randint(1, 35), first + 37)
        return found

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def moment(self, low: int, high: int) -> str:
        return stamp(START + timedelta(days=self.rng.randint(low, high), hours=self.rng.randint(0, 23), minutes=13))

    def late_events(self) -> bool:
        return any(self.on(each) for each in ("late", "reopen", "drop", "regenerate", "finalize"))
