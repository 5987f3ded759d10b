"""Terms of a contract: from Metronome's shapes to ours. Pure but for new ids.

Each reader gives the term of the document and what the document has no place for (`extras`: product of a commit, custom fields, ids of schedule
items); the two together give the request back. What would change an amount and is not understood is refused, never dropped.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from console.errors import InvalidError, Wrong, invalid
from console.metronome.coins import Coins
from console.metronome.rates import price_in
from console.metronome.shelf import new_id
from console.wire import Fields
from contracts.catalogue import Catalogue, Where
from contracts.contract import (
    Access,
    Billing,
    Change,
    Charge,
    Commit,
    Credit,
    Every,
    Instalment,
    Override,
    OverrideTier,
    RecurringCommit,
    RecurringGrant,
    Subscription,
    UsageFilter,
)
from contracts.instants import from_ms, instant_ms, to_ms
from contracts.money import exact, exponent
from contracts.timeline import add_months, iso

EVERY: Final[dict[str, Every]] = {"WEEKLY": "week", "MONTHLY": "month", "QUARTERLY": "quarter", "ANNUAL": "year"}
PERIODS: Final[dict[str, Literal["weekly", "monthly", "quarterly", "annual"]]] = {
    "WEEKLY": "weekly", "MONTHLY": "monthly", "QUARTERLY": "quarterly", "ANNUAL": "annual",
}  # fmt: skip
PRORATION: Final[dict[str, Literal["none", "first", "last", "first_and_last"]]] = {
    "NONE": "none", "FIRST": "first", "LAST": "last", "FIRST_AND_LAST": "first_and_last",
}  # fmt: skip
RATE: Final[dict[str, Literal["list", "commit"]]] = {"LIST_RATE": "list", "COMMIT_RATE": "commit"}
SPLIT: Final[dict[str, Literal["each", "divided", "divided_rounded"]]] = {"EACH": "each", "DIVIDED": "divided", "DIVIDED_ROUNDED": "divided_rounded"}
MONTHS: Final = {"MONTHLY": 1, "QUARTERLY": 3, "SEMI_ANNUAL": 6, "ANNUAL": 12}
PLAIN: Final = ("description", "netsuite_sales_order_id", "salesforce_opportunity_id", "custom_fields")
MOST_ITEMS: Final = 1_000

Extras = dict[str, Any]
Product = Callable[[str, str], str]
"""The API's product id and the field that names it, to the id inside the catalogue."""


class Known(NamedTuple):
    """What a term is read with."""

    catalogue: Catalogue
    coins: Coins
    product: Product
    temporary: dict[str, str]
    """Temporary ids of the request to those that were made."""


def begin(fields: Fields, known: Known) -> str:
    """A new id; a temporary one of the request means it from now on."""
    name, temporary = new_id(), fields.text_or_none("temporary_id")
    if temporary is not None:
        if temporary in known.temporary:
            raise invalid(fields.at("temporary_id"), f"{temporary!r} is given twice")
        known.temporary[temporary] = name
    return name


def commit_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[Commit, Extras]:
    kind = fields.word("type", ("PREPAID", "POSTPAID"))
    name = name or begin(fields, known)
    extras = _extras(fields, known)
    fields.refuse("is not served: a commit is paid by its invoices", "payment_gate_config", "spend_tracker_attributes")
    access, segments = _access(fields, known)
    invoice: list[Instalment] = []
    instalments: dict[str, str] = {}
    if fields.has("invoice_schedule"):
        schedule = fields.object("invoice_schedule")
        invoice, instalments = _instalments(schedule, known)
        extras["do_not_invoice"] = schedule.flag("do_not_invoice", False)
        if extras["do_not_invoice"] and kind == "POSTPAID":
            raise invalid(schedule.at("do_not_invoice"), "a postpaid commit without an invoice would commit to nothing")
        schedule.done()
    amount = fields.number_or_none("amount")
    if not access:
        if amount is None:
            raise invalid(fields.at("access_schedule"), "is missing")
        raise invalid(fields.at("amount"), "is not enough; say in access_schedule when it can be drawn")
    if kind == "POSTPAID" and not invoice:
        raise invalid(fields.at("invoice_schedule"), "is missing: a postpaid commit has one invoice item, for the access total")
    if extras.get("do_not_invoice"):
        extras["instalments_kept"] = [{"at": each.at, "amount": str(each.amount)} for each in invoice]
        invoice = []
    extras |= {"segments": segments, "instalments": instalments}
    commit = Commit(
        id=name,
        type="prepaid" if kind == "PREPAID" else "postpaid",
        access=access,
        invoice=invoice,
        name=fields.text_or_none("name"),
        priority=_priority(fields),
        rate=RATE[fields.word("rate_type", RATE, "LIST_RATE")],
        rollover=fields.number_or_none("rollover_fraction"),
        shared=shared_in(fields),
        **reach_in(fields, known),
    )
    return commit, extras


