"""Commits and credits, single ones and recurring ones."""

from typing import Any

from contracts.contract import Commit, Credit, Instalment, RecurringCommit, RecurringGrant
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.known import EVERY, PLAIN, PRORATION, RATE, Extras, Known, begin
from contracts.translation.metronome.reach import reach_in, shared_in
from contracts.translation.metronome.schedules import accesses_in, instalments_in, product_of


def commit_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[Commit, Extras]:
    kind = fields.word("type", ("PREPAID", "POSTPAID"))
    name = begin(fields, known, name)
    extras = _extras(fields, known)
    fields.refuse("is not served: a commit is paid by its invoices", "payment_gate_config", "spend_tracker_attributes")
    access, segments = accesses_in(fields, known)
    invoice: list[Instalment] = []
    instalments: dict[str, str] = {}
    if fields.has("invoice_schedule"):
        schedule = fields.object("invoice_schedule")
        invoice, instalments = instalments_in(schedule, known)
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
        **_grant_in(fields, known),
    )
    return commit, extras


def credit_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[Credit, Extras]:
    name = begin(fields, known, name)
    extras = _extras(fields, known)
    access, extras["segments"] = accesses_in(fields, known)
    if not access:
        raise invalid(fields.at("access_schedule"), "is missing")
    credit = Credit(
        id=name,
        access=access,
        **_grant_in(fields, known),
    )
    return credit, extras


def recurring_in(fields: Fields, known: Known, *, commit: bool, name: str | None = None) -> tuple[RecurringGrant | RecurringCommit, Extras]:
    name, extras = begin(fields, known, name), _extras(fields, known)
    fields.refuse("is not served", "subscription_config", "proration_rounding")
    amount = fields.object("access_amount")
    known.coins.check(amount)
    amount.word("access_type", ("SPEND",), "SPEND")
    granted = product_of(amount, known)
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
        **_grant_in(fields, known),
    }
    if not commit:
        return RecurringGrant(**said), extras
    if fields.has("invoice_amount"):
        paid = fields.object("invoice_amount")
        known.coins.check(paid)
        said["invoice_amount"] = product_of(paid, known)
        paid.done()
    return RecurringCommit(**said), extras


def _grant_in(fields: Fields, known: Known) -> dict[str, Any]:
    """What every kind of grant says in the same words."""
    return {
        "name": fields.text_or_none("name"),
        "priority": priority_in(fields),
        "rate": RATE[fields.word("rate_type", RATE, "LIST_RATE")],
        "rollover": fields.number_or_none("rollover_fraction"),
        "shared": shared_in(fields),
        **reach_in(fields, known),
    }


def _extras(fields: Fields, known: Known) -> Extras:
    named = fields.text("product_id")
    known.product(named, fields.at("product_id"))
    return {"product_id": named, **fields.kept(*PLAIN)}


def priority_in(fields: Fields) -> int:
    return fields.whole("priority", 100)
