"""Edits of contracts: `/v2/contracts/edit`, commits and credits of a customer, manual ledger entries. Each is one atomic edit of one document."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from fastapi import APIRouter

from console.access.guard import Writing
from console.books import Change
from console.errors import invalid, missing
from console.metronome.contract_in import known_of, prices_of
from console.metronome.serving import change
from console.metronome.shelf import Shelf, new_id, now_ms, ref
from console.metronome.terms_out import grouped, segments_out
from console.metronome.updates import clipped, commit_changed, grant_changed, instalment_changed, recurring_changed, scheduled, subscription_changed
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.catalogue import Document
from contracts.contract import Charge, Commit, Contract, Credit, Instalment
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.timeline import iso
from contracts.translation.fields import Fields
from contracts.translation.metronome.charges import charge_in, subscription_in
from contracts.translation.metronome.grants import commit_in, credit_in, recurring_in
from contracts.translation.metronome.known import Extras, Known
from contracts.translation.metronome.overrides import override_in
from contracts.translation.metronome.schedules import instalment_in
from pipelines.objects import Object

router = APIRouter(tags=["Metronome: contracts"], default_response_class=Answer, route_class=Exact)

NOT_SERVED: Final = (
    "add_billing_provider_configuration_update", "add_discounts", "add_prepaid_balance_threshold_configuration", "add_professional_services",
    "add_reseller_royalties", "add_revenue_system_configuration_update", "add_spend_threshold_configuration", "add_spend_trackers", "archive_spend_trackers",
    "update_prepaid_balance_threshold_configuration", "update_spend_threshold_configuration",
)  # fmt: skip

Term = TypeVar("Term", bound=Document)


class Draft:
    """A contract on its way to its next version, and what is kept beside it."""

    def __init__(self, at: Shelf, contract: Contract) -> None:
        self.at = at
        self.contract = contract
        self.extras = at.extras(contract.id)
        self.terms: dict[str, Extras] = self.extras["terms"]
        self.known: Known = known_of(at, at.catalogue(contract.catalogue))

    def set(self, **fields: Any) -> None:
        self.contract = msgspec.structs.replace(self.contract, **fields)

    def keep(self, name: str, extras: Extras) -> None:
        """What is kept of a term that is new."""
        self.terms[name] = extras | {"created_at": iso(now_ms())}

    def remove(self, key: str, name: str, field: str) -> None:
        """Take a term, all its parts, out of a list. Raises NotFoundError."""
        items: list[Any] = getattr(self.contract, key)
        parts = next((names for names in grouped([each.id for each in items], self.terms) if names[0] == name), None)
        if parts is None:
            raise missing(key.removesuffix("s"), name, field)
        self.set(**{key: [each for each in items if each.id not in parts]})
        self.terms.pop(name, None)

    def replace(self, key: str, name: str, field: str, make: Callable[[Any, Extras], Any]) -> None:
        """Change a term of a list. Raises NotFoundError."""
        items: list[Any] = getattr(self.contract, key)
        if all(each.id != name for each in items):
            raise missing(key.removesuffix("s"), name, field)
        extras = self.terms.setdefault(name, {})
        self.set(**{key: [make(each, extras) if each.id == name else each for each in items]})

    def done(self, answer: Any, *objects: Object) -> Change:
        return Change(answer, contracts=[self.contract], objects=[Object("contract", self.contract.id, self.extras), *objects])


@router.post("/v2/contracts/edit", summary="Edit a contract")
def edit(held: Held, caller: Writing, body: Json) -> Any:
    """All of it takes effect together, or nothing does."""
    name = new_id()

    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        customer, contract = fields.text("customer_id"), fields.text("contract_id")
        draft = Draft(at, at.contract(customer, contract))
        fields.refuse("is not served", *NOT_SERVED)
        key = fields.text_or_none("uniqueness_key")
        fields.flag("allow_contract_ending_before_finalized_invoice", False)
        _add(draft, fields)
        _update(draft, fields)
        _remove(draft, fields)
        fields.done()
        return draft.done({"data": {"id": name}}, *at.once("contract edits", key, name))

    return change(held, caller, body, make)


@router.post("/v2/contracts/commits/edit", summary="Edit a commit")
def edit_commit(held: Held, caller: Writing, body: Json) -> Any:
    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        name = fields.text("commit_id")
        draft = Draft(at, owner(at, fields.text("customer_id"), "commits", name, "commit_id"))
        _same_contract(draft, fields)
        draft.replace("commits", name, "commit_id", partial(commit_changed, fields=fields, known=draft.known))
        fields.done()
        return draft.done({"data": {"id": name}})

    return change(held, caller, body, make)


@router.post("/v2/contracts/credits/edit", summary="Edit a credit")
def edit_credit(held: Held, caller: Writing, body: Json) -> Any:
    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        name = fields.text("credit_id")
        draft = Draft(at, owner(at, fields.text("customer_id"), "credits", name, "credit_id"))
        _same_contract(draft, fields)
        draft.replace("credits", name, "credit_id", partial(grant_changed, fields=fields, known=draft.known))
        fields.done()
        return draft.done({"data": {"id": name}})

    return change(held, caller, body, make)


@router.post("/v1/contracts/customerCommits/create", summary="Create a commit of a customer")
def create_commit(held: Held, caller: Writing, body: Json) -> Any:
    """It stands in one of the customer's contracts: the only one, or the one that applicable_contract_ids or invoice_contract_id names."""
    return _create_grant(held, caller, body, "commits", commit_in)


