"""Lines before they are printed: what they cost, what reduces them, and what grants cover of them."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from contracts.money import EXACT, half_up, quotient
from contracts.offers import Offer, Pay
from contracts.prices import Position, PriceModel, Unit
from contracts.prices.model import FINEST
from contracts.terms import ContractTerms, ProductTerms
from contracts.windows import GroupKey

__all__ = ["Context", "Counted", "Cover", "FixedCover", "FixedLine", "Printed", "UsageLine"]

Counted = dict[str, Fraction]
"""Units that each tiered override of a contract has had in a billing period."""


LineOrder = tuple[int, int, int, tuple[str, str, GroupKey, str], int]
"""Rank, start, price (the highest first), what it is, tier."""


class Printed(msgspec.Struct, frozen=True, gc=False):
    """A line but for its identity and the currency's places."""

    kind: str
    product: str | None
    group: GroupKey
    start: int
    end: int
    quantity: Decimal | None
    unit_price: Decimal | None
    tier: int | None
    amount: int
    commit: str | None
    override: str | None
    mark: str
    """Tells lines apart that are otherwise alike: whose it is, a flat, a discount."""


class Context:
    """What all lines of a product and group on a statement have in common. `mark`: whose they are, when not the billed contract's own."""

    __slots__ = ("key", "kind", "mark", "product", "tail", "terms")

    def __init__(self, terms: ContractTerms, product: ProductTerms, key: GroupKey, kind: str, mark: str) -> None:
        self.terms = terms
        self.product = product
        self.key = key
        self.kind = kind
        self.mark = mark
        self.tail = (product.name, product.id, key, mark)
        """Behind start and price in the line order."""


class Cover:
    """What one grant pays of a line, at one price. `atoms` none: what the amount buys at the line's own price."""

    __slots__ = ("amount", "atoms", "override", "pay", "unit")

    def __init__(self, pay: Pay, unit: Unit | None, override: str | None, amount: int = 0, atoms: Position | None = None) -> None:
        self.pay = pay
        self.unit = unit
        self.override = override
        self.amount = amount
        self.atoms = atoms

    @property
    def price(self) -> Fraction | None:
        """Of a unit, while drawing."""
        return None if self.unit is None else self.unit.price