def credit_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[Credit, Extras]:
    name = name or begin(fields, known)
    extras = _extras(fields, known)
    access, extras["segments"] = _access(fields, known)
    if not access:
        raise invalid(fields.at("access_schedule"), "is missing")
    credit = Credit(
        id=name,
        access=access,
        name=fields.text_or_none("name"),
        priority=_priority(fields),
        rate=RATE[fields.word("rate_type", RATE, "LIST_RATE")],
        rollover=fields.number_or_none("rollover_fraction"),
        shared=shared_in(fields),
        **reach_in(fields, known),
    )
    return credit, extras


def recurring_in(fields: Fields, known: Known, *, commit: bool) -> tuple[RecurringGrant | RecurringCommit, Extras]:
    name, extras = begin(fields, known), _extras(fields, known)
    fields.refuse("is not served", "subscription_config", "proration_rounding")
    amount = fields.object("access_amount")
    known.coins.check(amount)
    amount.word("access_type", ("SPEND",), "SPEND")
    granted = _times(amount, known)
    amount.done()
    duration = fields.object("commit_duration")
    periods = duration.whole("value")
    duration.word("unit", ("PERIODS",), "PERIODS")
    duration.done()
    said: dict[str, Any] = {
        "id": name,
        "amount": granted,
        "every": EVERY[fields.word("recurrence_frequency", EVERY, "MONTHLY")],
        "starting_at": fields.instant("starting_at"),
        "ending_before": fields.instant_or_none("ending_before"),
        "valid_periods": periods,
        "proration": PRORATION[fields.word("proration", PRORATION, "NONE")],
        "name": fields.text_or_none("name"),
        "priority": _priority(fields),
        "rate": RATE[fields.word("rate_type", RATE, "LIST_RATE")],
        "rollover": fields.number_or_none("rollover_fraction"),
        "shared": shared_in(fields),
        **reach_in(fields, known),
    }
    if not commit:
        return RecurringGrant(**said), extras
    if fields.has("invoice_amount"):
        paid = fields.object("invoice_amount")
        known.coins.check(paid)
        said["invoice_amount"] = _times(paid, known)
        paid.done()
    return RecurringCommit(**said), extras


def override_in(fields: Fields, known: Known) -> tuple[list[Override], Extras]:
    """An override with several specifiers is several of ours: `ID`, `ID.2`, …; any of them takes a line."""
    name = new_id()
    multiplier, tiers, entitled = fields.number_or_none("multiplier"), fields.objects("tiers"), fields.any("entitled")
    implied = "OVERWRITE" if fields.has("overwrite_rate") else "MULTIPLIER" if multiplier is not None else "TIERED" if tiers else ""
    kind = fields.word("type", ("OVERWRITE", "MULTIPLIER", "TIERED"), implied or "OVERWRITE")
    price = None
    if fields.has("overwrite_rate"):
        rate = fields.object("overwrite_rate")
        known.coins.check(rate)
        rate.refuse("belongs to subscription rates, which overrides do not change here", "is_prorated", "quantity")
        price = price_in(rate, known.coins)
        rate.done()
    if not implied and entitled is None:
        raise invalid(fields.path, "needs one of multiplier, overwrite_rate, tiers, entitled")
    if kind != implied and implied:
        raise invalid(fields.at("type"), f"is {kind}, but what is given is of type {implied}")
    said: dict[str, Any] = {
        "starting_at": fields.instant("starting_at"),
        "ending_before": fields.instant_or_none("ending_before"),
        "multiplier": multiplier,
        "price": price,
        "tiers": [_override_tier(each) for each in tiers] or None,
        "entitled": fields.flag("entitled") if entitled is not None else None,
        "target": "commit" if fields.word("target", ("COMMIT_RATE", "LIST_RATE"), "LIST_RATE") == "COMMIT_RATE" else "list",
        "priority": _priority(fields),
    }
    specific = fields.flag("is_commit_specific", False)
    legacy = {"products": [], "tags": fields.texts("applicable_product_tags")}
    if fields.has("product_id"):
        legacy["products"] = [known.product(fields.text("product_id"), fields.at("product_id"))]
    targets = fields.each("override_specifiers", lambda each: _specifier(each, known)) or [legacy]
    if specific and not any(each.get("commits") for each in targets):
        raise invalid(fields.at("override_specifiers"), "a commit-specific override names commit_ids, recurring_commit_ids or any_commit_or_credit_ids")
    fields.any("product_id")
    made = [Override(id=name if number == 0 else f"{name}.{number + 1}", **said, **target) for number, target in enumerate(targets)]
    return made, {"parts": len(made), "is_commit_specific": specific}


