"""What an invoice charges for, before it is cut into lines: runs of priced quantity and fixed amounts, and what grants cover of them."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.grants import GrantTerms, Segment
from contracts.money import Number, divide, fraction, minor, shown
from contracts.overrides import Chain, OverrideTerms, pick
from contracts.prices import Piece, Price
from contracts.terms import ContractTerms, Offer, ProductTerms
from contracts.timeline import Span
from contracts.windows import GroupKey

__all__ = ["Cover", "Fixed", "Item", "LineDraft", "Run"]

Counted = dict[tuple[str, int, str], Number]
"""Units that each tiered override has had: (contract, period start, override)."""


class LineDraft(NamedTuple):
    """A printed line but for its identity."""

    kind: str
    product: str | None
    group: GroupKey
    span: Span
    quantity: Decimal | None
    unit_price: Decimal | None
    tier: int | None
    amount: int
    commit: str | None
    override: str | None
    mark: str = ""
    """Tells lines apart that are otherwise alike: a flat, the owner of a line on a parent's invoice."""


class Cover:
    """A stretch of an item that a grant pays (or that costs nothing: no grant)."""

    __slots__ = ("amount", "grant", "override", "piece", "quantity", "segment")

    def __init__(self, grant: GrantTerms | None, segment: Segment | None, piece: Piece, override: str | None) -> None:
        self.grant = grant
        self.segment = segment
        self.piece = piece
        self.override = override
        self.quantity: Number = piece.quantity - piece.quantity  # type: ignore[operator]
        self.amount = 0


class Stretch(NamedTuple):
    """A run of positions under one price."""

    start: Number
    end: Number
    price: Price
    override: str | None


class Item:
    """Base: where the charge belongs and what reduces it before grants are drawn."""

    kind = "usage"
    rank = 0

    def __init__(self, terms: ContractTerms, product: ProductTerms | None, key: GroupKey, span: Span, period: Span) -> None:
        self.terms = terms
        self.product = product
        self.product_id = product.id if product else None
        self.key = key
        self.group: Mapping[str, str] = dict(key)
        self.span = span
        self.period = period
        self.amount = 0
        """Before grants, in minor units."""
        self.reduced = 0
        """What discounts, maximums and negative lines of the same group leave to no grant."""
        self.mark = ""
        self.drawable = True

    @property
    def net(self) -> int:
        return self.amount - self.reduced

    def unit_price(self) -> Fraction:
        return Fraction(0)

    def order(self) -> tuple[object, ...]:
        """Line order (rating rules, 4.2)."""
        name = self.terms.catalogue.products[self.product_id].name if self.product_id in self.terms.catalogue.products else ""
        return (self.period.start, self.rank, self.span.start, -self.unit_price(), name, self.product_id or "", self.key, self.mark)

    def draw(self, grant: GrantTerms, segment: Segment, balance: int, counted: Counted, until: Number | None = None) -> int:
        raise NotImplementedError

    def lines(self) -> list[LineDraft]:
        raise NotImplementedError


