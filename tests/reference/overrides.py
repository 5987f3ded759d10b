"""Section 2.1: the rate and the override that hold for a product and group at an instant, without or with a grant that is drawn."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from contracts.catalogue import Catalogue, Price, Rate
from contracts.contract import Contract, Override
from tests.reference.events import meets
from tests.reference.grants import Grant, reached, values
from tests.reference.prices import Piece
from tests.reference.times import FOREVER, opt


class Terms(NamedTuple):
    """What prices a unit."""

    price: Price
    override: Override | None
    source: str
    """list | commit: which price of the rate."""
    rivals: tuple[Override, ...] = ()
    """Multipliers of which one wins at each unit, when one of them has tiers; `override` is None then."""
    explicit: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Who wins, or could: after a tiered one whoever follows it."""
        if self.override is not None:
            return (self.override.id,)
        found: list[str] = []
        for each in sorted(
            self.rivals, key=lambda o: o.priority if self.explicit else o.multiplier if o.multiplier is not None else min(t.multiplier for t in o.tiers or [])
        ):
            found.append(each.id)
            if each.tiers is None:
                break
        return tuple(found)


def rate_at(contract: Contract, catalogue: Catalogue, product: str, group: Mapping[str, str], at: int) -> Rate | None:
    """The rate in force: of those whose `where` holds, the one that names most group values."""
    assert contract.rate_card is not None
    found = []
    for rate in catalogue.rate_cards[contract.rate_card].rates:
        if rate.product != product or not meets(rate.where, values(product, group, catalogue)):
            continue
        if opt(rate.starting_at, catalogue.timezone, -FOREVER) <= at < opt(rate.ending_before, catalogue.timezone, FOREVER):
            found.append(rate)
    found.sort(key=lambda rate: -len(rate.where))
    return found[0] if found else None


def reaches(contract: Contract, catalogue: Catalogue, override: Override, product: str, group: Mapping[str, str], at: int | None) -> bool:
    """The override is for the product and group, and in force at `at` (None: whenever)."""
    if product not in reached(override.products, override.tags, catalogue) or not meets(override.where, values(product, group, catalogue)):
        return False
    zone = contract.billing.timezone
    return at is None or opt(override.starting_at, zone, -FOREVER) <= at < opt(override.ending_before, zone, FOREVER)


def entitled(contract: Contract, catalogue: Catalogue, product: str, group: Mapping[str, str], at: int) -> bool:
    """The last override that says so decides, else the rate."""
    said = [o.entitled for o in contract.overrides if o.entitled is not None and reaches(contract, catalogue, o, product, group, at)]
    if said:
        return said[-1]
    rate = rate_at(contract, catalogue, product, group, at)
    return rate is None or rate.entitled


def terms_at(contract: Contract, catalogue: Catalogue, product: str, group: Mapping[str, str], at: int, grant: Grant | None) -> Terms | None:
    """What prices the product at `at`, while `grant` is drawn when one is; None: it has no price, or no entitlement."""
    if not entitled(contract, catalogue, product, group, at):
        return None
    rate = rate_at(contract, catalogue, product, group, at)
    source = "list"
    if grant is not None and grant.rate == "commit" and rate is not None and rate.commit_price is not None:
        source = "commit"
    winner = winning(contract, catalogue, product, group, at, grant, source)
    if winner is not None and winner.price is not None:
        return Terms(winner.price, winner, source)
    if rate is None:
        return None
    price = rate.commit_price if source == "commit" else rate.price
    assert price is not None
    if rate.unit is not None:
        price = scaled(price, catalogue.pricing_units[rate.unit].price)
    if winner is not None and winner.price is None:
        level = [
            each
            for each in standing(contract, catalogue, product, group, at, grant, source)
            if bool(each.commits) is bool(winner.commits) and each.price is None
        ]
        if any(each.tiers is not None for each in level):
            return Terms(price, None, source, tuple(level), contract.override_selection == "explicit")
    return Terms(price, winner, source)


def standing(contract: Contract, catalogue: Catalogue, product: str, group: Mapping[str, str], at: int, grant: Grant | None, source: str) -> list[Override]:
    """Overrides of the price that hold here and now."""
    return [
        o
        for o in contract.overrides
        if o.entitled is None
        and o.target == source
        and reaches(contract, catalogue, o, product, group, at)
        and (not o.commits or (grant is not None and grant.id in o.commits))
    ]