def charge_in(fields: Fields, known: Known) -> tuple[list[Charge], Extras]:
    """A scheduled charge: a series is one of ours, single dates are one each: `ID`, `ID.2`, …"""
    name, extras = new_id(), {"name": fields.text_or_none("name"), **fields.kept("custom_fields", "netsuite_sales_order_id")}
    product = known.product(fields.text("product_id"), fields.at("product_id"))
    schedule = fields.object("schedule")
    known.coins.check(schedule)
    if schedule.flag("do_not_invoice", False):
        raise invalid(schedule.at("do_not_invoice"), "a charge that is not invoiced is none")
    made: list[Charge] = []
    if schedule.has("recurring_schedule"):
        series = schedule.object("recurring_schedule")
        frequency = series.word("frequency", (*MONTHS, "WEEKLY"))
        split = SPLIT[series.word("amount_distribution", SPLIT)]
        quantity, amount = _quantity_and_amount(series, known)
        start, end = series.instant("starting_at"), series.instant("ending_before")
        if frequency == "SEMI_ANNUAL":
            dates = _dates(start, end, MONTHS[frequency])
            amounts = _split(amount, len(dates), split, known)
            made = [Charge(id=_numbered(name, number), product=product, amount=part, at=at) for number, (at, part) in enumerate(zip(dates, amounts, strict=True))]
        else:
            made = [Charge(id=name, product=product, amount=amount, every=EVERY[frequency], from_=start, until=end, split=split, quantity=quantity)]
        series.done()
    for each in schedule.objects("schedule_items"):
        quantity, amount = _quantity_and_amount(each, known)
        made.append(Charge(id=_numbered(name, len(made)), product=product, amount=amount, at=each.instant("timestamp"), quantity=quantity))
        each.done()
    schedule.any("recurring_schedule")
    schedule.done()
    if not made:
        raise invalid(schedule.path, "needs schedule_items or a recurring_schedule")
    return made, {key: value for key, value in extras.items() if value} | {"parts": len(made)}


def subscription_in(fields: Fields, known: Known, start: str, prices: Callable[[str, str], Sequence[tuple[str, Decimal]]]) -> tuple[Subscription, Extras]:
    """`prices` gives the dated prices of a product and billing frequency on the rate card."""
    name = begin(fields, known)
    fields.refuse("seats by id are not served; give initial_quantity, and quantity_updates later", "seat_config")
    if fields.word("quantity_management_mode", ("SEAT_BASED", "QUANTITY_ONLY"), "QUANTITY_ONLY") == "SEAT_BASED":
        raise invalid(fields.at("quantity_management_mode"), "SEAT_BASED is not served; QUANTITY_ONLY is")
    rate = fields.object("subscription_rate")
    frequency, given_product = rate.word("billing_frequency", EVERY), rate.text("product_id")
    product = known.product(given_product, rate.at("product_id"))
    rate.done()
    proration = fields.object("proration")
    prorate = proration.flag("is_prorated", True)
    behaviour = proration.word("invoice_behavior", ("BILL_IMMEDIATELY", "BILL_ON_NEXT_COLLECTION_DATE"), "BILL_IMMEDIATELY")
    proration.refuse("is not served: amounts are rounded half up to the currency's minor unit", "rounding")
    proration.done()
    if fields.has("billing_cycle_config"):
        cycle = fields.object("billing_cycle_config")
        cycle.word("invoice_placement", ("ON_SCHEDULED_INVOICE",), "ON_SCHEDULED_INVOICE")
        cycle.refuse("is not served: a subscription's periods begin where it starts", "anchor_date")
        cycle.done()
    fields.any("billing_cycle_config")
    begins = fields.instant_or_none("starting_at") or start
    dated = [(at, price) for at, price in prices(given_product, frequency)]
    before = [price for at, price in dated if instant_ms(at) <= instant_ms(begins)]
    if not before:
        raise invalid(rate.path, f"the rate card has no SUBSCRIPTION rate of {given_product!r}, {frequency}, at {begins}; add one with addRate")
    changes = [Change(at=at, price=price) for at, price in dated if instant_ms(at) > instant_ms(begins)]
    made = Subscription(
        id=name,
        product=product,
        quantity=fields.number("initial_quantity", Decimal(1)),
        price=before[-1],
        every=EVERY[frequency],
        starting_at=begins,
        ending_before=fields.instant_or_none("ending_before"),
        collect="advance" if fields.word("collection_schedule", ("ADVANCE", "ARREARS")) == "ADVANCE" else "arrears",
        prorate=prorate,
        changes=changes,
    )
    kept = fields.kept("custom_fields", "description", "name")
    return made, kept | {"invoice_behavior": behaviour}


