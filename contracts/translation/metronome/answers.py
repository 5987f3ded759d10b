"""Objects of the API's answers as the bodies that requests have: what the readers of terms take. Pure renaming.

Only what an answer repeats or works out (balances, dates of creation, ids of schedule items) is taken away; every other field stays, so that a reader
refuses what it does not know.
"""

from collections.abc import Mapping
from typing import Any, Final

from contracts.instants import instant_ms
from contracts.translation.metronome.times import FAR

Row = dict[str, Any]
CreditTypes = Mapping[str, str]
"""Ids of currencies in the export to ours."""

ABOUT: Final = (
    "created_at",
    "created_by",
    "balance",
    "cost_basis",
    "contract",
    "custom_fields",
    "netsuite_sales_order_id",
    "salesforce_opportunity_id",
    "archived_at",
)
"""Of a term: what decides no amount."""
GRANT: Final = (*ABOUT, "amount", "ledger", "invoice_contract", "applicable_contract_ids", "recurring_commit_id", "recurring_credit_id", "rolled_over_from")
"""Of a commit or credit also: what `terms_of` of the importer has looked at."""
CONTRACT: Final = (
    "archived_at", "billing_provider_configuration_schedule", "created_at", "created_by", "custom_fields", "customer_billing_provider_configuration", "has_more",
    "hierarchy_configuration", "net_payment_terms_days", "netsuite_sales_order_id", "package_id", "priority", "rate_card_id",
    "revenue_system_configuration_schedule", "salesforce_opportunity_id", "total_contract_value", "transitions", "uniqueness_key",
)  # fmt: skip
OVERWRITE: Final = ("rate_type", "price", "quantity", "tiers", "is_prorated", "credit_type")
"""Of an override: the older way to write `overwrite_rate`."""


def contract(row: Row, ids: CreditTypes) -> Row:
    """A contract (of `/v2`, or the current state of one of `/v1`) as its request."""
    found = _less(row, *CONTRACT)
    found["usage_statement_schedule"] = statement(row.get("usage_statement_schedule") or {}, row["starting_at"])
    for key, read in (
        ("commits", grant), ("credits", grant), ("recurring_commits", recurring), ("recurring_credits", recurring), ("scheduled_charges", charge),
        ("subscriptions", subscription),
    ):  # fmt: skip
        found[key] = [read(each, ids) for each in row.get(key) or [] if not each.get("archived_at")]
    found["overrides"] = [part for each in row.get("overrides") or [] for part in override(each, ids)]
    for key in ("spend_threshold_configuration", "prepaid_balance_threshold_configuration"):
        if isinstance(row.get(key), dict) and row[key].get("is_enabled") is False:
            found.pop(key)
    return found


def statement(row: Row, start: str) -> Row:
    anchor = row.get("billing_anchor_date")
    if not anchor:
        return dict(row)
    found = _less(row, "billing_anchor_date")
    if instant_ms(anchor) == instant_ms(start):
        return found | {"day": "CONTRACT_START"}
    if row.get("frequency") == "MONTHLY" and str(anchor)[8:10] == "01" and instant_ms(anchor) % 86_400_000 == 0:
        return found | {"day": "FIRST_OF_MONTH"}
    return found | {"day": "CUSTOM_DATE", "billing_anchor_date": anchor}


def grant(row: Row, ids: CreditTypes) -> Row:
    """A commit or credit."""
    found = _named(_less(row, *GRANT))
    if found.get("type") == "CREDIT":
        found.pop("type")
    if isinstance(row.get("access_schedule"), dict):
        schedule = _typed(row["access_schedule"], ids)
        schedule["schedule_items"] = [_less(each, "id") for each in schedule.get("schedule_items") or []]
        found["access_schedule"] = schedule
    if isinstance(row.get("invoice_schedule"), dict):
        found["invoice_schedule"] = _invoices(row["invoice_schedule"], ids)
    return _reaching(found)


def recurring(row: Row, ids: CreditTypes) -> Row:
    """A recurring commit or credit."""
    found = _named(_less(row, *ABOUT, "anchor_date"))
    for key in ("access_amount", "invoice_amount"):
        if isinstance(row.get(key), dict):
            found[key] = row[key] | {"credit_type_id": ids.get(str(row[key].get("credit_type_id")), row[key].get("credit_type_id"))}
    return _reaching(found)