class UsageLine:
    """Usage of one product and group, in one window, at one price: from one running quantity to another."""

    __slots__ = (
        "_outdated", "amount", "context", "counted", "covers", "end", "left", "model", "offer", "order", "override", "parts", "pays", "product", "reduced",
        "span", "start", "terms", "total", "unit",
    )  # fmt: skip

    def __init__(
        self, context: "Context", span: tuple[int, int], offer: Offer, model: PriceModel, override: str | None, unit: Unit, start: Position, end: Position,
        total: Position, counted: Counted,
    ) -> None:  # fmt: skip
        self.context = context
        self.terms = context.terms
        self.product: ProductTerms | None = context.product
        self.span = span
        self.offer = offer
        self.pays = offer.pays
        self.model = model
        self.override = override
        self.unit = unit
        self.start = start
        self.end = end
        self.total = total
        self.counted = counted
        self.amount = self.left = unit.amount(end - start)
        self.reduced = 0
        self.order: LineOrder = (0, span[0], unit.rank, context.tail, unit.tier or 0)
        self.covers: list[Cover] = []
        self.parts: list[Printed] = []
        """As they were printed last, here or on the line that stood here before."""
        self._outdated = True

    @property
    def kind(self) -> str:
        return self.context.kind

    @property
    def key(self) -> GroupKey:
        return self.context.key

    @property
    def net(self) -> int:
        return self.amount - self.reduced

    def undraw(self) -> None:
        """Give back what grants paid."""
        if self.covers:
            for cover in self.covers:
                cover.pay.purse.left += cover.amount
            self.covers = []
            self.left = self.amount
            self._outdated = True

    def draw(self, pay: Pay, balance: int, until: Position | None = None) -> int:
        """Cover as much as the balance and the line allow, up to a running quantity; the amount drawn comes back, in minor units."""
        wanted = self.left - self.reduced
        if wanted <= 0 or balance <= 0:
            return 0
        self._outdated = True
        if pay.tariff is not None:
            return self._draw_at(pay, balance, until)
        if until is not None and self.model.align(until) < self.end:
            return self._draw_until(pay, balance, self.model.align(until))
        taken = min(balance, wanted)
        self.left -= taken
        last = self.covers[-1] if self.covers else None
        if last is not None and last.pay is pay and last.unit is self.unit:
            last.amount += taken
            last.atoms = None
        else:
            self.covers.append(Cover(pay, self.unit, self.override, taken))
        return taken

    def _at(self) -> Position:
        """The running quantity up to which grants pay; gives every cover its atoms."""
        at = self.start
        for number, cover in enumerate(self.covers, 1):
            if cover.atoms is None:
                rest = self.end - at
                bought = self.unit.atoms(cover.amount)
                cover.atoms = rest if bought > rest or (number == len(self.covers) and self.left == 0) else bought
            at += cover.atoms
        return at

    def _draw_until(self, pay: Pay, balance: int, stop: Position) -> int:
        """Draw at the line's own price, not beyond a running quantity."""
        at = self._at()
        if stop <= at:
            return 0
        last = self.covers[-1] if self.covers else None
        cover = last if last is not None and last.pay is pay and last.unit is self.unit else Cover(pay, self.unit, self.override, 0, 0)
        begun = cover.atoms or 0
        need = min(self.unit.amount(begun + stop - at) - cover.amount, self.left - self.reduced)
        taken = min(need, balance)
        bought = begun + stop - at if taken == need else self.unit.atoms(cover.amount + taken)
        most = begun + stop - at
        cover.atoms = min(bought, most)
        cover.amount += taken
        self.left -= taken
        if cover is not last:
            self.covers.append(cover)
        return taken

    def _draw_at(self, pay: Pay, balance: int, until: Position | None) -> int:
        """Draw at a price other than the line's own: through the positions that are not covered yet."""
        tariff = pay.tariff
        assert tariff is not None  # noqa: S101  # the caller looked
        at = self._at()
        stop: Position = self.end - (self.unit.atoms(self.reduced) if self.reduced and self.unit.numerator else 0)
        if until is not None:
            limit = self.model.align(until)
            stop = min(stop, limit)
        drawn = 0
        while at < stop and drawn < balance:
            model, override, left = tariff.next(self.counted)
            edge = stop
            if left is not None:
                limit = at + left * model.counted
                edge = min(stop, limit)
            begin = at
            for atoms, unit in model.pieces(at, edge, self.total):
                taken, step = self._cover(pay, unit, override.id if override else None, atoms, balance - drawn)
                drawn += taken
                at += step
                if step < atoms:
                    break
            else:
                at = edge
            if override is not None and override.tiers:
                self.counted[override.id] = self.counted.get(override.id, Fraction(0)) + Fraction(at - begin) / model.counted
            if at < edge:
                break
        self.left = self.unit.amount(self.end - at) if at < self.end else 0
        return drawn

    def _cover(self, pay: Pay, unit: Unit, override: str | None, atoms: Position, balance: int) -> tuple[int, Position]:
        """(amount, atoms) that are covered of a piece."""
        if balance <= 0:
            return 0, 0
        last = self.covers[-1] if self.covers else None
        cover = last if last is not None and last.pay is pay and last.unit is unit and last.override == override else Cover(pay, unit, override, 0, 0)
        begun = cover.atoms or 0
        need = unit.amount(begun + atoms) - cover.amount
        taken, step = need, atoms
        if need > balance:
            taken = balance
            bought = unit.atoms(cover.amount + taken) - begun
            step = min(atoms, bought)
        cover.atoms = begun + step
        cover.amount += taken
        if cover is not last:
            self.covers.append(cover)
        return taken, step

    def printed(self) -> list[Printed]:
        """Covered parts, each with its application, and the rest. What is as it was the last time is the same object."""
        if self._outdated:
            self.parts = _kept(self.parts, self._print())
            self._outdated = False
        return self.parts

    def _print(self) -> list[Printed]:
        unit = self.unit
        if not self.covers:
            return [self._part(unit, unit.quantity(self.end - self.start), self.amount, None, self.override)]
        found = []
        at = self._at()
        rest: Decimal | None = unit.quantity(self.end - self.start)
        for cover in self.covers:
            its = cover.unit or unit
            quantity = its.quantity(cover.atoms or 0)
            if cover is self.covers[-1] and not self.left and rest is not None and its.per == unit.per:
                quantity = rest
            rest = EXACT.subtract(rest, quantity) if rest is not None and its.per == unit.per else None
            grant = cover.pay.grant
            found.append(self._part(its, quantity, cover.amount, grant.name, cover.override))
            if grant.type != "postpaid":
                context = self.context
                product = context.product.id
                found.append(Printed("commit", product, context.key, *self.span, None, None, its.tier, -cover.amount, grant.name, None, context.mark))
        if self.left:
            found.append(self._part(unit, unit.quantity(self.end - at) if rest is None else rest, self.left, None, self.override))
        return found

    def _part(self, unit: Unit, quantity: Decimal, amount: int, commit: str | None, override: str | None) -> Printed:
        context = self.context
        return Printed(context.kind, context.product.id, context.key, *self.span, quantity, unit.shown, unit.tier, amount, commit, override, context.mark)


class FixedCover(NamedTuple):
    """What one grant pays of a fixed line: an amount, and the share of the line that it buys at its price."""

    pay: Pay
    price: Fraction | None
    override: str | None
    amount: int
    share: Fraction