@router.post("/v1/contracts/customerCredits/create", summary="Create a credit of a customer")
def create_credit(held: Held, caller: Writing, body: Json) -> Any:
    """It stands in one of the customer's contracts: the only one, or the one that applicable_contract_ids names."""
    return _create_grant(held, caller, body, "credits", credit_in)


@router.post("/v1/contracts/customerCommits/updateEndDate", summary="Shorten a commit")
def end_commit(held: Held, caller: Writing, body: Json) -> Any:
    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        name = fields.text("commit_id")
        draft = Draft(at, owner(at, fields.text("customer_id"), "commits", name, "commit_id"))
        access, invoices = fields.instant_or_none("access_ending_before"), fields.instant_or_none("invoices_ending_before")
        fields.done()

        def ended(commit: Commit, extras: Extras) -> Commit:
            items = [each for each in commit.invoice if invoices is None or instant_ms(each.at) < instant_ms(invoices)]
            return msgspec.structs.replace(commit, access=clipped(commit.access, access, extras), invoice=items)

        draft.replace("commits", name, "commit_id", ended)
        return draft.done({"data": {"id": name}})

    return change(held, caller, body, make)


@router.post("/v1/contracts/customerCredits/updateEndDate", summary="Shorten a credit")
def end_credit(held: Held, caller: Writing, body: Json) -> Any:
    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        name = fields.text("credit_id")
        draft = Draft(at, owner(at, fields.text("customer_id"), "credits", name, "credit_id"))
        access = fields.instant("access_ending_before")
        fields.done()
        draft.replace(
            "credits", name, "credit_id", lambda credit, extras: msgspec.structs.replace(credit, access=clipped(credit.access, access, extras))
        )
        return draft.done({"data": {"id": name}})

    return change(held, caller, body, make)


