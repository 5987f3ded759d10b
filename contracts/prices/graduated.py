"""Each tier prices its own part; `up_to` is inclusive and cumulative, a tier's flat is due once the tier is entered."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.money import Number, fraction, plain, shown
from contracts.prices import Flat, Piece, Price
from contracts.prices.base import Model, times

Tier = tuple[Number | None, Number, Number]
"""up_to (none: no end), per_unit, flat."""


class GraduatedPrice(Model):
    def __init__(self, tiers: Sequence[Tier]) -> None:
        super().__init__()
        self.tiers = list(tiers)
        self._has_flats = any(flat for _, _, flat in tiers)
        self.monotone = all(per_unit >= 0 and flat >= 0 for _, per_unit, flat in tiers)

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if end < start:
            return [Piece(-quantity, price, tier, until - quantity) for quantity, price, tier, until in reversed(self.pieces(end, start, total))]  # type: ignore[operator]
        found = []
        for number, (up_to, per_unit, _) in enumerate(self.tiers, 1):
            if start >= end:
                break
            if up_to is not None and start >= up_to and number < len(self.tiers):
                continue
            until = end if up_to is None or end <= up_to or number == len(self.tiers) else up_to
            found.append(Piece(until - start, per_unit, number, until))  # type: ignore[operator]
            start = until
        return found

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        if not self._has_flats:
            return []
        found = []
        before: Number | None = None
        for number, (up_to, _, flat) in enumerate(self.tiers, 1):
            entered = first if before is None else start <= before < end
            if entered and flat:
                found.append(Flat(flat, number))
            before = up_to
            if before is None:
                break
        return found

    def flat_of(self, tier: int | None) -> Number | None:
        return self.tiers[tier - 1][2] if tier is not None and tier <= len(self.tiers) else None

    def _times(self, factor: Decimal) -> Price:
        return GraduatedPrice([(up_to, times(unit, factor), times(flat, factor)) for up_to, unit, flat in self.tiers])

    def _fractions(self) -> Price:
        return GraduatedPrice([(None if up_to is None else fraction(up_to), fraction(unit), fraction(flat)) for up_to, unit, flat in self.tiers])

    def describe(self) -> dict[str, object]:
        return {"graduated": describe_tiers(self.tiers)}


def describe_tiers(tiers: Sequence[Tier]) -> list[dict[str, str]]:
    return [
        {**({} if up_to is None else {"up_to": plain(shown(up_to))}), "per_unit": plain(shown(unit)), **({"flat": plain(shown(flat))} if flat else {})}
        for up_to, unit, flat in tiers
    ]