def charge(row: Row, ids: CreditTypes) -> Row:
    found = _named(_less(row, *ABOUT))
    return found | {"schedule": _invoices(row.get("schedule") or {}, ids)}


def subscription(row: Row, ids: CreditTypes) -> Row:
    """Without the quantities behind the first one, which `later_quantities` gives."""
    found = _less(row, *ABOUT, "billing_periods", "quantity_schedule", *(["fiat_credit_type_id"] if row.get("fiat_credit_type_id") in ids else []))
    rate = row.get("subscription_rate") or {}
    found["subscription_rate"] = _named(rate)
    quantities = row.get("quantity_schedule") or []
    if quantities:
        found["initial_quantity"] = quantities[0].get("quantity")
    return found


def later_quantities(row: Row) -> list[tuple[str, Any]]:
    return [(each["starting_at"], each.get("quantity")) for each in (row.get("quantity_schedule") or [])[1:]]


def override(row: Row, ids: CreditTypes) -> list[Row]:
    """One of ours for each effect: a price that also entitles is two."""
    found = _named(_less(row, *ABOUT))
    if isinstance(row.get("overwrite_rate"), dict):
        found = _less(found, *OVERWRITE) | {"overwrite_rate": _typed(row["overwrite_rate"], ids)}
    elif row.get("rate_type"):
        found = _less(found, *OVERWRITE, "value") | {"overwrite_rate": _typed({key: row[key] for key in OVERWRITE if row.get(key) is not None}, ids)}
    if "override_tiers" in found:
        found["tiers"] = found.pop("override_tiers")
    if row.get("override_specifiers"):
        found = _less(found, "product_id", "applicable_product_tags")
        found["override_specifiers"] = [_present(each) for each in row["override_specifiers"]]
    effect = any(found.get(key) not in (None, []) for key in ("overwrite_rate", "multiplier", "tiers"))
    if found.get("entitled") is None or not effect:
        return [found if effect else _less(found, "type")]
    entitling = _less(found, "overwrite_rate", "multiplier", "tiers", "type") | {"id": f"{row.get('id')}.entitled"}
    return [_less(found, "entitled"), entitling] if found["entitled"] else [entitling]


def rate(row: Row, ids: CreditTypes) -> Row:
    """A row of a rate schedule as the body of addRate."""
    inner = _typed(row.get("rate") or {}, ids)
    inner.pop("pricing_group_values", None)
    found = _less(row, "rate", "product_name", "product_tags", "product_custom_fields") | inner
    if found.get("ending_before") == FAR:
        found.pop("ending_before")
    return found


def _named(row: Row) -> Row:
    """`product: {id, name}` as `product_id`."""
    product = row.get("product")
    return _less(row, "product") | ({"product_id": product["id"]} if isinstance(product, dict) else {})


def _typed(row: Row, ids: CreditTypes) -> Row:
    """`credit_type: {id, name}` as `credit_type_id`."""
    kind = row.get("credit_type")
    return _less(row, "credit_type") | ({"credit_type_id": ids.get(kind["id"], kind["id"])} if isinstance(kind, dict) else {})


def _invoices(row: Row, ids: CreditTypes) -> Row:
    """An invoice schedule: what counts of an item is its amount, which the answer has worked out."""
    found = _typed(row, ids)
    items = found.get("schedule_items") or []
    found["schedule_items"] = [_less(each, "id", "invoice_id", *(("unit_price", "quantity") if each.get("amount") is not None else ())) for each in items]
    return found


def _reaching(row: Row) -> Row:
    """An answer says what specifiers come to beside them."""
    if row.get("specifiers"):
        row = _less(row, "applicable_product_ids", "applicable_product_tags")
        row["specifiers"] = [_present(each) for each in row["specifiers"]]
    return row


def _present(row: Row) -> Row:
    """Without keys that say nothing; group values without those that are absent."""
    found = {key: value for key, value in row.items() if value not in (None, [], {})}
    return {key: {name: text for name, text in value.items() if text is not None} if isinstance(value, dict) else value for key, value in found.items()}


def _less(row: Mapping[str, Any], *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}