@router.post("/v1/contracts/addManualBalanceLedgerEntry", summary="Add to or take from a balance by hand")
def manual(held: Held, caller: Writing, body: Json) -> Any:
    """Changes the amount of the access segment, from the segment's start; the ledger shows it as a manual entry with its reason."""

    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        name, customer, amount = fields.text("id"), fields.text("customer_id"), fields.number("amount")
        segment, reason = fields.text("segment_id"), fields.text("reason")
        stamp = fields.instant_or_none("timestamp") or iso(now_ms())
        key = fields.text_or_none("uniqueness_key")
        fields.refuse("is not served", "per_group_amounts")
        lists = ("commits", "credits")
        where = next((each for each in lists if any(grant.id == name for of in at.contracts_of(customer) for grant in getattr(of, each))), None)
        if where is None:
            raise missing("commit or credit", name, "id")
        draft = Draft(at, owner(at, customer, where, name, "id", fields.text_or_none("contract_id")))
        fields.done()

        def adjusted(grant: Commit | Credit, extras: Extras) -> Commit | Credit:
            rows = segments_out(name, grant.access, extras)
            if all(row[0] != segment for row in rows):
                raise missing("segment", segment, "segment_id")
            with exact():
                access = [
                    msgspec.structs.replace(each, amount=each.amount + draft.known.coins.into(amount)) if row == segment else each for row, each in rows
                ]
            if any(each.amount < 0 for each in access):
                raise invalid("amount", "takes more than the segment grants")
            row = {"segment_id": segment, "amount": str(amount), "reason": reason, "timestamp": stamp}
            extras["manual"] = [*extras.get("manual", []), row]
            return msgspec.structs.replace(grant, access=access)

        draft.replace(where, name, "id", adjusted)
        return draft.done(None, *at.once("ledger entries", key, name))

    change(held, caller, body, make)
    return {}


def owner(at: Shelf, customer: str, key: str, name: str, field: str, contract: str | None = None) -> Contract:
    """The one contract of the customer that has the grant. Raises ApiError."""
    at.customer(customer)
    found = [each for each in at.contracts_of(customer) if any(grant.id == name for grant in getattr(each, key)) and contract in (None, each.id)]
    if not found:
        raise missing(key.removesuffix("s"), name, field)
    if len(found) > 1:
        raise invalid(field, f"{name!r} is in several contracts: {', '.join(each.id for each in found)}; edit it with /v2/contracts/edit")
    return found[0]


def _create_grant(held: Held, caller: Writing, body: Json, key: str, read: Callable[..., tuple[Any, Extras]]) -> Any:
    name = new_id()

    def make(at: Shelf) -> Change:
        fields = Fields(body.fields.data)
        customer = fields.text("customer_id")
        at.customer(customer)
        named = fields.texts("applicable_contract_ids")
        invoiced = fields.text_or_none("invoice_contract_id") if key == "commits" else None
        contract = _only(at, customer, named, invoiced)
        draft = Draft(at, contract)
        unique = fields.text_or_none("uniqueness_key")
        grant, extras = read(fields, draft.known, name=name)
        fields.done()
        extras["applicable_contract_ids"] = named
        draft.keep(name, extras | ({"uniqueness_key": unique} if unique else {}))
        draft.set(**{key: [*getattr(contract, key), grant]})
        return draft.done({"data": {"id": name}}, *at.once(f"customer {key}", unique, name))

    return change(held, caller, body, make)


def _only(at: Shelf, customer: str, named: list[str], invoiced: str | None) -> Contract:
    wanted = list(dict.fromkeys([*named, *([invoiced] if invoiced else [])]))
    there = [each for each in at.contracts_of(customer) if not at.extras(each.id).get("archived_ms")]
    if len(wanted) == 1:
        return at.contract(customer, wanted[0])
    if not wanted and len(there) == 1:
        return there[0]
    if not there:
        raise invalid("customer_id", "has no contract yet; commits and credits stand in a contract here")
    raise invalid(
        "applicable_contract_ids",
        f"must name one contract (of {', '.join(each.id for each in there)}): one that pays for several is a parent's, with hierarchy_configuration",
    )


def _same_contract(draft: Draft, fields: Fields) -> None:
    """A grant stays in its contract. Raises InvalidError."""
    for name, given in (("applicable_contract_ids", fields.texts("applicable_contract_ids")), ("invoice_contract_id", [fields.text_or_none("invoice_contract_id")])):
        if any(each not in (None, draft.contract.id) for each in given):
            raise invalid(name, f"cannot change: it stands in contract {draft.contract.id}")


