"""Terms of a contract as Metronome's API shows them: the document's own, with what is kept beside it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from console.metronome.shelf import at_text, ref
from contracts.catalogue import Catalogue, Where
from contracts.contract import Access, Charge, Commit, Contract, Credit, Override, RecurringCommit, RecurringGrant, Subscription
from contracts.money import exact
from contracts.translation.metronome.coins import Coins, tidy
from contracts.translation.metronome.known import EVERY, PERIODS, PRORATION, RATE, Extras
from contracts.translation.metronome.rates import price_out
from contracts.translation.metronome.schedules import segment_key
from contracts.translation.metronome.times import EPOCH, FAR, instant_text

PLAIN: Final = ("description", "netsuite_sales_order_id", "salesforce_opportunity_id", "custom_fields", "uniqueness_key")
FREQUENCY: Final = {ours: word for word, ours in EVERY.items()}


class Showing(NamedTuple):
    """What a contract's terms are shown with."""

    contract: Contract
    catalogue: Catalogue
    coins: Coins
    created_at: str
    created_by: str
    terms: Mapping[str, Extras]
    """What is kept of each term, by its id."""

    @property
    def zone(self) -> str:
        return self.contract.billing.timezone

    def instant(self, text: str | None, default: str = EPOCH) -> str:
        return instant_text(text, self.zone, default)

    def product(self, name: str | None) -> dict[str, str]:
        """Id and name of a product of the catalogue; a term that names none is its own."""
        if name is not None and name in self.catalogue.products:
            return {"id": ref(self.catalogue, name), "name": self.catalogue.products[name].name}
        return {"id": name or "", "name": name or ""}

    def named(self, given: str | None, fallback: str) -> dict[str, str]:
        """The product that a request has named for a commit or credit."""
        if given is None:
            return {"id": fallback, "name": fallback}
        inner = given.removeprefix(f"{self.catalogue.id}/")
        return {"id": given, "name": self.catalogue.products[inner].name if inner in self.catalogue.products else given}


def commit_out(at: Showing, commit: Commit) -> dict[str, Any]:
    extras = at.terms.get(commit.id, {})
    row = _grant(at, commit, extras) | {"type": commit.type.upper(), "created_at": extras.get("created_at", at.created_at)}
    kept = extras.get("instalments_kept")
    items = [(each.at, each.amount) for each in commit.invoice] if not kept else [(each["at"], Decimal(each["amount"])) for each in kept]
    if items or extras.get("do_not_invoice"):
        ids = extras.get("instalments", {})
        row["invoice_schedule"] = {
            "credit_type": at.coins.credit_type,
            "do_not_invoice": bool(extras.get("do_not_invoice")),
            "schedule_items": [
                {
                    "id": ids.get(moment) or f"{commit.id}.invoice.{number + 1}",
                    "timestamp": at.instant(moment),
                    "amount": at.coins.out(amount),
                    "quantity": 1,
                    "unit_price": at.coins.out(amount),
                }
                for number, (moment, amount) in enumerate(items)
            ],
        }
    return row


def credit_out(at: Showing, credit: Credit) -> dict[str, Any]:
    extras = at.terms.get(credit.id, {})
    return _grant(at, credit, extras) | {"type": "CREDIT", "created_at": extras.get("created_at", at.created_at)}


def segments_out(grant: str, access: Sequence[Access], extras: Extras) -> list[tuple[str, Access]]:
    """Access segments with their ids."""
    ids = extras.get("segments", {})
    return [(ids.get(segment_key(each.starting_at, each.ending_before)) or f"{grant}.segment.{number + 1}", each) for number, each in enumerate(access)]


def recurring_out(at: Showing, grant: RecurringGrant) -> dict[str, Any]:
    extras = at.terms.get(grant.id, {})
    start = at.instant(grant.starting_at, at.instant(at.contract.starting_at))
    row = _reach(at, grant, extras) | {
        "id": grant.id,
        "product": at.named(extras.get("product_id"), grant.name or grant.id),
        "access_amount": {"credit_type_id": at.coins.credit_type["id"], "unit_price": at.coins.out(grant.amount), "quantity": 1},
        "commit_duration": {"value": grant.valid_periods, "unit": "PERIODS"},
        "priority": grant.priority,
        "rate_type": _word(RATE, grant.rate),
        "starting_at": start,
        "anchor_date": start,
        "recurrence_frequency": FREQUENCY[grant.every],
        "proration": _word(PRORATION, grant.proration),
        "contract": {"id": at.contract.id},
    }
    if grant.ending_before is not None:
        row["ending_before"] = at.instant(grant.ending_before)
    if isinstance(grant, RecurringCommit) and grant.invoice_amount is not None:
        row["invoice_amount"] = {"credit_type_id": at.coins.credit_type["id"], "unit_price": at.coins.out(grant.invoice_amount), "quantity": 1}
    return row