def winning(contract: Contract, catalogue: Catalogue, product: str, group: Mapping[str, str], at: int, grant: Grant | None, source: str) -> Override | None:
    """Commit-specific overwrite, commit-specific multiplier, contract overwrite (the last added), contract multiplier (lowest, or smallest priority)."""
    candidates = standing(contract, catalogue, product, group, at, grant, source)
    for specific in (True, False):
        kind = [o for o in candidates if bool(o.commits) is specific]
        overwrites = [o for o in kind if o.price is not None]
        if overwrites:
            return overwrites[-1]
        multipliers = [o for o in kind if o.price is None]
        if multipliers and contract.override_selection == "explicit":
            return min(multipliers, key=lambda o: o.priority)
        if multipliers:
            return min(multipliers, key=lambda o: o.multiplier if o.multiplier is not None else min(t.multiplier for t in o.tiers or []))
    return None


def scaled(price: Price, factor: Decimal) -> Price:
    """Every amount of a price times a factor."""
    return msgspec.structs.replace(
        price,
        per_unit=None if price.per_unit is None else price.per_unit * factor,
        package=None if price.package is None else msgspec.structs.replace(price.package, price=price.package.price * factor),
        graduated=None
        if price.graduated is None
        else [msgspec.structs.replace(t, per_unit=t.per_unit * factor, flat=t.flat * factor) for t in price.graduated],
        volume=None if price.volume is None else [msgspec.structs.replace(t, per_unit=t.per_unit * factor, flat=t.flat * factor) for t in price.volume],
        flat=None if price.flat is None else price.flat * factor,
    )


def multiplied(pieces: list[Piece], terms: Terms, counted: dict[str, Fraction]) -> list[Piece]:
    """The pieces under the winning override. A tiered one counts the units it applies to in `counted`; pieces are cut where a tier ends."""
    override = terms.override
    if override is not None and override.price is not None:
        return [piece._replace(override=override.id) for piece in pieces]
    if override is not None:
        return [piece._replace(unit_price=piece.unit_price * Fraction(override.multiplier or 0), override=override.id) for piece in pieces]
    if not terms.rivals:
        return pieces
    found: list[Piece] = []
    for piece in pieces:
        rest = piece
        while True:
            winner, factor, room = now_best(terms, counted)
            name = winner.id if winner else None
            taken = rest.quantity if room is None or piece.kind == "flat" or rest.quantity <= 0 else min(rest.quantity, room)
            after = rest.after if taken == rest.quantity else rest.before + taken
            found.append(rest._replace(quantity=taken, after=after, unit_price=rest.unit_price * factor, override=name))
            if winner is not None and winner.tiers is not None and piece.kind != "flat":
                counted[winner.id] = counted.get(winner.id, Fraction(0)) + taken
            rest = rest._replace(quantity=rest.quantity - taken, before=after)
            if rest.quantity <= 0:
                break
    return found


def now_best(terms: Terms, counted: dict[str, Fraction]) -> tuple[Override | None, Fraction, Fraction | None]:
    """(winner, multiplier, units until its tier ends) of the next unit; an override whose tiers are used up is out."""
    found: list[tuple[object, Override, Fraction, Fraction | None]] = []
    for each in terms.rivals:
        if each.tiers is None:
            factor, room = Fraction(each.multiplier or 0), None
        else:
            factor, room, out = tier_now(each, counted.get(each.id, Fraction(0)))
            if out:
                continue
        found.append((each.priority if terms.explicit else factor, each, factor, room))
    if not found:
        return None, Fraction(1), None
    _, winner, factor, room = min(found, key=lambda each: each[0])  # type: ignore[arg-type, return-value]
    return winner, factor, room


def tier_now(override: Override, counted: Fraction) -> tuple[Fraction, Fraction | None, bool]:
    """(multiplier, units left in this tier; None: no end, whether all tiers are used up) after `counted` units."""
    floor = Fraction(0)
    for tier in override.tiers or []:
        if tier.size is None or counted < floor + Fraction(tier.size):
            return Fraction(tier.multiplier), None if tier.size is None else floor + Fraction(tier.size) - counted, False
        floor += Fraction(tier.size)
    return Fraction(1), None, True
