"""The tier that the period's quantity has reached prices all of it."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.money import Number, fraction
from contracts.prices import Flat, Piece, Price
from contracts.prices.base import Model, times
from contracts.prices.graduated import Tier, describe_tiers


class VolumePrice(Model):
    monotone = False

    def __init__(self, tiers: Sequence[Tier]) -> None:
        super().__init__()
        self.tiers = list(tiers)

    def reached(self, total: Number) -> int:
        for number, (up_to, _, _) in enumerate(self.tiers, 1):
            if up_to is None or total <= up_to:
                return number
        return len(self.tiers)

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if start == end:
            return []
        tier = self.reached(total)
        return [Piece(end - start, self.tiers[tier - 1][1], tier, end)]  # type: ignore[operator]

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        tier = self.reached(total)
        flat = self.tiers[tier - 1][2]
        return [Flat(flat, tier)] if first and flat else []

    def flat_of(self, tier: int | None) -> Number | None:
        return self.tiers[tier - 1][2] if tier is not None and tier <= len(self.tiers) else None

    def _times(self, factor: Decimal) -> Price:
        return VolumePrice([(up_to, times(unit, factor), times(flat, factor)) for up_to, unit, flat in self.tiers])

    def _fractions(self) -> Price:
        return VolumePrice([(None if up_to is None else fraction(up_to), fraction(unit), fraction(flat)) for up_to, unit, flat in self.tiers])

    def describe(self) -> dict[str, object]:
        return {"volume": describe_tiers(self.tiers)}