def overrides_out(at: Showing, overrides: Sequence[Override]) -> list[dict[str, Any]]:
    """Parts of one override of the API are one again."""
    parts = grouped([each.id for each in overrides], at.terms)
    by_id = {each.id: each for each in overrides}
    return [_override(at, [by_id[name] for name in names]) for names in parts]


def _override(at: Showing, parts: Sequence[Override]) -> dict[str, Any]:
    first = parts[0]
    extras = at.terms.get(first.id, {})
    kind = "OVERWRITE" if first.price is not None else "TIERED" if first.tiers else "MULTIPLIER" if first.multiplier is not None else None
    row: dict[str, Any] = {
        "id": first.id,
        "created_at": extras.get("created_at", at.created_at),
        "starting_at": at.instant(first.starting_at, at.instant(at.contract.starting_at)),
        "is_commit_specific": any(part.commits for part in parts),
        "priority": first.priority,
        "target": "COMMIT_RATE" if first.target == "commit" else "LIST_RATE",
        "override_specifiers": [said for part in parts if (said := _specifier(at, part))],
    }
    if len(first.products) > 1:
        row["override_specifiers"] = [_specifier(at, part, product) for part in parts for product in (part.products or [""])]
    if kind is not None:
        row["type"] = kind
    if first.ending_before is not None:
        row["ending_before"] = at.instant(first.ending_before)
    if first.entitled is not None:
        row["entitled"] = first.entitled
    if first.multiplier is not None:
        row["multiplier"] = tidy(first.multiplier)
    if first.tiers:
        row["override_tiers"] = [{"multiplier": tidy(tier.multiplier)} | ({} if tier.size is None else {"size": tidy(tier.size)}) for tier in first.tiers]
    if first.price is not None:
        row["overwrite_rate"] = price_out(first.price, at.coins) | {"credit_type": at.coins.credit_type}
    if len(parts) == 1 and len(first.products) == 1:
        row["product"] = at.product(first.products[0])
    if len(parts) == 1 and first.tags:
        row["applicable_product_tags"] = first.tags
    return row


def _specifier(at: Showing, part: Override, product: str = "") -> dict[str, Any]:
    named = product or next(iter(part.products), "")
    row: dict[str, Any] = {}
    if named:
        row["product_id"] = ref(at.catalogue, named)
    if part.tags:
        row["product_tags"] = part.tags
    if part.where:
        row["pricing_group_values"] = _values(part.where)
    if part.commits:
        row["commit_ids"] = part.commits
    return row


def charges_out(at: Showing, charges: Sequence[Charge]) -> list[dict[str, Any]]:
    by_id = {each.id: each for each in charges}
    found = []
    for names in grouped(list(by_id), at.terms):
        first, extras = by_id[names[0]], at.terms.get(names[0], {})
        items = [_charge_item(at, by_id[name]) for name in names]
        row = {"id": first.id, "product": at.product(first.product), "schedule": {"credit_type": at.coins.credit_type, "schedule_items": items}}
        found.append(row | {key: extras[key] for key in ("name", "custom_fields", "netsuite_sales_order_id") if key in extras})
    return found


def _charge_item(at: Showing, charge: Charge) -> dict[str, Any]:
    with exact():
        whole = charge.amount * charge.quantity
    return {
        "id": f"{charge.id}.item",
        "timestamp": at.instant(charge.at or charge.from_),
        "amount": at.coins.out(whole),
        "quantity": tidy(charge.quantity),
        "unit_price": at.coins.out(charge.amount),
    }


