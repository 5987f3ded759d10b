"""Documents in resolved form: instants as milliseconds, targets as sets of products, prices as models. Compiled once for each version."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from contracts import catalogue as c
from contracts import contract as d
from contracts.grants import Frame, Grant, compile_grants
from contracts.instants import exact_ms, instant_ms
from contracts.matching import fixed_values, reaches, values_named
from contracts.money import exponent
from contracts.overrides import OverrideTerms
from contracts.prices import PriceModel, compile_price
from contracts.scales import scale
from contracts.timeline import FOREVER, Grid, Span, grid
from contracts.windows import GroupKey

if TYPE_CHECKING:
    from contracts.offers import Window

__all__ = ["BoundTerms", "CardTerms", "ContractTerms", "DiscountTerms", "ProductTerms", "RateTerms", "card"]

HOUR_MS = 3_600_000
ONE = Fraction(1)
_CARDS: dict[tuple[int, str], "CardTerms"] = {}
_CARDS_KEPT = 64


class RateTerms(NamedTuple):
    """A rate of a rate card; `factor` is the price of its pricing unit in the currency."""

    number: int
    where: c.Where
    start: int
    end: int
    price: c.Price
    commit_price: c.Price | None
    factor: Fraction
    entitled: bool


class ProductTerms:
    """A product with its metric and its rates in one rate card."""

    def __init__(self, product_id: str, product: c.Product, catalogue: c.Catalogue, rates: list[RateTerms]) -> None:
        metric = catalogue.metrics.get(product.metric or "")
        self.id = product_id
        self.name = product.name
        self.type = product.type
        self.metric = product.metric
        self.kind = metric.aggregation if metric else "sum"
        self.carry = bool(metric and metric.carry)
        self.keys = frozenset([*product.pricing_group_keys, *product.presentation_group_keys])
        self.fixed = fixed_values(product.where)
        self.filtered = bool(product.where)
        quantity = product.quantity or c.Quantity()
        per_hour = HOUR_MS if self.kind == "time_weighted" else 1
        self.scale = scale(quantity.divide_by * per_hour, quantity.round, quantity.decimals)
        self.rates = sorted(rates, key=lambda rate: (-values_named(rate.where) if rate.where else 0, -rate.start))
        self.of = product.of
        self.places = exponent(catalogue.currency)
        self._models: dict[tuple[int, Fraction], tuple[c.Price, PriceModel]] = {}
        self.listed: dict[tuple[GroupKey, Span], list[Window]] = {}
        """By group and span: what `contracts.offers` found where no contract's terms decide."""

    def group(self, key: GroupKey) -> GroupKey:
        """The product's own keys of a group: hidden keys, by which contracts filter, are left out."""
        if not key:
            return key
        return tuple(pair for pair in key if pair[0] in self.keys)

    def rate(self, group: Mapping[str, str], moment: int) -> RateTerms | None:
        """The list rate in force; one that names group values goes before one that names fewer."""
        for rate in self.rates:
            if rate.start <= moment < rate.end and (not rate.where or reaches(rate.where, group, self.fixed)):
                return rate
        return None

    def model(self, price: c.Price, factor: Fraction) -> PriceModel:
        """The compiled price; one object for each price and factor."""
        key = (id(price), factor)
        found = self._models.get(key)
        if found is None:
            if len(self._models) > 4096:
                self._models.clear()
            found = self._models[key] = (price, compile_price(price, factor, self.scale, self.places))
        return found[1]


class CardTerms:
    """A catalogue under one of its rate cards: the same for all customers."""

    def __init__(self, catalogue: c.Catalogue, name: str | None) -> None:
        self.catalogue = catalogue
        self.places = exponent(catalogue.currency)
        rates: dict[str, list[RateTerms]] = {}
        zone = catalogue.timezone
        found = catalogue.rate_cards.get(name or "")
        for number, rate in enumerate(found.rates if found else ()):
            factor = Fraction(catalogue.pricing_units[rate.unit].price) if rate.unit else ONE
            start = instant_ms(rate.starting_at, zone) if rate.starting_at else -FOREVER
            end = instant_ms(rate.ending_before, zone) if rate.ending_before else FOREVER
            terms = RateTerms(number, rate.where, start, end, rate.price, rate.commit_price, factor, rate.entitled)
            rates.setdefault(rate.product, []).append(terms)
        self.products = {i: ProductTerms(i, p, catalogue, rates.get(i, [])) for i, p in catalogue.products.items()}
        self.metered = [p for p in self.products.values() if p.type == "usage"]
        self.composites = self._composites()
        self._tagged: dict[str, list[str]] = {}
        for i, p in catalogue.products.items():
            for tag in p.tags:
                self._tagged.setdefault(tag, []).append(i)

    def targets(self, products: Sequence[str], tags: Sequence[str]) -> frozenset[str] | None:
        """Product ids named or tagged; none when nothing is named: everything."""
        if not products and not tags:
            return None
        return frozenset([*products, *(i for tag in tags for i in self._tagged.get(tag, ()))])

    def _composites(self) -> list[ProductTerms]:
        """Each behind those that it is a share of."""
        found: list[ProductTerms] = []
        waiting = [p for p in self.products.values() if p.type == "composite"]
        tags = {i: set(p.tags) for i, p in self.catalogue.products.items()}

        def rests_on(p: ProductTerms, other: ProductTerms) -> bool:
            return p.of is not None and p is not other and (other.id in p.of.products or not tags[other.id].isdisjoint(p.of.tags))

        while waiting:
            ready = [p for p in waiting if not any(rests_on(p, other) for other in waiting)] or waiting
            found += ready
            waiting = [p for p in waiting if p not in ready]
        return found


