"""What holds for a product and group over a stretch of time: its price, the overrides that could win, the grants that could be drawn."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.catalogue import Price
from contracts.grants import Grant, Segment
from contracts.matching import reaches
from contracts.overrides import Chain, Choice, OverrideTerms, candidates, choose
from contracts.prices import PriceModel
from contracts.terms import ContractTerms, ProductTerms, RateTerms
from contracts.timeline import Span
from contracts.windows import GroupKey

__all__ = ["Offer", "Pay", "Window", "covering", "offers"]

NOBODY: dict[str, Fraction] = {}
_LISTED_KEPT = 1024


class Tariff:
    """A base price with the overrides that could win over it."""

    __slots__ = ("_base", "_factor", "_group", "_product", "by_total", "chain", "explicit", "fixed", "tiered")

    def __init__(
        self, product: ProductTerms, group: Mapping[str, str], base: Price | None, factor: Fraction, chain: Chain, *, explicit: bool
    ) -> None:  # fmt: skip
        self._product = product
        self._group = group
        self._base = base
        self._factor = factor
        self.chain = chain
        self.explicit = explicit
        self.tiered = any(o.tiers for o in chain)
        self.by_total = any(price is not None and price.volume is not None for price in (base, *(o.price for o in chain)))
        self.fixed = None if self.tiered else self._made(choose(chain, NOBODY, explicit=explicit))

    def next(self, counted: Mapping[str, Fraction]) -> tuple[PriceModel, OverrideTerms | None, Fraction | None]:
        """(price, winner, units for which it holds) of the next unit, when each tiered override has had `counted` units."""
        if self.fixed is not None:
            return (*self.fixed, None)
        choice = choose(self.chain, counted, explicit=self.explicit)
        return (*self._made(choice), choice.left)

    @property
    def listed(self) -> PriceModel | None:
        """The base price itself, before overrides."""
        return None if self._base is None else self._product.model(self._base, self._factor)

    def same(self, other: "Tariff") -> bool:
        return self.identity() == other.identity()

    def identity(self) -> tuple[object, ...]:
        return (self._base, self._factor, tuple(o.id for o in self.chain))

    def reaches(self, override: OverrideTerms) -> bool:
        """Whether the target of an override holds the product and group."""
        return _reaches(override, self._product, self._group)

    def _made(self, choice: Choice) -> tuple[PriceModel, OverrideTerms | None]:
        override = choice.override
        if override is not None and override.price is not None:
            return self._product.model(override.price, Fraction(1)), override
        base = self._base
        assert base is not None  # noqa: S101  # without a list price only an overwrite makes an offer
        return self._product.model(base, self._factor * choice.multiplier), override


class Pay:
    """A segment that can be drawn, and the price while drawing it; `tariff` none: the list price."""

    __slots__ = ("grant", "order", "purse", "segment", "tariff")

    def __init__(self, grant: Grant, segment: Segment, tariff: Tariff | None) -> None:
        self.grant = grant
        self.segment = segment
        self.purse = grant.purse(segment.start)
        self.order = grant.order(segment)
        self.tariff = tariff


class Offer(NamedTuple):
    rate: RateTerms | None
    """None: only the contract prices the product."""
    tariff: Tariff
    pays: tuple[Pay, ...]
    """In draw order."""
    by_total: bool
    """Some price depends on the quantity that the period reaches."""

    def identity(self) -> tuple[object, ...]:
        return (self.tariff.identity(), tuple((p.purse.key, p.tariff.identity() if p.tariff else None) for p in self.pays))


class Window(NamedTuple):
    """A stretch of a period with one offer; none: the product is not entitled, or nothing prices it."""

    start: int
    end: int
    offer: Offer | None


def offers(terms: ContractTerms, product: ProductTerms, key: GroupKey, span: Span, grants: Iterable[Grant]) -> list[Window]:
    """The span cut where anything changes that decides the price. `grants` are all that could pay this contract's usage."""
    group = dict(key)
    segments = list(_reachable(product, group, span, grants))
    overrides = [o for o in terms.overrides if o.start < span.end and o.end > span.start and _reaches(o, product, group)]
    if segments or overrides:
        return _cut(terms, product, group, span, overrides, segments)
    # At list prices all contracts have the same.
    found = product.listed.get((key, span))
    if found is None:
        if len(product.listed) >= _LISTED_KEPT:
            product.listed.clear()
        found = product.listed[key, span] = _cut(terms, product, group, span, overrides, segments)
    return found


