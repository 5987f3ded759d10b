"""Lines before they are printed: what they cost, what reduces them, and what grants cover of them."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.money import EXACT, quotient
from contracts.offers import Offer, Pay
from contracts.overrides import OverrideTerms
from contracts.prices import Position, PriceModel, Unit
from contracts.terms import ContractTerms, ProductTerms
from contracts.windows import GroupKey

__all__ = ["Counted", "Cover", "FixedLine", "Printed", "UsageLine"]

Counted = dict[str, Fraction]
"""Units that each tiered override of a contract has had in a billing period."""
FINEST = 10**30


class Printed(NamedTuple):
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


class Cover:
    """What one grant pays of a line, at one price."""

    __slots__ = ("amount", "atoms", "override", "pay", "unit")

    def __init__(self, pay: Pay, unit: Unit | None, override: str | None) -> None:
        self.pay = pay
        self.unit = unit
        self.override = override
        self.atoms: Position = 0
        self.amount = 0


class UsageLine:
    """Usage of one product and group, in one window, at one price: from one running quantity to another."""

    __slots__ = (
        "amount",
        "at",
        "counted",
        "covers",
        "end",
        "key",
        "kind",
        "left",
        "mark",
        "model",
        "offer",
        "order",
        "override",
        "product",
        "reduced",
        "rolls",
        "span",
        "start",
        "terms",
        "total",
        "unit",
    )  # fmt: skip

    def __init__(
        self, terms: ContractTerms, product: ProductTerms, key: GroupKey, span: tuple[int, int], offer: Offer, model: PriceModel, override: OverrideTerms | None,
        unit: Unit, start: Position, end: Position, total: Position, kind: str, mark: str, counted: Counted,
    ) -> None:  # fmt: skip
        self.terms = terms
        self.product = product
        self.key = key
        self.span = span
        self.offer = offer
        self.model = model
        self.override = override.id if override is not None else None
        self.unit = unit
        self.start = start
        self.end = end
        self.total = total
        self.kind = kind
        self.mark = mark
        self.counted = counted
        self.amount = unit.amount(end - start)
        self.order = (0, span[0], -(unit.price.numerator * FINEST // unit.price.denominator), product.name, product.id, key, mark, unit.tier or 0)
        self.reset()

    def reset(self) -> None:
        """Nothing reduced, nothing drawn."""
        self.reduced = 0
        self.left = self.amount
        self.at = self.start
        self.covers: list[Cover] = []

    @property
    def net(self) -> int:
        return self.amount - self.reduced

    @property
    def pays(self) -> tuple[Pay, ...]:
        return self.offer.pays

    def draw(self, pay: Pay, balance: int, until: Position | None = None) -> int:
        """Cover as much as the balance and the line allow, up to a running quantity; the amount drawn comes back, in minor units."""
        open_amount = self.left - self.reduced
        if open_amount <= 0 or balance <= 0:
            return 0
        if pay.tariff is not None:
            return self._draw_at(pay, balance, until)
        unit = self.unit
        cover = self.covers[-1] if self.covers and self.covers[-1].pay is pay and self.covers[-1].unit is unit else Cover(pay, unit, self.override)
        whole = True
        if until is not None and (stop := self.model.align(until)) < self.end:
            if stop <= self.at:
                return 0
            open_amount = min(open_amount, unit.amount(cover.atoms + stop - self.at) - cover.amount)
            whole = False
        if open_amount <= balance:
            taken = open_amount
            if not whole:
                at: Position = stop
            elif self.reduced:
                at = self.at + unit.atoms(taken)
            else:
                at = self.end
        else:
            taken = balance
            step = unit.atoms(cover.amount + taken) - cover.atoms
            at = self.at + step if step > 0 else self.at
        at = min(at, self.end)
        cover.atoms += at - self.at
        cover.amount += taken
        self.at = at
        self.left -= taken
        if not self.covers or cover is not self.covers[-1]:
            self.covers.append(cover)
        return taken

    def _draw_at(self, pay: Pay, balance: int, until: Position | None) -> int:
        """Draw at a price other than the line's own: through the positions that are not covered yet."""
        tariff = pay.tariff
        assert tariff is not None  # noqa: S101  # the caller looked
        stop: Position = self.end - (self.unit.atoms(self.reduced) if self.reduced and self.unit.numerator else 0)
        if until is not None:
            stop = min(stop, self.model.align(until))
        drawn = 0
        while self.at < stop and drawn < balance:
            model, override, left = tariff.next(self.counted)
            edge = stop if left is None else min(stop, self.at + left * self.product.scale.per)
            begin = self.at
            for atoms, unit in model.pieces(self.at, edge, self.total):
                taken, finished = self._cover(pay, unit, override.id if override else None, atoms, balance - drawn)
                drawn += taken
                if not finished:
                    break
            else:
                self.at = edge
            if override is not None and override.tiers:
                self.counted[override.id] = self.counted.get(override.id, Fraction(0)) + Fraction(self.at - begin) / self.product.scale.per
            if self.at < edge:
                break
        self.left = self.unit.amount(self.end - self.at) if self.at < self.end else 0
        return drawn

    def _cover(self, pay: Pay, unit: Unit, override: str | None, atoms: Position, balance: int) -> tuple[int, bool]:
        """(amount, whether all of the piece is covered)."""
        if balance <= 0:
            return 0, False
        last = self.covers[-1] if self.covers else None
        cover = last if last is not None and last.pay is pay and last.unit is unit and last.override == override else Cover(pay, unit, override)
        need = unit.amount(cover.atoms + atoms) - cover.amount
        finished = need <= balance
        taken = need if finished else balance
        step = atoms
        if not finished:
            bought = unit.atoms(cover.amount + taken) - cover.atoms
            step = min(atoms, bought)
        cover.atoms += step
        cover.amount += taken
        self.at += step
        if cover is not last:
            self.covers.append(cover)
        return taken, finished

    def printed(self) -> list[Printed]:
        """Covered parts, each with its application, and the rest."""
        if not self.covers:
            return [self._part(self.unit, self.unit.quantity(self.end - self.start), self.amount, None, self.override)]
        found = []
        rest: Decimal | None = self.unit.quantity(self.end - self.start)
        for cover in self.covers:
            unit = cover.unit or self.unit
            quantity = unit.quantity(cover.atoms)
            rest = EXACT.subtract(rest, quantity) if rest is not None and unit.per == self.unit.per else None
            found.append(self._part(unit, quantity, cover.amount, cover.pay.grant.name, cover.override))
            if cover.pay.grant.type != "postpaid":
                found.append(self._applied(cover, unit.tier))
        if self.left:
            found.append(self._part(self.unit, self.unit.quantity(self.end - self.at) if rest is None else rest, self.left, None, self.override))
        return found

    def _part(self, unit: Unit, quantity: Decimal, amount: int, commit: str | None, override: str | None) -> Printed:
        price = quotient(unit.price.numerator, unit.price.denominator)
        return Printed(self.kind, self.product.id, self.key, *self.span, quantity, price, unit.tier, amount, commit, override, self.mark)

    def _applied(self, cover: Cover, tier: int | None) -> Printed:
        return Printed("commit", self.product.id, self.key, *self.span, None, None, tier, -cover.amount, cover.pay.grant.name, None, self.mark)