class Fixed(Item):
    """An amount of its own: subscription, composite, minimum, a tier's flat."""

    def __init__(
        self, terms: ContractTerms, product: ProductTerms | None, key: GroupKey, span: Span, period: Span, *, kind: str, rank: int, quantity: Number | None,
        unit_price: Number | None, amount: int, tier: int | None = None, override: str | None = None, offer: Offer | None = None, mark: str = "",
    ) -> None:  # fmt: skip
        super().__init__(terms, product, key, span, period)
        self.kind = kind
        self.rank = rank
        self.quantity = quantity
        self.price = unit_price
        self.amount = amount
        self.tier = tier
        self.override = override
        self.offer = offer
        self.mark = mark
        self.covers: list[tuple[GrantTerms, Segment, Number | None, int, str | None]] = []
        """(grant, segment, unit price while drawing, amount, override)."""
        self._covered = Fraction(0)

    def unit_price(self) -> Fraction:
        return fraction(self.price) if self.price is not None else Fraction(self.amount)

    def draw(self, grant: GrantTerms, segment: Segment, balance: int, counted: Counted, until: Number | None = None) -> int:
        if self.amount <= 0:
            return 0
        unit, override = self.price, self.override
        full = self.amount
        if self.offer is not None and self.mark.startswith("flat"):
            found = drawing_price(self.offer, grant, segment, self.terms, counted, self.period)
            if found is not None:
                price, name = found
                flat = price.flat_of(self.tier)
                if flat is not None:
                    unit, override, full = flat, name, minor(flat, self.terms.places)
        if full <= 0:
            return 0
        left = Fraction(self.net, self.amount) - self._covered
        need = min(balance, int(left * full + Fraction(1, 2)))
        if need <= 0:
            return 0
        self._covered += Fraction(need, full)
        self.covers.append((grant, segment, unit, need, override))
        return need

    def lines(self) -> list[LineDraft]:
        found = []
        rest = self.quantity
        for grant, _, unit, amount, override in self.covers:
            share: Decimal | None = None
            if self.quantity is not None:
                places = self.terms.places
                covered = divide(Fraction(amount, 10**places), unit) if self.kind == "usage" and unit else fraction(self.quantity) * Fraction(amount, self.amount)
                share = shown(covered)
                rest = fraction(rest) - Fraction(share)  # type: ignore[arg-type]
            found.append(self._line(share, unit, amount, grant.id, override))
            if grant.type != "postpaid":
                found.append(LineDraft("commit", self.product_id, self.key, self.span, None, None, None, -amount, grant.id, None, self.mark))
        if not self.covers:
            found.append(self._line(None if self.quantity is None else shown(self.quantity), self.price, self.amount, None, self.override))
        else:
            uncovered = Fraction(1) - self._covered
            amount = int(uncovered * self.amount + Fraction(1, 2))
            if amount:
                found.append(self._line(None if rest is None else shown(divide(rest, Decimal(1))), self.price, amount, None, self.override))
        return found

    def _line(self, quantity: Decimal | None, unit: Number | None, amount: int, commit: str | None, override: str | None) -> LineDraft:
        price = None if unit is None else shown(unit)
        return LineDraft(self.kind, self.product_id, self.key, self.span, quantity, price, self.tier, amount, commit, override, self.mark)


def effective(price: Price, override: OverrideTerms | None, factor: Decimal | None, product: ProductTerms) -> Price:
    """The price under an override."""
    if override is None:
        return price
    if override.price is not None:
        return product_price(override.price, product)
    return price.scaled(factor) if factor is not None else price


def product_price(price: Price, product: ProductTerms) -> Price:
    return price.rational() if product.rational else price


def drawing_price(offer: Offer, grant: GrantTerms, segment: Segment, terms: ContractTerms, counted: Counted, period: Span) -> tuple[Price, str | None] | None:
    """The price while drawing a segment and the override that makes it, for the next unit."""
    for contract, grant_id, index, chain, at_commit in offer.grants:
        if (contract, grant_id, index) == (grant.contract, grant.id, segment.index):
            base = offer.commit_price if at_commit and offer.commit_price is not None else offer.price
            override, factor, _ = pick(chain, counts(chain, counted, terms, period), terms.explicit)
            if override is None:
                return base, None
            if override.price is not None:
                return override.price, override.id
            return (base.scaled(factor) if factor is not None else base), override.id
    return None


def counts(chain: Chain, counted: Counted, terms: ContractTerms, period: Span) -> dict[str, Number]:
    return {o.id: counted[terms.id, period.start, o.id] for o in chain if o.tiers and (terms.id, period.start, o.id) in counted}


