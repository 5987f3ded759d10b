"""What the price models share: their caches of scaled and rational twins, and models without flats or steps."""

from decimal import Decimal

from contracts.money import Number
from contracts.prices import Flat, Price


class Model:
    """Default answers of a price model; a model overrides what differs."""

    monotone = True

    def __init__(self) -> None:
        self._scaled: dict[Decimal, Price] = {}
        self._rational: Price | None = None

    def align(self, position: Number) -> Number:
        return position

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        return []

    def flat_of(self, tier: int | None) -> Number | None:
        return None

    def scaled(self, factor: Decimal) -> Price:
        found = self._scaled.get(factor)
        if found is None:
            found = self._scaled[factor] = self._times(factor)
        return found

    def rational(self) -> Price:
        if self._rational is None:
            self._rational = self._fractions()
        return self._rational

    def _times(self, factor: Decimal) -> Price:
        raise NotImplementedError

    def _fractions(self) -> Price:
        raise NotImplementedError


def times(value: Number, factor: Decimal) -> Number:
    """A price number scaled, in its own kind."""
    return value * factor if isinstance(value, Decimal) else value * type(value)(factor)


__all__ = ["Model", "times"]
