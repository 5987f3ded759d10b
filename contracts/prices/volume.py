"""The tier that the period's quantity has reached prices all of it."""

from bisect import bisect_left
from collections.abc import Sequence

from contracts.prices.graduated import Tier, describe_tiers
from contracts.prices.model import Flat, Piece, Position, Unit, flat_of, unit_of
from contracts.scales import Scale


class VolumePrice:
    linear = False
    by_total = True

    def __init__(self, tiers: Sequence[Tier], scale: Scale, places: int) -> None:
        self._tiers = list(tiers)
        self._bounds = [scale.atoms(up_to) for up_to, _, _ in tiers[:-1] if up_to is not None]
        self._units = [unit_of(price, places, scale.per, number) for number, (_, price, _) in enumerate(tiers, 1)]
        self._flats = [flat_of(price, places, number) for number, (_, _, price) in enumerate(tiers, 1)]
        self.counted = scale.per

    def align(self, position: Position) -> Position:
        return position

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        return [] if start == end else [(end - start, self._units[bisect_left(self._bounds, total)])]

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        reached = self._flats[bisect_left(self._bounds, total)]
        return [reached] if first and reached.price else []

    def first_unit(self) -> Unit:
        return self._units[0]

    def describe(self) -> dict[str, object]:
        return {"volume": describe_tiers(self._tiers)}
