"""Contracts from an export, each on the rate card it names."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Change, Contract, Subscription
from contracts.instants import instant_ms
from contracts.translation.fields import Fields, RefusedError, Wrong, invalid
from contracts.translation.metronome import answers
from contracts.translation.metronome.coins import USD, Coins
from contracts.translation.metronome.known import Known
from contracts.translation.metronome.pricing import Card, Pricing
from contracts.translation.metronome.terms import terms_in
from contracts.translation.saved import UNREADABLE, Finding, Saved

NOT_HERE: Final = (
    "discounts", "prepaid_balance_threshold_configuration", "professional_services", "reseller_royalties", "spend_threshold_configuration", "spend_trackers",
    "scheduled_charges_on_usage_invoices",
)  # fmt: skip
GRANTS: Final = ("commits", "credits")


class Agreed(NamedTuple):
    """A contract of the export in the shape of `/v2`, with the grants that stand outside of it."""

    saved: Saved
    row: dict[str, Any]


def contracts_in(of: Mapping[str, list[Saved]], pricing: Pricing, findings: list[Finding]) -> list[tuple[Contract, Saved]]:
    """The contracts that can be said, and where each was written."""
    begun: list[tuple[int, Agreed]] = []
    for each in (*of["contract"], *of["contract v1"]):
        try:
            agreed_on = _current(each, findings) if "current" in each.data else Agreed(each, dict(each.data))
            begun.append((Fields(agreed_on.row).instant_ms("starting_at"), agreed_on))
        except UNREADABLE as error:
            findings += each.refusals("contract", error)
    agreed = [each for _, each in sorted(begun, key=lambda pair: (pair[0], pair[1].saved.id))]
    for each in of["grant"]:
        try:
            _attach(each, agreed, findings)
        except UNREADABLE as error:
            findings += each.refusals("grant", error)
    aliases = dict(_aliases(of["customer"], findings))
    found: list[tuple[Contract, Saved]] = []
    for one in agreed:
        if one.row.get("archived_at"):
            findings.append(one.saved.finding("noted", "contract", "archived_at", "is archived, so it is not imported"))
            continue
        try:
            contract = _contract(one, agreed, pricing, aliases.pop(str(one.row["customer_id"]), []), findings)
        except UNREADABLE as error:
            findings += one.saved.refusals("contract", error)
        else:
            found.append((contract, one.saved))
    return found


def _current(saved: Saved, findings: list[Finding]) -> Agreed:
    """A contract of `/v1`: its current state, which has the amendments in it."""
    row = saved.data["current"] | {key: value for key, value in saved.data.items() if key not in ("current", "initial", "amendments")}
    for amendment in saved.data.get("amendments") or []:
        for key in ("commits", "credits", "overrides", "scheduled_charges"):
            there = {each["id"] for each in row.get(key) or []}
            lost = [each["id"] for each in amendment.get(key) or [] if each["id"] not in there]
            if lost:
                message = f"has {', '.join(lost)}, which the current state lacks; save the answer of /v2/contracts/get"
                findings.append(saved.finding("refused", "contract", f"amendments.{key}", message))
    usage_filter = row.get("usage_filter")
    if isinstance(usage_filter, dict) and "current" in usage_filter:
        row["usage_filter"] = [each for each in (usage_filter["current"], *(usage_filter.get("updates") or [])) if each]
    return Agreed(saved, row)


def _aliases(customers: Iterable[Saved], findings: list[Finding]) -> Iterable[tuple[str, list[str]]]:
    for each in customers:
        try:
            yield each.id, [name for name in Fields(each.data).texts("ingest_aliases") if name != each.id]
        except UNREADABLE as error:
            findings += each.refusals("customer", error)


def _attach(grant: Saved, agreed: Sequence[Agreed], findings: list[Finding]) -> None:
    """A commit or credit that was listed by customer goes to its contract, unless it stands there already."""
    data = grant.data
    key = "credits" if data["type"] == "CREDIT" else "commits"
    named = [(data.get("contract") or data.get("invoice_contract") or {}).get("id"), *(data.get("applicable_contract_ids") or [])]
    homes = [one for one in agreed if one.saved.id in named]
    if any(old["id"] == grant.id for one in homes for old in one.row.get(key) or []):
        return
    if len(homes) != 1:
        message = "belongs to no single contract of the export; a grant stands in one contract here. Name it with applicable_contract_ids: [ID]"
        findings.append(grant.finding("refused", key.removesuffix("s"), "applicable_contract_ids", message))
        return
    homes[0].row[key] = [*(homes[0].row.get(key) or []), data]


def _contract(of: Agreed, agreed: Sequence[Agreed], pricing: Pricing, aliases: list[str], findings: list[Finding]) -> Contract:
    row, saved = of.row, of.saved
    card = _card(row, pricing)
    catalogue = pricing.catalogues[card.catalogue]
    renews = _renews(row, agreed)
    row = row | {key: [each for each in row.get(key) or [] if _kept(each, key, of, renews, findings)] for key in GRANTS}
    row["usage_filter"] = _filter(row)
    parent, payer = _parent(row)
    if isinstance(row.get("has_more"), dict) and any(row["has_more"].values()):
        _whole(row)
    fields = Fields(answers.contract(row, card.credit_types))
    fields.any("id")
    fields.refuse("cannot be said here, and decides amounts", *NOT_HERE)
    customer, start = fields.text("customer_id"), fields.instant("starting_at")
    said, _ = terms_in(fields, _known(catalogue, card, pricing), start, _prices(card), named=True)
    said["subscriptions"] = [_quantities(each, row) for each in said["subscriptions"]]
    for term in row.get("recurring_commits") or []:
        _anchored(term, "recurring_commits")
    for term in row.get("recurring_credits") or []:
        _anchored(term, "recurring_credits")
    contract = Contract(
        id=saved.id,
        customer=customer,
        rate_card=row.get("rate_card_id"),
        catalogue=catalogue.id,
        name=fields.text_or_none("name"),
        starting_at=start,
        ending_before=fields.instant_or_none("ending_before"),
        aliases=aliases,
        parent=parent,
        payer=payer,
        renews=renews,
        **said,
    )
    fields.done()
    return contract


def _card(row: Mapping[str, Any], pricing: Pricing) -> Card:
    name = row.get("rate_card_id")
    if name is None:
        currency = next((key for key, each in pricing.catalogues.items() if each.id == "default"), "USD")
        return Card(currency, Coins(currency), {USD: USD} if currency == "USD" else {}, [])
    if name not in pricing.cards:
        why = f"cannot be said: {pricing.refused[name]}" if name in pricing.refused else "is not in the export; save the answer of rate-cards/get or list"
        raise invalid("rate_card_id", f"rate card {name!r} {why}")
    return pricing.cards[name]


def _known(catalogue: Catalogue, card: Card, pricing: Pricing) -> Known:
    def product(name: str, field: str) -> str:
        if name not in catalogue.products:
            raise invalid(field, f"product {name!r} " + (f"cannot be said: {pricing.refused[name]}" if name in pricing.refused else "is not in the export"))
        return name

    numbers = count(1)
    return Known(catalogue, card.coins, product, {}, lambda: f"term-{next(numbers)}")


def _prices(card: Card) -> Any:
    def prices(product: str, frequency: str) -> list[tuple[str, Decimal]]:
        return [(seat.starting_at, seat.price) for seat in card.seats if (seat.product, seat.frequency) == (product, frequency)]

    return prices


def _kept(grant: Mapping[str, Any], key: str, of: Agreed, renews: str | None, findings: list[Finding]) -> bool:
    """Whether a grant is a term of its own: not what a recurring one has made, and not what a renewal takes along. Raises RefusedError."""
    at = f"{key}[{grant['id']}]"
    if grant.get("archived_at"):
        findings.append(of.saved.finding("noted", "contract", at, "is archived, so it is not imported"))
        return False
    made_by = grant.get("recurring_commit_id") or grant.get("recurring_credit_id")
    if made_by:
        findings.append(of.saved.finding("noted", "contract", at, f"was made by {made_by}, which makes it here too"))
        return False
    before = grant.get("rolled_over_from")
    if before:
        if before.get("contract_id") != renews:
            raise invalid(f"{at}.rolled_over_from", f"comes from contract {before.get('contract_id')!r}, which this one does not renew (transitions)")
        findings.append(of.saved.finding("noted", "contract", at, f"is the rest of {before.get('commit_id') or before.get('credit_id')}, which moves over by `renews` and `rollover`"))
        return False
    others = [name for name in grant.get("applicable_contract_ids") or [] if name != of.saved.id]
    if others:
        raise invalid(f"{at}.applicable_contract_ids", f"pays for {', '.join(others)} too; here a parent's grant does, with hierarchy_configuration")
    billed = (grant.get("invoice_contract") or {}).get("id", of.saved.id)
    if billed != of.saved.id:
        raise invalid(f"{at}.invoice_contract", f"is invoiced by contract {billed}; here a grant is invoiced by the contract it stands in")
    by_hand = [entry for entry in grant.get("ledger") or [] if str(entry.get("type", "")).endswith("_MANUAL")]
    if by_hand:
        amounts = ", ".join(f"{entry['amount']} at {entry['timestamp']}" for entry in by_hand)
        raise invalid(f"{at}.ledger", f"was changed by hand ({amounts}); change the amount of its access segment in the export and take these entries out")
    return True


def _whole(row: Mapping[str, Any]) -> None:
    more = [key for key, there in row["has_more"].items() if there]
    raise RefusedError(*(Wrong(f"has_more.{key}", f"the answer lacks some {key}; add those of /v1/contracts/customerBalances/list, and set has_more to false") for key in more))


def _renews(row: Mapping[str, Any], agreed: Sequence[Agreed]) -> str | None:
    before = [each["from_contract_id"] for each in row.get("transitions") or [] if each.get("to_contract_id") == row.get("id", each.get("to_contract_id"))]
    if not before:
        return None
    if len(before) > 1 or all(each.saved.id != before[0] for each in agreed):
        raise invalid("transitions", f"renews {', '.join(before)}; a contract renews one that is in the export")
    return str(before[0])


def _filter(row: Mapping[str, Any]) -> dict[str, Any] | None:
    found = row.get("usage_filter") or []
    if not found:
        return None
    if len(found) > 1 or found[0].get("ending_before"):
        raise invalid("usage_filter", "changes with time; a usage filter holds for a whole contract here: end the contract where the filter changes, and begin another")
    return {key: value for key, value in found[0].items() if value is not None}


def _parent(row: Mapping[str, Any]) -> tuple[str | None, Any]:
    hierarchy = row.get("hierarchy_configuration") or {}
    if (hierarchy.get("parent_behavior") or {}).get("invoice_consolidation_type", "NONE") != "NONE" or hierarchy.get("usage_statement_behavior") == "CONSOLIDATE":
        raise invalid("hierarchy_configuration", "consolidates invoices, which is not done here; with payer PARENT the lines stand on the parent's invoice")
    parent = hierarchy.get("parent")
    if not parent:
        return None, "self"
    return parent["contract_id"], "parent" if hierarchy.get("payer") == "PARENT" else "self"


def _anchored(term: Mapping[str, Any], key: str) -> None:
    anchor = term.get("anchor_date")
    if anchor and instant_ms(anchor) != instant_ms(term["starting_at"]):
        raise invalid(f"{key}[{term['id']}].anchor_date", f"is {anchor}; recurring grants follow the billing period here, from where they start ({term['starting_at']})")


def _quantities(made: Subscription, row: Mapping[str, Any]) -> Subscription:
    """With the quantities that follow the first."""
    given = next(each for each in row["subscriptions"] if each["id"] == made.id)
    changes = {instant_ms(change.at): change for change in made.changes}
    for number, (at, quantity) in enumerate(answers.later_quantities(given)):
        moment, whole = instant_ms(at), Fields({"quantity": quantity}, f"subscriptions[{made.id}].quantity_schedule[{number + 1}]").number("quantity")
        price = changes[moment].price if moment in changes else None
        changes[moment] = Change(at=at, quantity=whole, price=price)
    return msgspec.structs.replace(made, changes=[change for _, change in sorted(changes.items())])