def _cut(
    terms: ContractTerms, product: ProductTerms, group: Mapping[str, str], span: Span, overrides: Sequence[OverrideTerms],
    segments: Sequence[tuple[Grant, Segment]],
) -> list[Window]:  # fmt: skip
    edges = {span.start}
    for rate in product.rates:
        edges.add(rate.start)
        edges.add(rate.end)
    for o in overrides:
        edges.add(o.start)
        edges.add(o.end)
    for _, segment in segments:
        edges.add(segment.start)
        edges.add(segment.end)
    points = sorted(edge for edge in edges if span.start <= edge < span.end)
    found: list[Window] = []
    last: tuple[object, ...] | None = None
    for start, end in zip(points, [*points[1:], span.end], strict=True):
        offer = _offer(terms, product, group, start, overrides, segments)
        same = offer.identity() if offer is not None and len(points) > 1 else None
        if found and same == last:
            found[-1] = Window(found[-1].start, end, found[-1].offer)
        else:
            found.append(Window(start, end, offer))
        last = same
    return found


def covering(product: ProductTerms | None, group: Mapping[str, str], moment: int, grants: Iterable[Grant]) -> tuple[Pay, ...]:
    """What may pay a line that is no usage, in draw order: it belongs to the instant at which it starts."""
    span = Span(moment, moment + 1)
    found = [Pay(grant, segment, None) for grant, segment in _reachable(product, group, span, grants)]
    found.sort(key=lambda pay: pay.order)
    return tuple(found)


def _reachable(product: ProductTerms | None, group: Mapping[str, str], span: Span, grants: Iterable[Grant]) -> Iterable[tuple[Grant, Segment]]:
    for grant in grants:
        if grant.pays(product.id if product else None, group, product.fixed if product else {}):
            for segment in grant.segments(span.end):
                if segment.start < span.end and segment.end > span.start:
                    yield grant, segment


def _reaches(o: OverrideTerms, product: ProductTerms, group: Mapping[str, str]) -> bool:
    return (o.products is None or product.id in o.products) and (not o.where or reaches(o.where, group, product.fixed))


def _offer(
    terms: ContractTerms, product: ProductTerms, group: Mapping[str, str], moment: int, overrides: Sequence[OverrideTerms],
    segments: Sequence[tuple[Grant, Segment]],
) -> Offer | None:  # fmt: skip
    rate = product.rate(group, moment)
    active = [o for o in overrides if o.start <= moment < o.end]
    entitled = rate.entitled if rate else True
    for o in active:
        if o.entitled is not None:
            entitled = o.entitled
    chain = candidates(active, "list", None, terms.explicit)
    if not entitled or (rate is None and (not chain or chain[0].price is None)):
        return None
    factor = rate.factor if rate else Fraction(1)
    tariff = Tariff(product, group, rate.price if rate else None, factor, chain, explicit=terms.explicit)
    pays = []
    for grant, segment in segments:
        if segment.start <= moment < segment.end:
            drawing = _drawing(terms, product, group, rate, active, grant, factor)
            pays.append(Pay(grant, segment, None if drawing is None or drawing.same(tariff) else drawing))
    pays.sort(key=lambda pay: pay.order)
    by_total = tariff.by_total or any(pay.tariff is not None and pay.tariff.by_total for pay in pays)
    return Offer(rate, tariff, tuple(pays), by_total)


def _drawing(
    terms: ContractTerms, product: ProductTerms, group: Mapping[str, str], rate: RateTerms | None, active: Sequence[OverrideTerms], grant: Grant,
    factor: Fraction,
) -> Tariff | None:  # fmt: skip
    """The price while drawing a grant; none: the list price. A product without a commit rate draws at its list price and list overrides."""
    names = grant.name
    if grant.rate == "commit":
        base = rate.commit_price if rate else None
        if base is not None:
            return Tariff(product, group, base, factor, candidates(active, "commit", names, terms.explicit), explicit=terms.explicit)
    if not any(o.commits for o in active):
        return None
    chain = candidates(active, "list", names, terms.explicit)
    return Tariff(product, group, rate.price if rate else None, factor, chain, explicit=terms.explicit)
