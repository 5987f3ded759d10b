"""The contract document: what one customer agreed. Shapes only; see `contracts.catalogue` for the conventions."""

from decimal import Decimal
from typing import Literal

from contracts.catalogue import Document, Instant, Price, Where

Period = Literal["weekly", "monthly", "quarterly", "annual"]
Every = Literal["week", "month", "quarter", "year"]
Duration = str
"""ISO 8601 duration of fixed length, e.g. `PT24H`, `P1D`."""


class Billing(Document, frozen=True, kw_only=True):
    period: Period = "monthly"
    anchor: str = "first_of_month"
    """`first_of_month`, `contract_start` or a date."""
    timezone: str = "UTC"
    grace: Duration = "PT24H"


class OverrideTier(Document, frozen=True, kw_only=True):
    """The next `size` units take `multiplier`; without `size`: all further units."""

    size: Decimal | None = None
    multiplier: Decimal


class Override(Document, frozen=True, kw_only=True):
    id: str
    products: list[str] = []
    tags: list[str] = []
    where: Where = {}
    commits: list[str] = []
    starting_at: Instant | None = None
    ending_before: Instant | None = None
    multiplier: Decimal | None = None
    price: Price | None = None
    tiers: list[OverrideTier] | None = None
    entitled: bool | None = None
    target: Literal["list", "commit"] = "list"
    priority: int = 100


class Access(Document, frozen=True, kw_only=True):
    """A segment of a grant: an amount that covers usage of its own interval, and expires alone."""

    amount: Decimal
    starting_at: Instant
    ending_before: Instant | None = None


class Instalment(Document, frozen=True, kw_only=True):
    """One invoice of a commit's purchase."""

    amount: Decimal
    at: Instant


class Commit(Document, frozen=True, kw_only=True):
    id: str
    type: Literal["prepaid", "postpaid"]
    access: list[Access]
    invoice: list[Instalment] = []
    name: str | None = None
    products: list[str] = []
    tags: list[str] = []
    where: Where = {}
    priority: int = 100
    rate: Literal["list", "commit"] = "list"
    rollover: Decimal | None = None
    shared: str | list[str] | None = None
    """`all`, or contract ids: pays for children too."""


class Credit(Document, frozen=True, kw_only=True):
    id: str
    access: list[Access]
    name: str | None = None
    products: list[str] = []
    tags: list[str] = []
    where: Where = {}
    priority: int = 100
    rate: Literal["list", "commit"] = "list"
    rollover: Decimal | None = None
    shared: str | list[str] | None = None


class RecurringGrant(Document, frozen=True, kw_only=True):
    """A credit or prepaid commit that is granted anew every period."""

    id: str
    amount: Decimal
    every: Every = "month"
    starting_at: Instant | None = None
    ending_before: Instant | None = None
    valid_periods: int = 1
    proration: Literal["none", "first", "last", "first_and_last"] = "none"
    name: str | None = None
    products: list[str] = []
    tags: list[str] = []
    where: Where = {}
    priority: int = 100
    rate: Literal["list", "commit"] = "list"
    rollover: Decimal | None = None
    shared: str | list[str] | None = None


class RecurringCommit(RecurringGrant, frozen=True, kw_only=True):
    invoice_amount: Decimal | None = None
    """What is invoiced when a grant starts; none: nothing is (cost basis 0)."""


class Charge(Document, frozen=True, rename={"from_": "from"}, kw_only=True):
    """A fixed amount, once (`at`) or in a series (`every`, `from`, `until`)."""

    id: str
    product: str
    amount: Decimal
    at: Instant | None = None
    every: Every | None = None
    from_: Instant | None = None
    until: Instant | None = None
    split: Literal["each", "divided", "divided_rounded"] = "each"
    quantity: Decimal = Decimal(1)


class Change(Document, frozen=True, kw_only=True):
    """From `at`, another quantity, another price, or both."""

    at: Instant
    quantity: Decimal | None = None
    price: Decimal | None = None


class Subscription(Document, frozen=True, kw_only=True):
    id: str
    product: str
    quantity: Decimal = Decimal(1)
    price: Decimal
    every: Every = "month"
    starting_at: Instant | None = None
    ending_before: Instant | None = None
    collect: Literal["advance", "arrears"] = "advance"
    prorate: bool = True
    changes: list[Change] = []


class Bound(Document, frozen=True, kw_only=True):
    """A minimum or maximum of a period's spend; without products: of everything."""

    amount: Decimal
    products: list[str] = []
    tags: list[str] = []


class Discount(Document, frozen=True, kw_only=True):
    """Off the invoice, after minimum and maximum: a percentage or an amount."""

    id: str
    percent: Decimal | None = None
    amount: Decimal | None = None
    products: list[str] = []
    tags: list[str] = []
    starting_at: Instant | None = None
    ending_before: Instant | None = None


class Threshold(Document, frozen=True, kw_only=True):
    id: str
    measure: Literal["balance", "balance_percent", "spend", "usage", "invoice_total"]
    at: Decimal
    repeat: Decimal | None = None
    metric: str | None = None
    commits: list[str] = []


class UsageFilter(Document, frozen=True, kw_only=True):
    where: Where


class Contract(Document, frozen=True, kw_only=True):
    id: str
    customer: str
    rate_card: str | None = None
    catalogue: str = "default"
    name: str | None = None
    starting_at: Instant
    ending_before: Instant | None = None
    billing: Billing = Billing()
    clock: str = "wall"
    late_usage: Literal["next_invoice", "reopen", "drop"] = "next_invoice"
    override_selection: Literal["lowest_multiplier", "explicit"] = "lowest_multiplier"
    overrides: list[Override] = []
    commits: list[Commit] = []
    credits: list[Credit] = []
    recurring_credits: list[RecurringGrant] = []
    recurring_commits: list[RecurringCommit] = []
    charges: list[Charge] = []
    subscriptions: list[Subscription] = []
    minimum: Bound | list[Bound] | None = None
    maximum: Bound | list[Bound] | None = None
    discounts: list[Discount] = []
    thresholds: list[Threshold] = []
    aliases: list[str] = []
    parent: str | None = None
    payer: Literal["self", "parent"] = "self"
    renews: str | None = None
    usage_filter: UsageFilter | None = None
