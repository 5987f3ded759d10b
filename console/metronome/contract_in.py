"""A contract from the body of `/v1/contracts/create`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from console.errors import invalid, missing
from console.metronome.alerts import threshold_for
from console.metronome.shelf import Shelf, new_id
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.instants import instant_ms
from contracts.translation.fields import Fields
from contracts.translation.metronome.coins import Coins
from contracts.translation.metronome.known import Extras, Known
from contracts.translation.metronome.terms import Prices, terms_in

NOT_SERVED: Final = (
    "discounts", "prepaid_balance_threshold_configuration", "professional_services", "reseller_royalties", "spend_threshold_configuration", "spend_trackers",
    "scheduled_charges_on_usage_invoices",
)  # fmt: skip
KEPT: Final = (
    "billing_provider_configuration", "custom_fields", "net_payment_terms_days", "netsuite_sales_order_id", "revenue_system_configuration",
    "salesforce_opportunity_id", "total_contract_value",
)  # fmt: skip


def contract_in(fields: Fields, at: Shelf, name: str, clock: str) -> tuple[Contract, Extras]:
    """The contract, and what is kept beside it. Raises ApiError."""
    customer, start = fields.text("customer_id"), fields.instant("starting_at")
    kept_customer = at.customer(customer)
    if kept_customer.get("archived_ms"):
        raise invalid("customer_id", "this customer is archived")
    catalogue, card = _card(fields, at, instant_ms(start))
    known = known_of(at, catalogue)
    fields.refuse("is not served", *NOT_SERVED)
    said, terms = terms_in(fields, known, start, prices_of(at, catalogue, card))
    parent, payer = _parent(fields, at)
    aliases = [each for each in kept_customer["ingest_aliases"] if each != customer] if not at.contracts_of(customer) else []
    contract = Contract(
        id=name,
        customer=customer,
        rate_card=card,
        catalogue=catalogue.id,
        name=fields.text_or_none("name"),
        starting_at=start,
        ending_before=fields.instant_or_none("ending_before"),
        clock=clock,
        thresholds=[found for each in at.objects.of("alert") if (found := threshold_for(at, each, customer, catalogue)) is not None],
        aliases=aliases,
        parent=parent,
        payer=payer,
        renews=_renews(fields, at, customer),
        **said,
    )
    extras = fields.kept(*KEPT) | {"terms": terms, "uniqueness_key": fields.text_or_none("uniqueness_key")}
    fields.done()
    return contract, {key: value for key, value in extras.items() if value is not None}


def known_of(at: Shelf, catalogue: Catalogue) -> Known:
    """What the terms of a contract on this catalogue are read with."""

    def product(name: str, field: str) -> str:
        return at.product_in(catalogue, name, field)

    return Known(catalogue, Coins.of(catalogue), product, {}, new_id)


def prices_of(at: Shelf, catalogue: Catalogue, card: str | None) -> Prices:
    """The SUBSCRIPTION rates of a card: dated prices of a product and billing frequency, oldest first."""
    coins = Coins.of(catalogue)

    def prices(product: str, frequency: str) -> Sequence[tuple[str, Decimal]]:
        rows = at.kept("rate_card", card or "").get("subscription_rates", [])
        found = [row for row in rows if row["product_id"] == product and row["billing_frequency"] == frequency and row["entitled"]]
        found.sort(key=lambda row: instant_ms(row["starting_at"]))
        return [(row["starting_at"], coins.into(Decimal(row["rate"]["price_text"]))) for row in found]

    return prices


def _card(fields: Fields, at: Shelf, start_ms: int) -> tuple[Catalogue, str | None]:
    name, alias = fields.text_or_none("rate_card_id"), fields.text_or_none("rate_card_alias")
    if name is not None and alias is not None:
        raise invalid("rate_card_alias", "excludes rate_card_id; give one")
    if alias is not None:
        name = at.card_named(alias, start_ms, "rate_card_alias")
    if name is None:
        return at.catalogue(), None
    catalogue, inner, _ = at.card(name, "rate_card_id")
    return catalogue, inner


def _parent(fields: Fields, at: Shelf) -> tuple[str | None, Any]:
    if not fields.has("hierarchy_configuration"):
        fields.any("hierarchy_configuration")
        return None, "self"
    hierarchy = fields.object("hierarchy_configuration")
    hierarchy.refuse("is not served", "parent_behavior")
    if hierarchy.word("usage_statement_behavior", ("CONSOLIDATE", "SEPARATE"), "SEPARATE") == "CONSOLIDATE":
        raise invalid(hierarchy.at("usage_statement_behavior"), "CONSOLIDATE is not served; with payer PARENT the lines stand on the parent's invoice")
    payer = "parent" if hierarchy.word("payer", ("SELF", "PARENT"), "SELF") == "PARENT" else "self"
    parent = None
    if hierarchy.has("parent"):
        inner = hierarchy.object("parent")
        parent = at.contract(inner.text("customer_id"), inner.text("contract_id")).id
        inner.done()
    hierarchy.any("parent")
    hierarchy.done()
    return parent, payer


def _renews(fields: Fields, at: Shelf, customer: str) -> str | None:
    if not fields.has("transition"):
        fields.any("transition")
        return None
    transition = fields.object("transition")
    transition.word("type", ("RENEWAL",))
    before = transition.text("from_contract_id")
    transition.refuse("is not served: the true-up of the earlier contract stays as it is", "future_invoice_behavior")
    transition.done()
    if all(each.id != before for each in at.contracts_of(customer)):
        raise missing(f"contract of customer {customer!r}", before, transition.at("from_contract_id"))
    return before
