"""Scheduled charges, and subscriptions with the prices of a rate card."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from contracts.contract import Change, Charge, Subscription
from contracts.instants import instant_ms
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.known import EVERY, MONTHS, SPLIT, Extras, Known, begin
from contracts.translation.metronome.schedules import dates, split_over, unit_and_amount


def charge_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[list[Charge], Extras]:
    """A scheduled charge: a series is one of ours, single dates are one each: `ID`, `ID.2`, …"""
    name, extras = name or known.fresh(), {"name": fields.text_or_none("name"), **fields.kept("custom_fields", "netsuite_sales_order_id")}
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
        quantity, unit, amount = unit_and_amount(series, known)
        start, end = series.instant("starting_at"), series.instant("ending_before")
        if frequency == "SEMI_ANNUAL":
            days = dates(start, end, MONTHS[frequency])
            amounts = split_over(amount, len(days), split, known)
            made = [
                Charge(id=_numbered(name, number), product=product, amount=part, at=at) for number, (at, part) in enumerate(zip(days, amounts, strict=True))
            ]
        else:
            made = [Charge(id=name, product=product, amount=unit, every=EVERY[frequency], from_=start, until=end, split=split, quantity=quantity)]
        series.done()
    for each in schedule.objects("schedule_items"):
        quantity, unit, _ = unit_and_amount(each, known)
        made.append(Charge(id=_numbered(name, len(made)), product=product, amount=unit, at=each.instant("timestamp"), quantity=quantity))
        each.done()
    schedule.any("recurring_schedule")
    schedule.done()
    if not made:
        raise invalid(schedule.path, "needs schedule_items or a recurring_schedule")
    return made, {key: value for key, value in extras.items() if value} | {"parts": len(made)}


def subscription_in(
    fields: Fields, known: Known, start: str, prices: Callable[[str, str], Sequence[tuple[str, Decimal]]], *, name: str | None = None
) -> tuple[Subscription, Extras]:
    """`prices` gives the dated prices of a product and billing frequency on the rate card."""
    name = begin(fields, known, name)
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


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}.{number + 1}"