def billing_in(fields: Fields | None, start: str) -> Billing:
    """`usage_statement_schedule`: monthly from the first of the month, when nothing is said."""
    if fields is None:
        return Billing()
    period = PERIODS[fields.word("frequency", PERIODS)]
    day = fields.word("day", ("FIRST_OF_MONTH", "CONTRACT_START", "CUSTOM_DATE"), "FIRST_OF_MONTH")
    anchor = "first_of_month" if day == "FIRST_OF_MONTH" else "contract_start"
    if day == "CUSTOM_DATE":
        anchor = iso(fields.instant_ms("billing_anchor_date"))[:10]
    fields.any("billing_anchor_date")
    if fields.has("invoice_generation_starting_at") and fields.instant("invoice_generation_starting_at") != start:
        raise invalid(fields.at("invoice_generation_starting_at"), "is not served: invoices begin where the contract does")
    fields.any("invoice_generation_starting_at")
    fields.done()
    return Billing(period=period, anchor=anchor)


def filter_in(fields: Fields, start: str) -> UsageFilter:
    key, values = fields.text("group_key"), fields.texts("group_values")
    if not values:
        raise invalid(fields.at("group_values"), "must name a value at least")
    if fields.has("starting_at") and instant_ms(fields.instant("starting_at")) > instant_ms(start):
        raise invalid(fields.at("starting_at"), "a usage filter holds from the start of the contract here; leave starting_at out")
    fields.any("starting_at")
    return UsageFilter(where={key: [*values]})


def _override_tier(fields: Fields) -> OverrideTier:
    made = OverrideTier(size=fields.number_or_none("size"), multiplier=fields.number("multiplier"))
    fields.done()
    return made


def _specifier(fields: Fields, known: Known) -> dict[str, Any]:
    fields.refuse("is not served", "billing_frequency")
    found: dict[str, Any] = {"products": [], "tags": fields.texts("product_tags"), "where": _where(fields)}
    if fields.has("product_id"):
        found["products"] = [known.product(fields.text("product_id"), fields.at("product_id"))]
    fields.any("product_id")
    named = [*fields.texts("commit_ids"), *fields.texts("recurring_commit_ids"), *fields.texts("any_commit_or_credit_ids")]
    if named:
        found["commits"] = [known.temporary.get(each, each) for each in named]
    fields.done()
    return found


def _where(fields: Fields) -> Where:
    return {**fields.mapping("pricing_group_values"), **fields.mapping("presentation_group_values")}


def reach_in(fields: Fields, known: Known) -> dict[str, Any]:
    """What a grant may pay for. Several specifiers are one, when together they say no more than products and tags."""
    named = fields.texts("applicable_product_ids")
    products = [known.product(each, f"{fields.at('applicable_product_ids')}[{number}]") for number, each in enumerate(named)]
    tags, where = fields.texts("applicable_product_tags"), {}
    specifiers = fields.objects("specifiers")
    if specifiers and (products or tags):
        raise invalid(fields.at("specifiers"), "excludes applicable_product_ids and applicable_product_tags; give one")
    for each in specifiers:
        found = _specifier(each, known)
        if found.get("commits"):
            raise invalid(each.path, "names commits; what a commit pays for are products")
        if len(specifiers) > 1 and (found["where"] or (found["products"] and found["tags"])):
            raise invalid(each.path, "of several specifiers each may name a product or tags only; for group values give one specifier a commit")
        products, tags, where = products + found["products"], tags + found["tags"], found["where"]
    return {"products": products, "tags": tags, "where": where}


def _extras(fields: Fields, known: Known) -> Extras:
    named = fields.text("product_id")
    known.product(named, fields.at("product_id"))
    return {"product_id": named, **fields.kept(*PLAIN)}


def _priority(fields: Fields) -> int:
    return fields.whole("priority", 100)


def shared_in(fields: Fields) -> str | list[str] | None:
    if not fields.has("hierarchy_configuration"):
        fields.any("hierarchy_configuration")
        return None
    hierarchy = fields.object("hierarchy_configuration")
    access = hierarchy.object("child_access")
    kind = access.word("type", ("ALL", "NONE", "CONTRACT_IDS"))
    contracts = access.texts("contract_ids")
    access.done()
    hierarchy.done()
    return "all" if kind == "ALL" else contracts if kind == "CONTRACT_IDS" else None


