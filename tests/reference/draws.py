"""Section 4.2, 4.3, 4.6: how segments pay the lines of one invoice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from contracts.catalogue import Catalogue
from tests.reference.grants import Segment, draw_order, may_pay, pays_for
from tests.reference.lines import Item
from tests.reference.money import places, round_money
from tests.reference.overrides import multiplied, terms_at
from tests.reference.prices import Piece, beyond, tier_of, units
from tests.reference.times import FOREVER

PAYABLE = {"usage": 0, "correction": 0, "subscription": 1, "composite": 2, "minimum": 3}
Key = tuple[str, str, int, bool]


def line_order(item: Item) -> tuple[object, ...]:
    """Usage, subscription, composite, minimum; earlier start; higher unit price; name."""
    assert item.owner is not None
    return PAYABLE[item.kind], item.start, -(item.unit_price or Fraction(0)), item.product or "~", item.group, item.tier or 0, item.owner.customer


class Paid:
    """List value that was paid so far. Where lines are negative, a segment pays no more than the net charge of the product and group, over
    the segment's own time, and over the whole bill."""

    def __init__(self, lines: Sequence[Item]) -> None:
        self.lines = [line for line in lines if line.kind in {"usage", "correction"}]
        self.taken: list[tuple[object, int, Fraction]] = []
        self.running: dict[object, tuple[Fraction, Fraction]] = {}
        """Quantity and amount so far of what one segment pays of one line at one price, which is rounded once."""

    def net(self, item: Item, segment: Segment) -> Fraction | None:
        """What the segment may still pay of the product and group, where lines in its time are negative; None: no limit."""
        if not any(line.amount < 0 for line in self.lines if _whose(line) == _whose(item)):
            return None
        return max(Fraction(0), min(self._left(item, segment.start, segment.end), self._left(item, -FOREVER, FOREVER)))

    def _left(self, item: Item, start: int, end: int) -> Fraction:
        listed = sum(
            (line.net if line.amount > 0 else line.amount for line in self.lines if _whose(line) == _whose(item) and start <= line.start < end), Fraction(0)
        )
        return listed - sum((amount for whose, at, amount in self.taken if whose == _whose(item) and start <= at < end), Fraction(0))

    def amount(self, item: Item, piece: Piece, segment: Segment, decimals: int) -> Fraction:
        """What a further piece of a line adds to the rounded amount."""
        key = (item.number, segment.key, piece.tier, piece.override, piece.unit_price)
        quantity, amount = self.running.get(key, (Fraction(0), Fraction(0)))
        total = round_money((quantity + piece.quantity) * piece.unit_price, decimals)
        self.running[key] = (quantity + piece.quantity, total)
        return total - amount

    def pay(self, item: Item, amount: Fraction) -> None:
        self.taken.append((_whose(item), item.start, amount))


def _whose(item: Item) -> object:
    return item.kind, item.product, item.group, item.owner and item.owner.id


def drawn(
    catalogue: Catalogue,
    items: Sequence[Item],
    segments: Sequence[Segment],
    balance: dict[Key, Fraction],
    children: Mapping[str, frozenset[str]],
    counted: dict[str, Fraction],
    paid: Paid,
) -> list[Item]:
    """The lines after draws. `balance` is what each segment has left, and is lowered; a segment without an entry pays nothing."""
    decimals = places(catalogue.currency)
    lines = list(items)
    for segment in sorted(segments, key=lambda each: draw_order(each, catalogue, children.get(each.grant.contract, frozenset()))):
        for item in sorted((line for line in lines if line.kind in PAYABLE), key=line_order):
            assert item.owner is not None
            if item.segment is not None or item.amount <= 0 or not payable(item, segment, catalogue):
                continue
            left = balance.get(segment.key, Fraction(0))
            net = paid.net(item, segment)
            most = item.net if net is None else min(item.net, net)
            if left <= 0 or most <= 0:
                continue
            covered, rest = cover(catalogue, item, segment, left, most, counted, decimals, paid)
            balance[segment.key] = left - sum((line.amount for line in covered), Fraction(0))
            paid.pay(item, item.amount - sum((line.amount for line in rest), Fraction(0)))
            where = next(number for number, line in enumerate(lines) if line is item)
            lines[where : where + 1] = [*covered, *rest]
    return lines


