"""When a contract is invoiced, and which usage is its own."""

from contracts.contract import Billing, UsageFilter
from contracts.instants import instant_ms
from contracts.timeline import iso
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.known import PERIODS


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