class Run(Item):
    """Usage of one product and group over a stretch of time with one offer, from one running quantity to another."""

    def __init__(
        self, terms: ContractTerms, product: ProductTerms, key: GroupKey, span: Span, period: Span, *, offer: Offer, start: Number, end: Number, total: Number,
        kind: str = "usage", chunks: list[tuple[int, str, Number]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(terms, product, key, span, period)
        self.kind = kind
        self.tax_product = product
        self.offer = offer
        self.raw_start = start
        self.raw_end = end
        self.total = total
        self.chunks = chunks or []
        self.stretches: list[Stretch] = []
        self.covers: list[Cover] = []
        self.start: Number = start
        self.end: Number = end
        self.position: Number = start
        self.untouched = True

    def unit_price(self) -> Fraction:
        if self.stretches:
            first = self.stretches[0]
            for piece in first.price.pieces(first.start, first.end, self._of(self.total)):
                return fraction(piece.unit_price)
            return Fraction(0)
        return self.list_unit_price()

    def list_unit_price(self) -> Fraction:
        """Before tiered overrides are counted: what orders the lines that they count."""
        override, factor, _ = pick(self.offer.chain, {}, self.terms.explicit)
        price = effective(self.offer.price, override, factor, self.tax_product)
        for piece in price.pieces(self.raw_start, self.raw_end, self.total):
            return fraction(piece.unit_price)
        return Fraction(0)

    def _of(self, value: Number) -> Number:
        return fraction(value) if isinstance(self.start, Fraction) else value

    def resolve(self, counted: Counted) -> None:
        """Fix the list price of every unit; called in line order, so that tiered overrides count their units."""
        self.stretches = self._stretches(self.offer.price, self.offer.chain, counted, None, None, consume=True)
        if self.stretches:
            self.start, self.end = self.stretches[0].start, self.stretches[-1].end
            self.position = self.start
        self.amount = sum(self._costs().values())

    def _stretches(self, base: Price, chain: Chain, counted: Counted, start: Number | None, end: Number | None, *, consume: bool) -> list[Stretch]:
        """The priced stretches from `start` (none: the run's own start, aligned) to `end` (none: the run's)."""
        terms, period = self.terms, self.period
        counters = counts(chain, counted, terms, period)
        found: list[Stretch] = []
        at: Number | None = start
        stop: Number | None = None
        while True:
            override, factor, left = pick(chain, counters, terms.explicit)
            price = effective(base, override, factor, self.tax_product)
            if at is None:
                at = price.align(self.raw_start)
            if stop is None:
                stop = price.align(self.raw_end) if end is None else end
            if isinstance(at, Fraction) != isinstance(stop, Fraction):
                at, stop = fraction(at), fraction(stop)
            if isinstance(at, Fraction):
                price = price.rational()
            backwards = stop < at
            until = stop
            if left is not None and not backwards and at + left < stop:  # type: ignore[operator]
                until = at + (fraction(left) if isinstance(at, Fraction) else left)  # type: ignore[operator,arg-type]
            found.append(Stretch(at, until, price, override.id if override else None))
            if override is not None and override.tiers and not backwards:
                units = until - at  # type: ignore[operator]
                before = counters.get(override.id, Decimal(0))
                counters[override.id] = add(before, units)
                if consume:
                    counted[terms.id, period.start, override.id] = counters[override.id]
            at = until
            if backwards or at >= stop:
                return found

    def _costs(self) -> dict[tuple[int | None, Number, str | None], int]:
        """Amount of each (tier, unit price, override) at list prices."""
        units: dict[tuple[int | None, Number, str | None], Number] = {}
        for stretch in self.stretches:
            for piece in stretch.price.pieces(stretch.start, stretch.end, kind_of(self.total, stretch.start)):
                key = (piece.tier, piece.unit_price, stretch.override)
                units[key] = add(units.get(key, Decimal(0)), piece.quantity)
        return {key: minor(times(quantity, key[1]), self.terms.places) for key, quantity in units.items()}

    def draw(self, grant: GrantTerms, segment: Segment, balance: int, counted: Counted, until: Number | None = None) -> int:
        if self.amount <= 0 or self.raw_end <= self.raw_start:
            return 0
        entry = next((g for g in self.offer.grants if g[:3] == (grant.contract, grant.id, segment.index)), None)
        if entry is None:
            return 0
        chain, at_commit = entry[3], entry[4]
        limit = self._limit()
        if at_commit and self.offer.commit_price is not None:
            base = self.offer.commit_price
        else:
            base = self.offer.price
        same = base is self.offer.price and [o.id for o in chain] == [o.id for o in self.offer.chain]
        stop = limit
        if until is not None:
            edge = self.stretches[0].price.align(until) if self.stretches else until
            stop = edge if stop is None or edge < stop else stop
        if same:
            stretches = self._listed(self.position, self.end if stop is None else stop)
        else:
            start = None if self.untouched else self.position
            if stop is not None and not self._before(stop):
                return 0
            if start is not None and stop is None and not self._before(self.end):
                return 0
            stretches = self._stretches(base, chain, counted, start, stop, consume=False)
        drawn = 0
        for stretch in stretches:
            position = stretch.start
            for piece in stretch.price.pieces(stretch.start, stretch.end, kind_of(self.total, stretch.start)):
                taken, finished = self._cover(grant, segment, piece, position, stretch.override, balance - drawn)
                drawn += taken
                position = piece.until
                if not finished:
                    self._count(chain, counted, same, stretch)
                    return drawn
            self._count(chain, counted, same, stretch)
        return drawn

    def _before(self, stop: Number) -> bool:
        return self.position < stop

    def _count(self, chain: Chain, counted: Counted, same: bool, stretch: Stretch) -> None:
        override = next((o for o in chain if o.id == stretch.override), None)
        if same or override is None or not override.tiers or not override.commits:
            return
        key = (self.terms.id, self.period.start, override.id)
        units = fraction(self.position) - fraction(stretch.start)
        if units > 0:
            counted[key] = fraction(counted.get(key, Decimal(0))) + units

    def _cover(self, grant: GrantTerms, segment: Segment, piece: Piece, start: Number, override: str | None, balance: int) -> tuple[int, bool]:
        """(amount, whether the whole piece is covered)."""
        places = self.terms.places
        last = self.covers[-1] if self.covers else None
        if piece.unit_price == 0:
            if last is None or last.grant is not None or last.piece.tier != piece.tier or last.piece.unit_price != piece.unit_price or last.override != override:
                last = Cover(None, None, piece, override)
                self.covers.append(last)
            last.quantity = add(last.quantity, piece.quantity)
            self.position, self.untouched = piece.until, False
            return 0, True
        if balance <= 0:
            return 0, False
        fits = (
            last is not None and last.grant is grant and last.segment == segment and last.piece.tier == piece.tier
            and last.piece.unit_price == piece.unit_price and last.override == override
        )  # fmt: skip
        cover = last if fits and last is not None else Cover(grant, segment, piece, override)
        whole = add(cover.quantity, piece.quantity)
        need = minor(times(whole, piece.unit_price), places) - cover.amount
        if need <= balance:
            finished, taken, quantity = True, need, whole
            self.position = piece.until
        else:
            finished, taken = False, balance
            quantity = divide(Fraction(cover.amount + balance, 10**places), piece.unit_price)
            part = fraction(quantity) - fraction(cover.quantity)
            step = (fraction(piece.until) - fraction(start)) / fraction(piece.quantity)
            self.position = divide(fraction(start) + part * step, Decimal(1))
        self.untouched = False
        cover.quantity = quantity
        cover.amount += taken
        if cover is not last:
            self.covers.append(cover)
        return taken, finished

    def _limit(self) -> Number | None:
        """The position behind which the list price of the rest is what reductions take; none: no limit."""
        if self.reduced <= 0:
            return None
        rest = Fraction(self.reduced, 10**self.terms.places)
        for stretch in reversed(self.stretches):
            pieces = stretch.price.pieces(stretch.start, stretch.end, kind_of(self.total, stretch.start))
            starts = [stretch.start, *[p.until for p in pieces[:-1]]]
            for piece, start in reversed(list(zip(pieces, starts, strict=True))):
                cost = fraction(piece.quantity) * fraction(piece.unit_price)
                if cost > rest:
                    step = (fraction(piece.until) - fraction(start)) / fraction(piece.quantity)
                    return divide(fraction(piece.until) - rest / fraction(piece.unit_price) * step, Decimal(1))
                rest -= cost
        return self.start

    def _listed(self, start: Number, end: Number) -> list[Stretch]:
        """The list stretches between two positions."""
        found = []
        for stretch in self.stretches:
            low = start if start > stretch.start else stretch.start
            high = end if end < stretch.end else stretch.end
            if low < high:
                low, high = alike(low, high)
                found.append(Stretch(low, high, stretch.price.rational() if isinstance(low, Fraction) else stretch.price, stretch.override))
        return found

    def lines(self) -> list[LineDraft]:
        places, rests = self.terms.places, self._rests()
        found = []
        printed: dict[tuple[int | None, Fraction, str | None], tuple[Fraction, Fraction, int]] = {}
        for cover in self.covers:
            tier, unit = cover.piece.tier, cover.piece.unit_price
            quantity = shown(cover.quantity)
            key = (tier, fraction(unit), cover.override)
            exact, text, amount = printed.get(key, (Fraction(0), Fraction(0), 0))
            printed[key] = (exact + fraction(cover.quantity), text + Fraction(quantity), amount + cover.amount)
            grant = cover.grant
            found.append(self._line(quantity, unit, tier, cover.amount, grant.id if grant else None, cover.override))
            if grant is not None and grant.type != "postpaid":
                found.append(LineDraft("commit", self.product_id, self.key, self.span, None, None, tier, -cover.amount, grant.id, None, self.mark))
        tiers = {}
        for (tier, _, _), (exact, text, _) in printed.items():
            before = tiers.get(tier, Fraction(0))
            tiers[tier] = before + exact - text
        for (tier, unit, override), quantity in rests.items():
            key = (tier, fraction(unit), override)
            whole_amount = minor(times(quantity, unit), places)
            if key in printed:
                exact, _, amount = printed[key]
                whole_amount = minor((exact + fraction(quantity)) * fraction(unit), places) - amount
            off = tiers.pop(tier, Fraction(0))
            text = shown(divide(fraction(quantity) + off, Decimal(1))) if off else shown(quantity)
            found.append(self._line(text, unit, tier, whole_amount, None, override))
        return found

    def _rests(self) -> dict[tuple[int | None, Number, str | None], Number]:
        units: dict[tuple[int | None, Number, str | None], Number] = {}
        stretches = self.stretches if self.untouched else self._listed(self.position, self.end)
        for stretch in stretches:
            for piece in stretch.price.pieces(stretch.start, stretch.end, kind_of(self.total, stretch.start)):
                key = (piece.tier, piece.unit_price, stretch.override)
                units[key] = add(units[key], piece.quantity) if key in units else piece.quantity
        return units

    def _line(self, quantity: Decimal, unit: Number, tier: int | None, amount: int, commit: str | None, override: str | None) -> LineDraft:
        return LineDraft(self.kind, self.product_id, self.key, self.span, quantity, shown(unit), tier, amount, commit, override, self.mark)


def add(a: Number, b: Number) -> Number:
    if type(a) is type(b):
        return a + b  # type: ignore[operator]
    return fraction(a) + fraction(b)


def times(a: Number, b: Number) -> Number:
    if type(a) is type(b):
        return a * b  # type: ignore[operator]
    return fraction(a) * fraction(b)


def alike(a: Number, b: Number) -> tuple[Number, Number]:
    if type(a) is type(b):
        return a, b
    return fraction(a), fraction(b)


def kind_of(value: Number, model: Number) -> Number:
    """`value` in the kind of `model`."""
    return fraction(value) if isinstance(model, Fraction) else value
