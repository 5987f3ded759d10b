"""Section 2.1: the rate and the override that hold for a product and group at an instant, without or with a grant that is drawn."""

from collections.abc import Collection, Mapping
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
    after: tuple[Override, ...] = ()
    """Who wins when the tiers of a tiered override are used up, one after the other."""


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
    after: list[Override] = []
    while winner is not None and (after[-1] if after else winner).tiers is not None:
        used = {winner.id, *(each.id for each in after)}
        following = winning(contract, catalogue, product, group, at, grant, source, used)
        if following is None:
            break
        after.append(following)
    return Terms(price, winner, source, tuple(after))


def winning(
    contract: Contract,
    catalogue: Catalogue,
    product: str,
    group: Mapping[str, str],
    at: int,
    grant: Grant | None,
    source: str,
    used: Collection[str] = (),
) -> Override | None:
    """Commit-specific overwrite, commit-specific multiplier, contract overwrite (the last added), contract multiplier (lowest, or smallest priority)."""
    candidates = [
        o
        for o in contract.overrides
        if o.id not in used and o.entitled is None and o.target == source and reaches(contract, catalogue, o, product, group, at) and (not o.commits or (grant is not None and grant.id in o.commits))
    ]
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
        graduated=None if price.graduated is None else [msgspec.structs.replace(t, per_unit=t.per_unit * factor, flat=t.flat * factor) for t in price.graduated],
        volume=None if price.volume is None else [msgspec.structs.replace(t, per_unit=t.per_unit * factor, flat=t.flat * factor) for t in price.volume],
        flat=None if price.flat is None else price.flat * factor,
    )


def multiplied(pieces: list[Piece], override: Override | None, counted: dict[str, Fraction], after: tuple[Override, ...] = ()) -> list[Piece]:
    """The pieces under the winning override. A tiered one counts the units it applies to in `counted`, and cuts pieces where its tiers end."""
    if override is None:
        return pieces
    if override.price is not None:
        return [piece._replace(override=override.id) for piece in pieces]
    if override.multiplier is not None:
        return [piece._replace(unit_price=piece.unit_price * Fraction(override.multiplier), override=override.id) for piece in pieces]
    found: list[Piece] = []
    for piece in pieces:
        if piece.kind == "flat":
            factor, _ = tier_now(override, counted.get(override.id, Fraction(0)))
            found.append(piece._replace(unit_price=piece.unit_price * factor, override=override.id))
            continue
        rest = piece
        while rest.quantity > 0:
            factor, room = tier_now(override, counted.get(override.id, Fraction(0)))
            if room is None and after and (override.tiers or [])[-1].size is not None:
                found += multiplied([rest], after[0], counted, after[1:])
                break
            taken = rest.quantity if room is None else min(rest.quantity, room)
            found.append(rest._replace(quantity=taken, after=rest.before + taken, unit_price=rest.unit_price * factor, override=override.id if room is not None or factor != 1 else None))
            counted[override.id] = counted.get(override.id, Fraction(0)) + taken
            rest = rest._replace(quantity=rest.quantity - taken, before=rest.before + taken)
        if piece.quantity <= 0:
            factor, _ = tier_now(override, counted.get(override.id, Fraction(0)))
            found.append(piece._replace(unit_price=piece.unit_price * factor, override=override.id))
            counted[override.id] = counted.get(override.id, Fraction(0)) + piece.quantity
    return found


def tier_now(override: Override, counted: Fraction) -> tuple[Fraction, Fraction | None]:
    """(multiplier, units left in this tier; None: no end) after `counted` units."""
    floor = Fraction(0)
    for tier in override.tiers or []:
        if tier.size is None or counted < floor + Fraction(tier.size):
            return Fraction(tier.multiplier), None if tier.size is None else floor + Fraction(tier.size) - counted
        floor += Fraction(tier.size)
    return Fraction(1), None
