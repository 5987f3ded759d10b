"""Documents in resolved form: instants as milliseconds, targets as sets of products, prices as models. Compiled once for each version."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts import catalogue as c
from contracts import contract as d
from contracts.grants import GrantTerms, compile_grants
from contracts.matching import matches, values_named
from contracts.money import Number, divide, exponent
from contracts.overrides import Chain, OverrideTerms, candidates
from contracts.prices import Price, compile_price
from contracts.timeline import FOREVER, Grid, Span, exact_ms, grid, instant_ms
from contracts.windows import GroupKey

__all__ = ["Bound", "ContractTerms", "Offer", "ProductTerms", "compile_contract"]

HOUR_MS = 3_600_000


class RateTerms(NamedTuple):
    where: c.Where
    start: int
    end: int
    price: Price
    commit_price: Price | None
    entitled: bool
    names: int
    document: c.Rate


class ProductTerms:
    """A product with its metric and its rates under one contract's rate card."""

    def __init__(self, product_id: str, product: c.Product, catalogue: c.Catalogue, rates: list[RateTerms]) -> None:
        metric = catalogue.metrics.get(product.metric or "") if product.metric else None
        self.id = product_id
        self.type = product.type
        self.tags = frozenset(product.tags)
        self.metric = product.metric
        self.kind = metric.aggregation if metric else "sum"
        self.carry = bool(metric and metric.carry)
        self.pricing_keys = tuple(product.pricing_group_keys)
        self.keys = tuple(dict.fromkeys([*product.pricing_group_keys, *product.presentation_group_keys]))
        quantity = product.quantity
        self.rounding = (quantity.round, quantity.decimals) if quantity and quantity.round else None
        divisor: Number = quantity.divide_by if quantity else Decimal(1)
        if self.kind == "time_weighted":
            divisor = divisor * HOUR_MS
        inverse = divide(Decimal(1), divisor)
        self.divisor = divisor
        self.factor = inverse
        self.rational = isinstance(inverse, Fraction) and self.rounding is None
        self.rates = sorted(rates, key=lambda r: (-r.names, -r.start))
        self.of = product.of
        self.filtered = bool(product.where)

    def group(self, key: GroupKey) -> GroupKey:
        """The product's own keys of a group: hidden keys, by which contracts filter, are left out."""
        return tuple(pair for pair in key if pair[0] in self.keys)

    def rate(self, group: Mapping[str, str], moment: int) -> RateTerms | None:
        """The list rate in force; one that names group values goes before one that names fewer."""
        for rate in self.rates:
            if rate.start <= moment < rate.end and (not rate.where or matches(rate.where, group)):
                return rate
        return None


class Offer(NamedTuple):
    """What holds for a product and group over a stretch of time: list and commit price, overrides that could win, grants that could be drawn."""

    rate: RateTerms
    price: Price
    commit_price: Price | None
    chain: Chain
    grants: tuple[tuple[str, str, int, Chain, bool], ...]
    """(contract, grant, segment, overrides that could win while drawing it, draws at the commit price) in no order."""

    def key(self) -> tuple[object, ...]:
        return (
            id(self.price), id(self.commit_price), tuple(o.id for o in self.chain), tuple((*g[:3], tuple(o.id for o in g[3])) for g in self.grants),
        )


class Bound(NamedTuple):
    amount: Decimal
    products: frozenset[str] | None


class DiscountTerms(NamedTuple):
    id: str
    percent: Decimal | None
    amount: Decimal | None
    products: frozenset[str] | None
    start: int
    end: int