def segment_key(start: str, end: str | None) -> str:
    """How an access segment is found among those whose ids are kept."""
    return f"{start}/{end or ''}"


def access_in(fields: Fields, known: Known) -> Access:
    """An item of an access schedule."""
    amount = fields.number("amount")
    if amount < 0:
        raise invalid(fields.at("amount"), "must not be negative")
    found = Access(amount=known.coins.into(amount), starting_at=fields.instant("starting_at"), ending_before=fields.instant("ending_before"))
    fields.done()
    return found


def _access(fields: Fields, known: Known) -> tuple[list[Access], dict[str, str]]:
    if not fields.has("access_schedule"):
        fields.any("access_schedule")
        return [], {}
    schedule = fields.object("access_schedule")
    known.coins.check(schedule)
    schedule.word("access_type", ("SPEND",), "SPEND")
    found = [access_in(each, known) for each in schedule.objects("schedule_items")]
    schedule.done()
    return found, {segment_key(each.starting_at, each.ending_before): new_id() for each in found}


def instalment_in(fields: Fields, known: Known) -> Instalment:
    """An item of an invoice schedule."""
    _, amount = _quantity_and_amount(fields, known)
    found = Instalment(amount=amount, at=fields.instant("timestamp"))
    fields.done()
    return found


def _instalments(fields: Fields, known: Known) -> tuple[list[Instalment], dict[str, str]]:
    known.coins.check(fields)
    found: list[Instalment] = []
    if fields.has("recurring_schedule"):
        series = fields.object("recurring_schedule")
        frequency = series.word("frequency", (*MONTHS, "WEEKLY"))
        _, amount = _quantity_and_amount(series, known)
        dates = _dates(series.instant("starting_at"), series.instant("ending_before"), MONTHS.get(frequency, 0))
        amounts = _split(amount, len(dates), SPLIT[series.word("amount_distribution", SPLIT)], known)
        found = [Instalment(amount=part, at=at) for at, part in zip(dates, amounts, strict=True)]
        series.done()
    fields.any("recurring_schedule")
    found += [instalment_in(each, known) for each in fields.objects("schedule_items")]
    return found, {each.at: new_id() for each in found}


def _quantity_and_amount(fields: Fields, known: Known) -> tuple[Decimal, Decimal]:
    """`amount`, or `unit_price` times `quantity`. Raises InvalidError when they do not agree."""
    amount, price = fields.number_or_none("amount"), fields.number_or_none("unit_price")
    quantity = fields.number("quantity", Decimal(1))
    with exact():
        product = None if price is None else price * quantity
    if amount is None and product is None:
        raise InvalidError(Wrong(fields.at("amount"), "is missing (or unit_price, with quantity)"))
    if amount is not None and product is not None and amount != product:
        raise invalid(fields.at("amount"), f"{amount} is not quantity × unit_price = {product}; give one of them")
    found = amount if amount is not None else product
    if found is None:
        raise AssertionError("one of them is there")
    return quantity, known.coins.into(found)


def _times(fields: Fields, known: Known) -> Decimal:
    price, quantity = fields.number("unit_price"), fields.number("quantity", Decimal(1))
    with exact():
        return known.coins.into(price * quantity)


def _dates(start: str, end: str, months: int) -> list[str]:
    """Every so many months (0: every week) from start, before end."""
    begun, until = from_ms(instant_ms(start)), instant_ms(end)
    found: list[str] = []
    while len(found) <= MOST_ITEMS:
        number = len(found)
        day: date = begun.date() + timedelta(weeks=number) if months == 0 else add_months(begun.date(), months * number)
        at_ms = to_ms(begun.replace(year=day.year, month=day.month, day=day.day))
        if at_ms >= until:
            return found
        found.append(iso(at_ms))
    raise invalid("recurring_schedule", f"has more than {MOST_ITEMS} dates")


def _split(amount: Decimal, count: int, how: str, known: Known) -> list[Decimal]:
    """Parts of a series; divided ones are whole minor units and the last takes the remainder."""
    if how == "each" or count < 2:
        return [amount] * count
    minor = Decimal(1).scaleb(-exponent(known.coins.currency))
    part = (amount / count).quantize(minor, rounding="ROUND_DOWN")
    with exact():
        return [part] * (count - 1) + [amount - part * (count - 1)]


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}.{number + 1}"


