"""What updates of `/v2/contracts/edit` and its like make of a term: pure, from the term and the fields of the request to its next version."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from console.errors import invalid, missing
from console.metronome.shelf import new_id
from console.metronome.terms_out import segments_out
from contracts.catalogue import Document
from contracts.contract import Access, Commit, Contract, Instalment, RecurringCommit, RecurringGrant, Subscription
from contracts.contract import Change as QuantityChange
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.translation.fields import Fields
from contracts.translation.metronome.known import RATE, Extras, Known
from contracts.translation.metronome.reach import reach_in, shared_in
from contracts.translation.metronome.schedules import access_in, instalment_in, segment_key

Term = TypeVar("Term", bound=Document)


def commit_changed(commit: Commit, extras: Extras, fields: Fields, known: Known) -> Commit:
    changed: Commit = grant_changed(commit, extras, fields, known)
    if not fields.has("invoice_schedule"):
        fields.any("invoice_schedule")
        return changed
    schedule = fields.object("invoice_schedule")
    ids: dict[str, str] = extras.setdefault("instalments", {})
    rows = [(ids.get(each.at) or f"{commit.id}.invoice.{number + 1}", each) for number, each in enumerate(commit.invoice)]
    rows = scheduled(schedule, rows, lambda each: instalment_in(each, known), lambda each, old: instalment_changed(each, old, known))
    extras["instalments"] = {each.at: name for name, each in rows}
    schedule.done()
    return msgspec.structs.replace(changed, invoice=[each for _, each in rows])


def grant_changed(grant: Any, extras: Extras, fields: Fields, known: Known) -> Any:
    """What an update may say of a commit or credit."""
    said: dict[str, Any] = {}
    if fields.has("access_schedule"):
        schedule = fields.object("access_schedule")
        rows = scheduled(schedule, segments_out(grant.id, grant.access, extras), lambda each: access_in(each, known), lambda each, old: _segment(each, old, known))
        extras["segments"] = {segment_key(each.starting_at, each.ending_before): name for name, each in rows}
        said["access"] = [each for _, each in rows]
        schedule.done()
    fields.any("access_schedule")
    reach = ("applicable_product_ids", "applicable_product_tags", "specifiers")
    if any(fields.has(word) for word in reach):
        said |= reach_in(fields, known)
    given = {
        "shared": shared_in(fields),
        "priority": fields.whole("priority") if fields.has("priority") else None,
        "rate": RATE[fields.word("rate_type", RATE)] if fields.has("rate_type") else None,
        "rollover": fields.number_or_none("rollover_fraction"),
        "name": fields.text_or_none("name"),
    }
    if fields.has("hierarchy_configuration"):
        said["shared"] = given["shared"]
    named = fields.text_or_none("product_id")
    if named is not None:
        known.product(named, fields.at("product_id"))
        extras["product_id"] = named
    extras.update(fields.kept("description", "netsuite_sales_order_id"))
    for word in (*reach, "priority", "rate_type"):
        fields.any(word)
    return msgspec.structs.replace(grant, **{word: value for word, value in given.items() if value is not None} | said)


def scheduled(fields: Fields, rows: Sequence[tuple[str, Term]], add: Callable[[Fields], Term], update: Callable[[Fields, Term], Term]) -> list[tuple[str, Term]]:
    """A schedule with items added, updated, removed; each keeps its id."""
    there = dict(rows)
    for each in fields.objects("update_schedule_items"):
        name = each.text("id")
        if name not in there:
            raise missing("schedule item", name, each.at("id"))
        there[name] = update(each, there[name])
        each.done()
    for each in fields.objects("remove_schedule_items"):
        name = each.text("id")
        if there.pop(name, None) is None:
            raise missing("schedule item", name, each.at("id"))
        each.done()
    for each in fields.objects("add_schedule_items"):
        there[new_id()] = add(each)
    return list(there.items())


def _segment(fields: Fields, old: Access, known: Known) -> Access:
    said: dict[str, Any] = {}
    if fields.has("amount"):
        said["amount"] = known.coins.into(fields.number("amount"))
    for word in ("starting_at", "ending_before"):
        if fields.has(word):
            said[word] = fields.instant(word)
    return msgspec.structs.replace(old, **said)


def instalment_changed(fields: Fields, old: Instalment, known: Known) -> Instalment:
    said: dict[str, Any] = {}
    if any(fields.has(word) for word in ("amount", "unit_price", "quantity")):
        amount, price, quantity = fields.number_or_none("amount"), fields.number_or_none("unit_price"), fields.number("quantity", Decimal(1))
        with exact():
            whole = amount if amount is not None else price * quantity if price is not None else None
        if whole is None:
            raise invalid(fields.at("unit_price"), "is missing beside quantity")
        said["amount"] = known.coins.into(whole)
    if fields.has("timestamp"):
        said["at"] = fields.instant("timestamp")
    return msgspec.structs.replace(old, **said)


def recurring_changed(grant: RecurringGrant, _: Extras, fields: Fields, known: Known) -> RecurringGrant:
    said: dict[str, Any] = {}
    fields.refuse("is not served", "proration_rounding")
    for word, ours in (("access_amount", "amount"), ("invoice_amount", "invoice_amount")):
        if fields.has(word):
            if word == "invoice_amount" and not isinstance(grant, RecurringCommit):
                raise invalid(fields.at(word), "a recurring credit is not invoiced")
            inner = fields.object(word)
            price, quantity = inner.number("unit_price"), inner.number("quantity", Decimal(1))
            inner.done()
            with exact():
                said[ours] = known.coins.into(price * quantity)
    if fields.has("ending_before"):
        said["ending_before"] = fields.instant("ending_before")
    if fields.has("rate_type"):
        said["rate"] = RATE[fields.word("rate_type", RATE)]
    for word in ("access_amount", "invoice_amount", "ending_before", "rate_type"):
        fields.any(word)
    return msgspec.structs.replace(grant, **said)


def subscription_changed(subscription: Subscription, extras: Extras, fields: Fields, contract: Contract) -> Subscription:
    fields.refuse("is not served", "seat_updates", "quantity_management_mode_update", "proration_rounding")
    zone, changes = contract.billing.timezone, list(subscription.changes)
    for each in fields.objects("quantity_updates"):
        at, quantity, delta = each.instant("starting_at"), each.number_or_none("quantity"), each.number_or_none("quantity_delta")
        each.done()
        if (quantity is None) == (delta is None):
            raise invalid(each.path, "needs one of quantity and quantity_delta")
        if quantity is None and delta is not None:
            quantity = _quantity_at(subscription.quantity, changes, instant_ms(at), zone) + delta
        same = next((old for old in changes if instant_ms(old.at, zone) == instant_ms(at)), None)
        changes = [old for old in changes if old is not same]
        changes.append(QuantityChange(at=at, quantity=quantity, price=same.price if same else None))
        changes.sort(key=lambda change: instant_ms(change.at, zone))
    said: dict[str, Any] = {"changes": changes}
    if fields.has("ending_before"):
        said["ending_before"] = fields.instant("ending_before")
    fields.any("ending_before")
    extras.update(fields.kept("name"))
    return msgspec.structs.replace(subscription, **said)


def _quantity_at(first: Decimal, changes: Sequence[QuantityChange], moment: int, zone: str) -> Decimal:
    quantity = first
    for each in changes:
        if each.quantity is not None and instant_ms(each.at, zone) <= moment:
            quantity = each.quantity
    return quantity


def clipped(access: Sequence[Access], end: str | None, extras: Extras) -> list[Access]:
    """Segments up to an instant; those behind it are gone."""
    if end is None:
        return list(access)
    ids, found = extras.setdefault("segments", {}), []
    for each in access:
        if instant_ms(each.starting_at) >= instant_ms(end):
            continue
        if each.ending_before is not None and instant_ms(each.ending_before) <= instant_ms(end):
            found.append(each)
            continue
        name = ids.pop(segment_key(each.starting_at, each.ending_before), None)
        if name is not None:
            ids[segment_key(each.starting_at, end)] = name
        found.append(msgspec.structs.replace(each, ending_before=end))
    return found
