"""Section 4.2, 4.3, 4.6: how segments pay the lines of one invoice."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from tests.reference.grants import Segment, draw_order, may_pay, pays_for
from tests.reference.lines import Item
from tests.reference.money import places, round_money
from tests.reference.overrides import multiplied, terms_at
from tests.reference.prices import Piece, tier_of, units

PAYABLE = {"usage": 0, "correction": 0, "subscription": 1, "composite": 2, "minimum": 3}
Key = tuple[str, str, int, bool]


def line_order(item: Item) -> tuple:
    """Usage, subscription, composite, minimum; earlier start; higher unit price; name."""
    return PAYABLE[item.kind], item.start, -(item.unit_price or Fraction(0)), item.product or "~", item.group, item.tier or 0


def drawn(
    contract: Contract, catalogue: Catalogue, items: Sequence[Item], segments: Sequence[Segment], balance: dict[Key, Fraction], children: Mapping[str, int]
) -> list[Item]:
    """The lines after draws. `balance` is what each segment has left, and is lowered; a segment without an entry pays nothing."""
    decimals = places(catalogue.currency)
    lines = list(items)
    counted: dict[str, Fraction] = {}
    payers = [segment for segment in segments if pays_for(segment.grant, contract)]
    for segment in sorted(payers, key=lambda each: draw_order(each, catalogue, children.get(each.grant.contract, 0))):
        for item in sorted((line for line in lines if line.kind in PAYABLE), key=line_order):
            if item.commit is not None or item.amount <= 0 or not segment.start <= item.start < segment.end:
                continue
            if not may_pay(segment.grant, item.product, dict(item.group), catalogue):
                continue
            left = balance.get(segment.key, Fraction(0))
            if left <= 0 or item.net <= 0:
                continue
            covered, rest = cover(contract, catalogue, item, segment, min(left, item.net) if item.capped else left, counted, decimals)
            balance[segment.key] = left - sum((line.amount for line in covered), Fraction(0))
            where = next(number for number, line in enumerate(lines) if line is item)
            lines[where : where + 1] = [*covered, *rest]
    return lines


def cover(
    contract: Contract, catalogue: Catalogue, item: Item, segment: Segment, left: Fraction, counted: dict[str, Fraction], decimals: int
) -> tuple[list[Item], list[Item]]:
    """The covered lines and the rest of one line, for a balance."""
    pieces = while_drawing(contract, catalogue, item, segment, counted)
    covered: list[Item] = []
    position = None
    taken_share = Fraction(0)
    for piece in pieces:
        amount = round_money(piece.exact, decimals)
        if amount <= left:
            covered.append(_line(item, piece, amount, segment))
            left -= amount
            position = piece.after
            taken_share += piece.quantity
            continue
        if left > 0:
            quantity = left / piece.unit_price
            part = piece._replace(quantity=quantity, after=piece.before + quantity)
            covered.append(_line(item, part, left, segment))
            position = part.after
            taken_share += quantity
        break
    net = item.net - sum((line.amount for line in covered), Fraction(0))
    assert item.quantity is not None or item.piece is None
    if item.piece is None:
        amount = item.amount - sum((line.amount for line in covered), Fraction(0))
        if amount == 0:
            return covered, []
        rest = Item(**{**item.__dict__, "amount": amount, "net": net, "quantity": None if item.unit_price in (None, 0) else amount / item.unit_price})
        return covered, [rest]
    quantity = item.quantity - taken_share
    if quantity <= 0 or position is None:
        return (covered, []) if position is not None else ([], [item])
    rest_piece = item.piece._replace(quantity=quantity, before=position)
    amount = round_money(rest_piece.exact, decimals)
    rest = Item(**{**item.__dict__, "amount": amount, "quantity": quantity, "piece": rest_piece, "net": min(net, amount) if item.capped else amount})
    return covered, [rest]


def _line(item: Item, piece: Piece, amount: Fraction, segment: Segment) -> Item:
    made = Item(**{**item.__dict__, "amount": amount, "net": Fraction(0), "commit": segment.grant.id, "extra": {"segment": segment}})
    if item.piece is not None:
        made.piece, made.quantity, made.unit_price, made.tier, made.override = piece, piece.quantity, piece.unit_price, piece.tier, piece.override
    else:
        made.quantity = None if item.unit_price in (None, 0) else amount / item.unit_price
    return made


def while_drawing(contract: Contract, catalogue: Catalogue, item: Item, segment: Segment, counted: dict[str, Fraction]) -> list[Piece]:
    """The pieces of a line at the price that holds while the segment is drawn."""
    piece, part = item.piece, item.part
    if piece is None or part is None or part.terms is None or item.product is None:
        return [Piece("flat", Fraction(1), item.amount, None, item.override, Fraction(0), Fraction(0))]
    terms = terms_at(contract, catalogue, item.product, dict(item.group), item.start, segment.grant)
    if terms is None or terms == part.terms:
        return [piece]
    price = terms.price
    stretch = [piece._replace(override=None)]
    if piece.kind == "flat":
        if price.flat is not None:
            stretch = [piece._replace(unit_price=Fraction(price.flat), override=None)]
        tiers = price.graduated or price.volume
        if piece.tier is not None and tiers and piece.tier <= len(tiers):
            stretch = [piece._replace(unit_price=Fraction(tiers[piece.tier - 1].flat), override=None)]
    elif piece.kind == "package":
        if price.package is not None:
            stretch = [piece._replace(unit_price=Fraction(price.package.price), override=None)]
    elif piece.kind == "volume" and price.volume is not None:
        tier = price.volume[tier_of(price.volume, max(part.place.reached - Fraction(price.free), Fraction(0)))]
        stretch = [piece._replace(unit_price=Fraction(tier.per_unit), override=None)]
    elif price.per_unit is not None or price.graduated is not None:
        stretch = [Piece(kind, q, unit, tier, None, low, high) for kind, q, unit, tier, low, high in units(price, piece.before, piece.after, part.place.reached)]
    return multiplied(stretch, terms.override, counted)