def _add(draft: Draft, fields: Fields) -> None:
    known = draft.known
    for key, read in (
        ("commits", commit_in),
        ("credits", credit_in),
        ("recurring_commits", lambda each, of: recurring_in(each, of, commit=True)),
        ("recurring_credits", lambda each, of: recurring_in(each, of, commit=False)),
    ):
        for each in fields.objects(f"add_{key}"):
            term, extras = read(each, known)
            each.done()
            draft.keep(term.id, extras)
            draft.set(**{key: [*getattr(draft.contract, key), term]})
    for key, parts_of, target in (("add_overrides", override_in, "overrides"), ("add_scheduled_charges", charge_in, "charges")):
        for each in fields.objects(key):
            parts, extras = parts_of(each, known)
            each.done()
            draft.keep(parts[0].id, extras)
            draft.set(**{target: [*getattr(draft.contract, target), *parts]})
    prices = prices_of(draft.at, known.catalogue, None if draft.contract.rate_card is None else ref(known.catalogue, draft.contract.rate_card))
    for each in fields.objects("add_subscriptions"):
        subscription, extras = subscription_in(each, known, draft.contract.starting_at, prices)
        each.done()
        draft.keep(subscription.id, extras)
        draft.set(subscriptions=[*draft.contract.subscriptions, subscription])


def _update(draft: Draft, fields: Fields) -> None:
    known = draft.known
    changes: tuple[tuple[str, str, str, Any], ...] = (
        ("update_commits", "commits", "commit_id", partial(commit_changed, known=known)),
        ("update_credits", "credits", "credit_id", partial(grant_changed, known=known)),
        ("update_recurring_commits", "recurring_commits", "recurring_commit_id", partial(recurring_changed, known=known)),
        ("update_recurring_credits", "recurring_credits", "recurring_credit_id", partial(recurring_changed, known=known)),
        ("update_subscriptions", "subscriptions", "subscription_id", partial(subscription_changed, contract=draft.contract)),
    )
    for word, key, name, make in changes:
        for each in fields.objects(word):
            draft.replace(key, each.text(name), each.at(name), partial(make, fields=each))
            each.done()
    for each in fields.objects("update_scheduled_charges"):
        _charge(draft, each)
        each.done()
    end, title = fields.instant_or_none("update_contract_end_date"), fields.text_or_none("update_contract_name")
    draft.set(ending_before=end or draft.contract.ending_before, name=title or draft.contract.name)
    terms = fields.number_or_none("update_net_payment_terms_days")
    if terms is not None:
        draft.extras["net_payment_terms_days"] = str(terms)


def _remove(draft: Draft, fields: Fields) -> None:
    for word, key in (("remove_overrides", "overrides"), ("archive_commits", "commits"), ("archive_credits", "credits"), ("archive_scheduled_charges", "charges")):
        for each in fields.objects(word):
            draft.remove(key, each.text("id"), each.at("id"))
            each.done()


def _charge(draft: Draft, fields: Fields) -> None:
    name = fields.text("scheduled_charge_id")
    parts = next((names for names in grouped([each.id for each in draft.contract.charges], draft.terms) if names[0] == name), None)
    if parts is None:
        raise missing("scheduled charge", name, fields.at("scheduled_charge_id"))
    extras = draft.terms.setdefault(name, {})
    extras.update(fields.kept("netsuite_sales_order_id"))
    if not fields.has("invoice_schedule"):
        return
    there = {each.id: each for each in draft.contract.charges}
    if any(there[part].every for part in parts):
        raise invalid(fields.at("invoice_schedule"), "this charge is a series; archive it and add another")
    schedule = fields.object("invoice_schedule")
    with exact():
        rows = [(f"{part}.item", Instalment(amount=there[part].amount * there[part].quantity, at=there[part].at or "")) for part in parts]
    rows = scheduled(schedule, rows, lambda each: instalment_in(each, draft.known), lambda each, old: instalment_changed(each, old, draft.known))
    schedule.done()
    if not rows:
        raise invalid(fields.at("invoice_schedule"), "would leave nothing; archive the charge")
    product = there[name].product
    made = [Charge(id=name if number == 0 else f"{name}.{number + 1}", product=product, amount=each.amount, at=each.at) for number, (_, each) in enumerate(rows)]
    extras["parts"] = len(made)
    draft.set(charges=[each for each in draft.contract.charges if each.id not in parts] + made)