def subscription_out(at: Showing, subscription: Subscription) -> dict[str, Any]:
    extras = at.terms.get(subscription.id, {})
    start = at.instant(subscription.starting_at, at.instant(at.contract.starting_at))
    quantities: list[dict[str, Any]] = [{"quantity": tidy(subscription.quantity), "starting_at": start}]
    for each in subscription.changes:
        if each.quantity is not None:
            quantities[-1]["ending_before"] = at.instant(each.at)
            quantities.append({"quantity": tidy(each.quantity), "starting_at": at.instant(each.at)})
    row = {
        "id": subscription.id,
        "billing_periods": {},
        "collection_schedule": subscription.collect.upper(),
        "created_at": extras.get("created_at", at.created_at),
        "proration": {"invoice_behavior": extras.get("invoice_behavior", "BILL_IMMEDIATELY"), "is_prorated": subscription.prorate},
        "quantity_management_mode": "QUANTITY_ONLY",
        "quantity_schedule": quantities,
        "starting_at": start,
        "subscription_rate": {"billing_frequency": FREQUENCY[subscription.every], "product": at.product(subscription.product)},
        "fiat_credit_type_id": at.coins.credit_type["id"],
    }
    if subscription.ending_before is not None:
        row["ending_before"] = at.instant(subscription.ending_before)
    return row | {key: extras[key] for key in ("custom_fields", "description", "name") if key in extras}


def schedule_out(at: Showing) -> dict[str, Any]:
    billing = at.contract.billing
    start = at.instant(at.contract.starting_at)
    anchor = start if billing.anchor == "contract_start" else start[:7] + "-01T00:00:00Z" if billing.anchor == "first_of_month" else at.instant(billing.anchor)
    return {"billing_anchor_date": anchor, "frequency": _word(PERIODS, billing.period)}


def filters_out(at: Showing) -> list[dict[str, Any]]:
    found = []
    for key, values in (at.contract.usage_filter.where if at.contract.usage_filter else {}).items():
        if isinstance(values, (str, int, bool, list)):
            names = [str(each) for each in (values if isinstance(values, list) else [values])]
            found.append({"group_key": key, "group_values": names, "starting_at": at.instant(at.contract.starting_at)})
    return found


def grouped(names: Sequence[str], terms: Mapping[str, Extras]) -> list[list[str]]:
    """Ids, those that are parts of one term of the API together: `ID`, `ID.2`, …"""
    there, found = set(names), []
    parts = {f"{name}.{number}" for name in names for number in range(2, terms.get(name, {}).get("parts", 1) + 1)}
    for name in names:
        if name not in parts:
            found.append([name, *(part for number in range(2, terms.get(name, {}).get("parts", 1) + 1) if (part := f"{name}.{number}") in there)])
    return found


def _grant(at: Showing, grant: Commit | Credit, extras: Extras) -> dict[str, Any]:
    items = [
        {"id": name, "amount": at.coins.out(each.amount), "starting_at": at.instant(each.starting_at), "ending_before": at.instant(each.ending_before, FAR)}
        for name, each in segments_out(grant.id, grant.access, extras)
    ]
    return _reach(at, grant, extras) | {
        "id": grant.id,
        "product": at.named(extras.get("product_id"), grant.name or grant.id),
        "access_schedule": {"credit_type": at.coins.credit_type, "schedule_items": items},
        "priority": grant.priority,
        "rate_type": _word(RATE, grant.rate),
        "contract": {"id": at.contract.id},
        "created_by": extras.get("created_by", at.created_by),
    }


def _reach(at: Showing, grant: Commit | Credit | RecurringGrant, extras: Extras) -> dict[str, Any]:
    row: dict[str, Any] = {key: extras[key] for key in PLAIN if key in extras}
    row["applicable_product_ids"] = [ref(at.catalogue, each) for each in grant.products]
    row["applicable_product_tags"] = grant.tags
    if grant.where:
        row["specifiers"] = [
            {"pricing_group_values": _values(grant.where), "product_tags": grant.tags} | ({"product_id": ref(at.catalogue, product)} if product else {})
            for product in (grant.products or [""])
        ]
    if grant.name is not None:
        row["name"] = grant.name
    if grant.rollover is not None:
        row["rollover_fraction"] = tidy(grant.rollover)
    if grant.shared is not None:
        row["hierarchy_configuration"] = {
            "child_access": {"type": "ALL"} if grant.shared == "all" else {"type": "CONTRACT_IDS", "contract_ids": [grant.shared] if isinstance(grant.shared, str) else grant.shared}
        }
    return row


def _values(where: Where) -> dict[str, str]:
    return {key: str(value) for key, value in where.items()}


def _word(words: Mapping[str, str], ours: str) -> str:
    return next(word for word, each in words.items() if each == ours)




def created(extras: Mapping[str, Any], recorded_ms: int) -> tuple[str, str]:
    """When and by whom a contract was made."""
    return at_text(extras.get("created_ms") or recorded_ms), str(extras.get("created_by", ""))