class ContractTerms:
    """One version of a contract under one version of its catalogue."""

    def __init__(self, document: d.Contract, catalogue: c.Catalogue) -> None:
        billing = document.billing
        self.document = document
        self.catalogue = catalogue
        self.id = document.id
        self.customer = document.customer
        self.ids = frozenset((document.customer, *document.aliases))
        self.zone_name = billing.timezone
        self.start = self.ms(document.starting_at)
        self.end = self.ms(document.ending_before) if document.ending_before else FOREVER
        self.grid: Grid = grid(billing.period, billing.anchor, billing.timezone, self.start)
        self.grace = exact_ms(billing.grace)
        self.currency = catalogue.currency
        self.places = exponent(catalogue.currency)
        self.explicit = document.override_selection == "explicit"
        self.overrides = [self._override(index, o) for index, o in enumerate(document.overrides)]
        self.products = self._products()
        self.usage_products = [p for p in self.products.values() if p.type == "usage"]
        self.composites = [p for p in self.products.values() if p.type == "composite"]
        self.grants: list[GrantTerms] = compile_grants(self)
        self.minimums = [self._bound(b) for b in listed(document.minimum)]
        self.maximums = [self._bound(b) for b in listed(document.maximum)]
        self.discounts = [
            DiscountTerms(x.id, x.percent, x.amount, self.targets(x.products, x.tags), self._start(x.starting_at), self._end(x.ending_before))
            for x in document.discounts
        ]
        self._prices: dict[tuple[int, bool], Price] = {}
        self._offers: dict[tuple[str, GroupKey, Span, object], list[tuple[Span, Offer | None]]] = {}

    def ms(self, text: str) -> int:
        return instant_ms(text, self.zone_name)

    def _start(self, text: str | None) -> int:
        return self.ms(text) if text else -FOREVER

    def _end(self, text: str | None) -> int:
        return self.ms(text) if text else FOREVER

    def targets(self, products: Sequence[str], tags: Sequence[str]) -> frozenset[str] | None:
        """Product ids named or tagged; none when nothing is named: everything."""
        if not products and not tags:
            return None
        tagged = [i for i, p in self.catalogue.products.items() if not set(tags).isdisjoint(p.tags)]
        return frozenset([*products, *tagged])

    def _override(self, index: int, o: d.Override) -> OverrideTerms:
        return OverrideTerms(
            o.id, index, self.targets(o.products, o.tags), o.where, frozenset(o.commits), self._start(o.starting_at), self._end(o.ending_before),
            o.multiplier, compile_price(o.price) if o.price else None, tuple((t.size, t.multiplier) for t in o.tiers or ()), o.entitled, o.target, o.priority,
        )  # fmt: skip

    def _bound(self, bound: d.Bound) -> Bound:
        return Bound(bound.amount, self.targets(bound.products, bound.tags))

    def _products(self) -> dict[str, ProductTerms]:
        card = self.catalogue.rate_cards.get(self.document.rate_card or "")
        by_product: dict[str, list[RateTerms]] = {}
        for rate in card.rates if card else ():
            factor = self.catalogue.pricing_units[rate.unit].price if rate.unit else Decimal(1)
            zone = self.catalogue.timezone
            by_product.setdefault(rate.product, []).append(
                RateTerms(
                    rate.where,
                    instant_ms(rate.starting_at, zone) if rate.starting_at else -FOREVER,
                    instant_ms(rate.ending_before, zone) if rate.ending_before else FOREVER,
                    compile_price(rate.price, factor),
                    compile_price(rate.commit_price, factor) if rate.commit_price else None,
                    rate.entitled,
                    values_named(rate.where) if rate.where else 0,
                    rate,
                )
            )
        return {i: ProductTerms(i, p, self.catalogue, by_product.get(i, [])) for i, p in self.catalogue.products.items()}

    def periods(self, until: int) -> list[tuple[Span, Span]]:
        """(billing period inside the contract, whole period) of all that start by `until`."""
        found = []
        for part, whole in self.grid.spans(self.start, self.end):
            if part.start > until:
                break
            found.append((part, whole))
        return found

    def offers(self, product: ProductTerms, key: GroupKey, span: Span, grants: Sequence["GrantTerms"]) -> list[tuple[Span, Offer | None]]:
        """The span cut where any of the offer changes; none where the product is not entitled or has no price.

        `grants` are all that could pay this contract's usage, its own and shared ones.
        """
        group = dict(key)
        segments = [
            (grant, segment) for grant in grants if grant.pays(product.id, group)
            for segment in grant.segments(span.end) if segment.start < span.end and segment.end > span.start
        ]  # fmt: skip
        overrides = [o for o in self.overrides if o.reaches(product.id, group) and o.start < span.end and o.end > span.start]
        edges = {span.start}
        for rate in product.rates:
            edges.update((rate.start, rate.end))
        for o in overrides:
            edges.update((o.start, o.end))
        for _, segment in segments:
            edges.update((segment.start, segment.end))
        points = sorted(e for e in edges if span.start <= e < span.end)
        found: list[tuple[Span, Offer | None]] = []
        last: tuple[object, ...] | None = None
        for start, end in zip(points, [*points[1:], span.end], strict=True):
            offer = self._offer(product, group, start, overrides, segments)
            same = offer.key() if offer else None
            if found and same == last:
                found[-1] = (Span(found[-1][0].start, end), found[-1][1])
            else:
                found.append((Span(start, end), offer))
            last = same
        return found

    def _offer(self, product: ProductTerms, group: Mapping[str, str], moment: int, overrides: list[OverrideTerms], segments: list[tuple[GrantTerms, "object"]]) -> Offer | None:
        rate = product.rate(group, moment)
        active = [o for o in overrides if o.holds(moment)]
        entitled = rate.entitled if rate else True
        for o in active:
            if o.entitled is not None:
                entitled = o.entitled
        if not entitled:
            return None
        if rate is None:
            overwrite = next((o for o in candidates(active, "list", None, self.explicit) if o.price is not None), None)
            if overwrite is None:
                return None
            rate = _no_rate(product.id, overwrite)
        chain = candidates(active, "list", None, self.explicit)
        grants = []
        for grant, segment in segments:
            if segment.start <= moment < segment.end:  # type: ignore[attr-defined]
                at_commit = grant.rate == "commit" and rate.commit_price is not None
                mine = candidates(active, "commit" if at_commit else "list", grant.id, self.explicit)
                grants.append((grant.contract, grant.id, segment.index, mine, at_commit))  # type: ignore[attr-defined]
        return Offer(rate, self.priced(rate.price, product), self.priced(rate.commit_price, product) if rate.commit_price else None, chain, tuple(grants))

    def priced(self, price: Price, product: ProductTerms) -> Price:
        return price.rational() if product.rational else price


def _no_rate(product: str, overwrite: OverrideTerms) -> RateTerms:
    """A product that only the contract prices: its overwrite stands in for the list rate."""
    assert overwrite.price is not None  # noqa: S101  # the caller chose it for its price
    document = c.Rate(product=product, price=c.Price(per_unit=Decimal(0)))
    return RateTerms({}, -FOREVER, FOREVER, overwrite.price, None, True, 0, document)


def listed(bound: d.Bound | list[d.Bound] | None) -> list[d.Bound]:
    return [] if bound is None else bound if isinstance(bound, list) else [bound]


def compile_contract(document: d.Contract, catalogue: c.Catalogue) -> ContractTerms:
    """The resolved terms; `ValueError` or `KeyError` when a reference is unknown, which `contracts.checks` has refused before."""
    return ContractTerms(document, catalogue)