def payable(item: Item, segment: Segment, catalogue: Catalogue) -> bool:
    """The segment may pay the line, as to its time, its kind, whose it is and what it is for."""
    if item.kind not in PAYABLE or item.owner is None or not segment.start <= item.start < segment.end:
        return False
    return pays_for(segment.grant, item.owner) and may_pay(segment.grant, item.product, dict(item.group), catalogue)


def cover(
    catalogue: Catalogue, item: Item, segment: Segment, left: Fraction, most: Fraction, counted: dict[str, Fraction], decimals: int, paid: Paid
) -> tuple[list[Item], list[Item]]:
    """The covered lines and the rest of one line, for a balance; no more than `most` of the list amount may be covered."""
    if item.piece is None:
        return _cover_amount(item, segment, min(left, most))
    piece = item.piece
    if most < item.amount:
        same = while_drawing(catalogue, item, piece, segment, dict(counted)) == [piece]
        quantity = most / piece.unit_price if same else piece.quantity - (item.amount - most) / piece.unit_price
        if quantity <= 0:
            return [], [item]
        piece = piece._replace(quantity=quantity, after=piece.before + quantity)
    covered: list[Item] = []
    position, quantity = None, Fraction(0)
    for each in while_drawing(catalogue, item, piece, segment, counted):
        amount = item.amount if each == item.piece else paid.amount(item, each, segment, decimals)
        if amount <= left:
            covered.append(_line(item, each, amount, segment))
            left, position, quantity = left - amount, each.after, quantity + each.quantity
            continue
        if left > 0:
            part = each._replace(quantity=left / each.unit_price, after=each.before + left / each.unit_price)
            covered.append(_line(item, part, left, segment))
            position, quantity = part.after, quantity + part.quantity
        break
    if position is None:
        return [], [item]
    rest = item.piece.quantity - quantity
    if rest <= 0:
        return covered, []
    remaining = item.piece._replace(quantity=rest, before=position)
    amount = round_money(remaining.exact, decimals)
    return covered, [replace(item, amount=amount, quantity=rest, piece=remaining, net=max(Fraction(0), item.net - (item.amount - amount)))]


def _cover_amount(item: Item, segment: Segment, amount: Fraction) -> tuple[list[Item], list[Item]]:
    """A line that is not priced by quantity is cut by amount."""

    def of(part: Fraction) -> Fraction | None:
        return part / item.unit_price if item.unit_price and item.quantity is not None else None

    covered = replace(item, amount=amount, quantity=of(amount), net=Fraction(0), segment=segment, commit=segment.grant.id)
    if amount == item.amount:
        return [covered], []
    return [covered], [replace(item, amount=item.amount - amount, quantity=of(item.amount - amount), net=item.net - amount)]


def _line(item: Item, piece: Piece, amount: Fraction, segment: Segment) -> Item:
    return replace(
        item,
        amount=amount,
        net=Fraction(0),
        piece=piece,
        quantity=piece.quantity,
        unit_price=piece.unit_price,
        tier=piece.tier,
        override=piece.override,
        segment=segment,
        commit=segment.grant.id,
    )


def while_drawing(catalogue: Catalogue, item: Item, piece: Piece, segment: Segment, counted: dict[str, Fraction]) -> list[Piece]:
    """The pieces of a stretch of a line at the price that holds while the segment is drawn."""
    part = item.part
    assert part is not None
    assert part.terms is not None
    assert item.product is not None
    assert item.owner is not None
    terms = terms_at(item.owner, catalogue, item.product, dict(item.group), item.start, segment.grant)
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
        tier = price.volume[tier_of(price.volume, beyond(part.place.reached, Fraction(price.free)))]
        stretch = [piece._replace(unit_price=Fraction(tier.per_unit), tier=price.volume.index(tier) + 1, override=None)]
    elif price.per_unit is not None or price.graduated is not None:
        stretch = [
            Piece(kind, q, unit, tier, None, low, high) for kind, q, unit, tier, low, high in units(price, piece.before, piece.after, part.place.reached)
        ]
    return multiplied(stretch, terms, counted)