class FixedLine:
    """An amount of its own: a flat, a composite product, a subscription in arrears, a minimum."""

    __slots__ = (
        "amount",
        "covers",
        "end",
        "key",
        "kind",
        "left",
        "mark",
        "order",
        "override",
        "pays",
        "price",
        "product",
        "product_id",
        "quantity",
        "reduced",
        "span",
        "start",
        "terms",
        "tier",
        "under",
    )  # fmt: skip

    def __init__(
        self, terms: ContractTerms, product: ProductTerms | None, key: GroupKey, span: tuple[int, int], pays: tuple[Pay, ...], *, kind: str, rank: int, amount: int,
        quantity: Decimal | None = None, price: Fraction | None = None, tier: int | None = None, override: str | None = None, mark: str = "",
        under: Callable[[PriceModel], int] | None = None,
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
        self.under = under
        """The amount under another price, while drawing at it."""
        level = Fraction(amount) if price is None else price
        name, product_id = (product.name, product.id) if product else ("", "")
        self.order = (rank, span[0], -(level.numerator * FINEST // level.denominator), name, product_id, key, mark, tier or 0)
        self.reset()

    def reset(self) -> None:
        """Nothing reduced, nothing drawn."""
        self.reduced = 0
        self.left = self.amount
        self.covers: list[tuple[Cover, int]] = []

    @property
    def net(self) -> int:
        return self.amount - self.reduced

    def draw(self, pay: Pay, balance: int, until: Position | None = None) -> int:
        """Cover as much as the balance and the line allow; the amount drawn comes back, in minor units."""
        open_amount = self.left - self.reduced
        if open_amount <= 0 or balance <= 0:
            return 0
        full, override = self.amount, self.override
        if pay.tariff is not None and self.under is not None:
            model, winner, _ = pay.tariff.next({})
            full, override = self.under(model), winner.id if winner else None
        if full <= 0:
            return 0
        need = full if open_amount == self.amount else int(Fraction(open_amount * full, self.amount) + Fraction(1, 2))
        taken = min(need, balance)
        cover = Cover(pay, None, override)
        cover.amount = taken
        at_list = open_amount if taken == need else min(open_amount, int(Fraction(taken * self.amount, full) + Fraction(1, 2)))
        self.covers.append((cover, at_list))
        self.left -= at_list
        return taken

    def printed(self) -> list[Printed]:
        """Covered parts, each with its application, and the rest."""
        price = None if self.price is None else quotient(self.price.numerator, self.price.denominator)
        found = []
        rest = self.quantity
        for cover, at_list in self.covers:
            share = None
            if self.quantity is not None and rest is not None:
                share = self.quantity if at_list == self.amount else quotient(*(Fraction(self.quantity) * at_list / self.amount).as_integer_ratio())
                rest = EXACT.subtract(rest, share)
            found.append(self._part(share, price, cover.amount, cover.pay.grant.name, cover.override))
            if cover.pay.grant.type != "postpaid":
                product = self.product.id if self.product else None
                found.append(Printed("commit", product, self.key, *self.span, None, None, self.tier, -cover.amount, cover.pay.grant.name, None, self.mark))
        if self.left or not self.covers:
            found.append(self._part(rest, price, self.left, None, self.override))
        return found

    def _part(self, quantity: Decimal | None, price: Decimal | None, amount: int, commit: str | None, override: str | None) -> Printed:
        product = self.product.id if self.product else None
        return Printed(self.kind, product, self.key, *self.span, quantity, price, self.tier, amount, commit, override, self.mark)
