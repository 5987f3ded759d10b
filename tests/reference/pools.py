"""Section 4.8: shared commits pay a family in the order of its usage, hour by hour, then customer id.

The lines are what they are at the end; each is cut into what came with each hour, and the hours are drawn one after the other. What is not
usage comes when its period is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

from contracts.catalogue import Catalogue
from tests.reference.draws import PAYABLE, Key, Paid, drawn, payable
from tests.reference.grants import Segment, draw_order
from tests.reference.lines import Item
from tests.reference.money import places, round_money
from tests.reference.prices import Piece, beyond
from tests.reference.times import FOREVER

Bill = tuple[str, str, int, Sequence[Item]]
"""Customer, contract, end of the period, lines before draws."""


def in_event_order(
    bills: Sequence[Bill],
    catalogue: Catalogue,
    segments: Sequence[Segment],
    balance: dict[Key, Fraction],
    children: Mapping[str, frozenset[str]],
) -> list[list[Item]]:
    """The lines after draws, by bill: one segment after the other, in line order when the lines that it may pay are of one contract."""
    decimals = places(catalogue.currency)
    counted: dict[str, Fraction] = {}
    paid = [Paid(items) for _, _, _, items in bills]
    lines: list[list[Item]] = [list(items) for _, _, _, items in bills]
    for segment in sorted(segments, key=lambda each: draw_order(each, catalogue, children.get(each.grant.contract, frozenset()))):
        takers = {item.owner.id for *_, items in bills for item in items if item.owner and item.net > 0 and payable(item, segment, catalogue)}
        if len(takers) < 2:
            for number, held in enumerate(lines):
                lines[number] = drawn(catalogue, held, [segment], balance, children, counted, paid[number])
            continue
        batches: dict[tuple[int, int, str, str, int], list[Item]] = {}
        # What is no usage comes when its period ends: before the usage of the next one, and by kind before by customer.
        rests: list[list[Item]] = [[] for _ in bills]
        for number, (customer, contract, end, _) in enumerate(bills):
            for item in lines[number]:
                if item.segment is not None or not payable(item, segment, catalogue):
                    rests[number].append(item)
                    continue
                for at, piece in _hours(item, end, decimals):
                    batches.setdefault((at, 0 if item.piece else PAYABLE[item.kind] - len(PAYABLE), item.owner.customer if item.owner else customer, contract, number), []).append(piece)
        for key in sorted(batches):
            rests[key[-1]] += drawn(catalogue, batches[key], [segment], balance, children, counted, paid[key[-1]])
        lines = [_joined(rest, held, decimals) for rest, held in zip(rests, lines, strict=True)]
    return [_merged(held, items, decimals) for held, (_, _, _, items) in zip(lines, bills, strict=True)]


def _joined(pieces: Sequence[Item], before: Sequence[Item], decimals: int) -> list[Item]:
    """What a segment has left of each line is one line again, for the next segment to pay."""
    found = [item for item in pieces if item.segment is not None]
    for whole in (item for item in before if item.segment is None):
        rests = [item for item in pieces if item.segment is None and item.number == whole.number]
        if len(rests) == 1 or whole.piece is None:
            found += rests
        elif rests:
            quantity = sum((item.quantity or Fraction(0) for item in rests), Fraction(0))
            low = min(item.piece.before for item in rests if item.piece is not None)
            piece = whole.piece._replace(before=low, quantity=quantity)
            amount = round_money(piece.exact, decimals) if quantity != whole.quantity else whole.amount
            found.append(replace(whole, piece=piece, quantity=quantity, amount=amount, net=max(Fraction(0), whole.net - (whole.amount - amount))))
    return found


def _hours(item: Item, end: int, decimals: int) -> list[tuple[int, Item]]:
    """(hour, what of the line came with it); amounts are differences of the rounded running amount."""
    if item.piece is None or item.part is None:
        return [(end if item.end < FOREVER else item.start, item)]
    piece, part = item.piece, item.part
    if piece.kind == "flat" or item.amount <= 0:
        return [(min(part.hours, default=part.start), item)]
    found: list[tuple[int, Item]] = []
    before, quantity, amount = piece.before, Fraction(0), Fraction(0)
    for hour, running in sorted(part.hours.items()):
        after = min(max(before, running), piece.after)
        if after <= before:
            continue
        now = _quantity(piece, item, before, after)
        if now > 0:
            quantity += now
            total = min(item.amount, round_money(quantity * piece.unit_price, decimals))
            net = min(total - amount, max(Fraction(0), item.net - amount))
            found.append((hour, replace(item, piece=piece._replace(before=before, after=after, quantity=now), quantity=now, amount=total - amount, net=net)))
            amount = total
        before = after
    if not found:
        return [(min(part.hours, default=part.start), item)]
    return found


def _quantity(piece: Piece, item: Item, before: Fraction, after: Fraction) -> Fraction:
    if piece.kind != "package":
        return after - before
    assert item.part is not None
    assert item.part.terms is not None
    price = item.part.terms.price
    assert price.package is not None
    low, high = (beyond(each, Fraction(price.free)) / Fraction(price.package.size) for each in (before, after))
    return Fraction(ceil(high) - ceil(low))


def _merged(lines: Sequence[Item], items: Sequence[Item], decimals: int) -> list[Item]:
    """Pieces of one line that the same segment pays at the same price are one line again, and so is the rest."""
    found: list[Item] = []
    for number in dict.fromkeys(item.number for item in items):
        together: dict[tuple[object, ...], list[Item]] = {}
        for line in lines:
            if line.number == number:
                together.setdefault((line.segment and line.segment.key, line.tier, line.override, line.unit_price), []).append(line)
        whole = next(item for item in items if item.number == number)
        part_paid = any(key[0] is None for key in together) and len(together) > 1
        paid = Fraction(0)
        for same in sorted(together.values(), key=lambda lines: lines[0].segment is None):
            amount = sum((line.amount for line in same), Fraction(0))
            if part_paid and whole.quantity is not None and whole.unit_price and whole.unit_price == same[0].unit_price and whole.piece is not None:
                # Of a line that is paid in part, the quantity is the amount over the price, and the rest the exact difference.
                quantity = whole.quantity - paid if same[0].segment is None else amount / whole.unit_price
                paid += quantity
                if same[0].segment is None and len({lines[0].unit_price for lines in together.values()}) == 1:
                    amount = whole.amount - sum((line.amount for lines in together.values() for line in lines if line.segment is not None), Fraction(0))
                found.append(replace(same[0], quantity=quantity, amount=amount))
                continue
            quantities = [line.quantity for line in same if line.quantity is not None]
            found.append(replace(same[0], quantity=sum(quantities, Fraction(0)) if quantities else None, amount=amount))
    return found