class FixedLine:
    """An amount of its own: a flat, a composite product, a subscription in arrears, a minimum."""

    __slots__ = (
        "_outdated", "amount", "covers", "exact", "key", "kind", "left", "mark", "order", "override", "parts", "pays", "price", "product", "quantity",
        "reduced", "span", "terms", "tier", "under",
    )  # fmt: skip

    def __init__(
        self, terms: ContractTerms, product: ProductTerms | None, key: GroupKey, span: tuple[int, int], pays: tuple[Pay, ...], *, kind: str, rank: int, amount: int,
        quantity: Decimal | None = None, price: Fraction | None = None, tier: int | None = None, override: str | None = None, mark: str = "",
        exact: Fraction | None = None, under: Callable[[PriceModel], tuple[Fraction, Fraction | None]] | None = None,
    ) -> None:  # fmt: skip
        self.terms = terms
        self.product = product
        self.key = key
        self.span = span
        self.pays = pays
        self.kind = kind
        self.amount = amount
        self.quantity = quantity
        self.price = price
        self.tier = tier
        self.override = override
        self.mark = mark
        self.exact = Fraction(amount) if exact is None else exact
        """The amount before it was rounded, in minor units."""
        self.under = under
        """The exact amount and the unit price under another price, while drawing at it."""
        level = Fraction(amount) if price is None else price
        name, product_id = (product.name, product.id) if product else ("", "")
        self.order: LineOrder = (rank, span[0], -(level.numerator * FINEST // level.denominator), (name, product_id, key, mark), tier or 0)
        self.reduced = 0
        self.left = amount
        self.covers: list[FixedCover] = []
        self.parts: list[Printed] = []
        """As they were printed last, here or on the line that stood here before."""
        self._outdated = True

    def undraw(self) -> None:
        """Give back what grants paid."""
        if self.covers:
            for cover in self.covers:
                cover.pay.purse.left += cover.amount
            self.covers = []
            self.left = self.amount
            self._outdated = True

    @property
    def net(self) -> int:
        return self.amount - self.reduced

    def draw(self, pay: Pay, balance: int, until: Position | None = None) -> int:  # noqa: ARG002  # as a usage line has it
        """Cover as much as the balance and the line allow; the amount drawn comes back, in minor units."""
        wanted = self.left - self.reduced
        if wanted <= 0 or balance <= 0:
            return 0
        self._outdated = True
        full, price, override = self.exact, self.price, self.override
        if pay.tariff is not None and self.under is not None:
            model, winner, _ = pay.tariff.next({})
            full, price = self.under(model)
            override = winner.id if winner else None
        if full <= 0:
            return 0
        covered = sum((cover.share for cover in self.covers), Fraction(0))
        most = 1 - covered - Fraction(self.reduced, self.amount)
        need = half_up((most * full).numerator, (most * full).denominator)
        taken = min(need, balance)
        share = most if taken == need and not self.reduced else min(1 - covered, taken / full)
        self.covers.append(FixedCover(pay, price, override, taken, share))
        rest = (1 - covered - share) * self.exact
        self.left = half_up(rest.numerator, rest.denominator)
        return taken

    def printed(self) -> list[Printed]:
        """As those of a usage line."""
        if self._outdated:
            self.parts = _kept(self.parts, self._print())
            self._outdated = False
        return self.parts

    def _print(self) -> list[Printed]:
        found = []
        rest = self.quantity
        for cover in self.covers:
            part = None
            if self.quantity is not None and rest is not None:
                exact = Fraction(self.quantity) * cover.share
                part = rest if cover is self.covers[-1] and not self.left else quotient(exact.numerator, exact.denominator)
                rest = EXACT.subtract(rest, part)
            found.append(self._part(part, cover.price, cover.amount, cover.pay.grant.name, cover.override))
            if cover.pay.grant.type != "postpaid":
                product = self.product.id if self.product else None
                found.append(Printed("commit", product, self.key, *self.span, None, None, self.tier, -cover.amount, cover.pay.grant.name, None, self.mark))
        if self.left or not self.covers:
            found.append(self._part(rest, self.price, self.left, None, self.override))
        return found

    def _part(self, quantity: Decimal | None, price: Fraction | None, amount: int, commit: str | None, override: str | None) -> Printed:
        product = self.product.id if self.product else None
        shown = None if price is None else quotient(price.numerator, price.denominator)
        return Printed(self.kind, product, self.key, *self.span, quantity, shown, self.tier, amount, commit, override, self.mark)


def _kept(before: Sequence[Printed], parts: list[Printed]) -> list[Printed]:
    """The parts, those of before where they say the same."""
    same = [old if old == new else new for old, new in zip(before, parts, strict=False)]
    return same + parts[len(same) :]