def card(catalogue: c.Catalogue, name: str | None) -> CardTerms:
    """The compiled card, made once for each version of a catalogue."""
    key = (id(catalogue), name or "")
    found = _CARDS.get(key)
    if found is None or found.catalogue is not catalogue:
        if len(_CARDS) >= _CARDS_KEPT:
            _CARDS.clear()
        found = _CARDS[key] = CardTerms(catalogue, name)
    return found


class BoundTerms(NamedTuple):
    """A minimum or maximum; `products` none: of everything."""

    amount: Decimal
    products: frozenset[str] | None


class DiscountTerms(NamedTuple):
    """Off the invoices of periods that start in [start, end)."""

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
        self._period: tuple[Span, Span] | None = None
        """The billing period that was asked for last."""
        self.card = card(catalogue, document.rate_card)
        self.id = document.id
        self.customer = document.customer
        self.zone = billing.timezone
        self.start = self.ms(document.starting_at)
        self.end = self.ms(document.ending_before) if document.ending_before else FOREVER
        self.grid: Grid = grid(billing.period, billing.anchor, billing.timezone, self.start)
        self.grace = exact_ms(billing.grace)
        self.currency = catalogue.currency
        self.places = self.card.places
        self.explicit = document.override_selection == "explicit"
        self.overrides = [self._override(index, o) for index, o in enumerate(document.overrides)]
        self.tiered = any(o.tiers for o in self.overrides)
        self.grants = self._grants()
        self.minimums = [self._bound(b) for b in _listed(document.minimum)]
        self.maximums = [self._bound(b) for b in _listed(document.maximum)]
        self.discounts = [
            DiscountTerms(x.id, x.percent, x.amount, self.card.targets(x.products, x.tags), self._start(x.starting_at), self._end(x.ending_before))
            for x in document.discounts
        ]

    def ms(self, text: str) -> int:
        """An instant of the contract."""
        return instant_ms(text, self.zone)

    def periods(self, until: int, start: int | None = None) -> list[tuple[Span, Span]]:
        """(billing period inside the contract, whole period) of all that start by `until`, from the one that holds `start`."""
        found = []
        begin = self.start if start is None or start <= self.start else max(self.start, self.grid.around(start).start)
        for part, whole in self.grid.spans(begin, self.end):
            if part.start > until:
                break
            found.append((part, whole))
        return found

    def period_of(self, moment: int) -> tuple[Span, Span] | None:
        """The billing period that holds an instant, and the whole one; none: outside the contract."""
        last = self._period
        if last is not None and last[0].start <= moment < last[0].end:
            return last
        if not self.start <= moment < self.end:
            return None
        whole = self.grid.around(moment)
        self._period = found = Span(max(whole.start, self.start), min(whole.end, self.end)), whole
        return found

    def _start(self, text: str | None) -> int:
        return self.ms(text) if text else -FOREVER

    def _end(self, text: str | None) -> int:
        return self.ms(text) if text else FOREVER

    def _override(self, index: int, o: d.Override) -> OverrideTerms:
        tiers = tuple((None if t.size is None else Fraction(t.size), Fraction(t.multiplier)) for t in o.tiers or ())
        return OverrideTerms(
            o.id, index, self.card.targets(o.products, o.tags), o.where, frozenset(o.commits), self._start(o.starting_at), self._end(o.ending_before),
            None if o.multiplier is None else Fraction(o.multiplier), o.price, tiers, o.entitled, o.target, o.priority,
        )  # fmt: skip

    def _bound(self, bound: d.Bound) -> BoundTerms:
        return BoundTerms(bound.amount, self.card.targets(bound.products, bound.tags))

    def _grants(self) -> list[Grant]:
        document = self.document
        lists: dict[str, Sequence[d.Commit | d.Credit | d.RecurringGrant]] = {
            "commits": document.commits,
            "credits": document.credits,
            "recurring_credits": document.recurring_credits,
            "recurring_commits": document.recurring_commits,
        }
        targets = {f"{name}/{grant.id}": self.card.targets(grant.products, grant.tags) for name, grants in lists.items() for grant in grants}
        frame = Frame(self.id, self.customer, self.start, self.end, document.billing, self.places)
        return compile_grants(frame, document, targets)


def _listed(bound: d.Bound | list[d.Bound] | None) -> list[d.Bound]:
    return [] if bound is None else bound if isinstance(bound, list) else [bound]
