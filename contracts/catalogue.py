"""The catalogue document: what is metered and what it costs by default.

These are the shapes of the YAML/JSON document itself (`docs/documents`), not yet resolved: instants are
text, quantities and amounts are decimals. `contracts.loading` reads and checks them; `contracts.terms`
resolves instants and targets for the fold.
"""

from decimal import Decimal
from typing import Literal

import msgspec

Instant = str
"""RFC 3339 with an offset, or a date: midnight in the document's time zone."""

Scalar = str | int | bool
Aggregation = Literal["count", "sum", "max", "min", "latest", "unique", "time_weighted"]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every shape in a document: immutable, unknown keys are errors."""


class Condition(Document, frozen=True, kw_only=True):
    """A property filter that is not a list of values: presence, or a list of values that must not occur."""

    exists: bool | None = None
    not_in: list[Scalar] | None = None


Where = dict[str, Scalar | list[Scalar] | Condition]
"""Property name to the value, the values or the condition it must meet; all must hold."""


class Expression(Document, frozen=True, kw_only=True):
    """A value computed from the properties of one event, e.g. `input + 4 * output`."""

    expression: str


class Metric(Document, frozen=True, kw_only=True):
    event_types: list[str]
    aggregation: Aggregation
    value: str | Expression | None = None
    where: Where = {}
    carry: bool = False
    group_keys: list[str] = []


class Quantity(Document, frozen=True, kw_only=True):
    """Conversion, then rounding of the running quantity."""

    divide_by: Decimal = Decimal(1)
    round: Literal["up", "down", "half_up"] | None = None
    decimals: int = 0


class Spend(Document, frozen=True, kw_only=True):
    """What a composite product is a share of."""

    products: list[str] = []
    tags: list[str] = []


class Product(Document, frozen=True, kw_only=True):
    name: str
    type: Literal["usage", "fixed", "subscription", "composite"] = "usage"
    metric: str | None = None
    where: Where = {}
    pricing_group_keys: list[str] = []
    presentation_group_keys: list[str] = []
    quantity: Quantity | None = None
    tags: list[str] = []
    of: Spend | None = None


class Tier(Document, frozen=True, kw_only=True):
    """A graduated or volume tier: `up_to` is inclusive and cumulative; the last tier has none."""

    up_to: Decimal | None = None
    per_unit: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)


class Package(Document, frozen=True, kw_only=True):
    size: Decimal
    price: Decimal


class Percentage(Document, frozen=True, kw_only=True):
    """For composite products: a share of the spend of other products, and at least `minimum`."""

    rate: Decimal
    minimum: Decimal = Decimal(0)


class Price(Document, frozen=True, kw_only=True):
    """Exactly one of the price keys is given; `free` units of the period cost nothing and do not count to packages or tiers."""

    per_unit: Decimal | None = None
    package: Package | None = None
    graduated: list[Tier] | None = None
    volume: list[Tier] | None = None
    flat: Decimal | None = None
    percentage: Percentage | None = None
    free: Decimal = Decimal(0)


class Rate(Document, frozen=True, kw_only=True):
    """One price of one product in a rate card; a rate with `where` names group values and goes before one without."""

    product: str
    price: Price
    commit_price: Price | None = None
    where: Where = {}
    starting_at: Instant | None = None
    ending_before: Instant | None = None
    entitled: bool = True
    unit: str | None = None
    """A custom pricing unit of the catalogue in which `price` counts; none: the currency."""


class RateCard(Document, frozen=True, kw_only=True):
    name: str | None = None
    rates: list[Rate] = []


class PricingUnit(Document, frozen=True, kw_only=True):
    """A unit of account, such as a credit, with a fixed price in the catalogue's currency."""

    name: str | None = None
    price: Decimal


class Catalogue(Document, frozen=True, kw_only=True):
    """Products, metrics and rate cards of one namespace; `id` separates several catalogues in one deployment."""

    currency: str = "USD"
    id: str = "default"
    timezone: str = "UTC"
    metrics: dict[str, Metric] = {}
    products: dict[str, Product] = {}
    rate_cards: dict[str, RateCard] = {}
    pricing_units: dict[str, PricingUnit] = {}
