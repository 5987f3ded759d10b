"""A Stripe account as documents. The answers in `exports/stripe` are written after the API's reference; every amount in them is worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import Metric, Package, Price, Quantity, Tier
from contracts.contract import Billing, Contract, Discount, Subscription
from contracts.translation.fields import RefusedError
from contracts.translation.imported import Read
from contracts.translation.stripe.amounts import amount_in
from contracts.translation.stripe.catalogues import card_name
from contracts.translation.stripe.importing import import_export
from contracts.translation.stripe.prices import price_in
from tests.unit.migration.answers import Edit, Files, changed

MIDNIGHT = 1786752000
"""2026-08-15."""
DAY = 86_400


def imported(*edits: Edit, align: bool = True) -> Read:
    return import_export(changed("stripe", *edits), align=align)


def price_of(found: Files, name: str) -> dict[str, Any]:
    row: dict[str, Any] = next(each for each in found["prices.json"]["data"] if each["id"] == f"price_{name}")
    return row


def subscription_of(found: Files) -> dict[str, Any]:
    row: dict[str, Any] = found["subscriptions.json"]["data"][0]
    return row


def row(**more: Any) -> dict[str, Any]:
    """A metered price of a cent a unit."""
    said = {"id": "p", "object": "price", "currency": "usd", "type": "recurring", "product": "prod", "billing_scheme": "per_unit", "unit_amount_decimal": "1"}
    return said | {"recurring": {"interval": "month", "interval_count": 1, "usage_type": "metered", "meter": "m"}} | more


TIERS = [{"up_to": 10, "unit_amount": 100, "unit_amount_decimal": "100", "flat_amount": 50}, {"up_to": "inf", "unit_amount_decimal": "0.000000000001"}]
OURS = [Tier(up_to=Decimal(10), per_unit=Decimal(1), flat=Decimal("0.5")), Tier(per_unit=Decimal("0.00000000000001"))]
PRICES: list[tuple[str, dict[str, Any], Price, Quantity | None]] = [
    ("a whole unit", row(unit_amount_decimal=None, unit_amount=250), Price(per_unit=Decimal("2.5")), None),
    ("twelve places", row(unit_amount_decimal="0.123456789012"), Price(per_unit=Decimal("0.00123456789012")), None),
    ("decimals go first", row(unit_amount=1, unit_amount_decimal="1.4"), Price(per_unit=Decimal("0.014")), None),
    ("yen are whole", row(currency="jpy", unit_amount_decimal="12.5"), Price(per_unit=Decimal("12.5")), None),
    ("dinars have thousandths", row(currency="kwd", unit_amount_decimal="1500"), Price(per_unit=Decimal("1.5")), None),
    ("krónur are written in hundredths", row(currency="isk", unit_amount_decimal="500"), Price(per_unit=Decimal(5)), None),
    ("started packages", row(transform_quantity={"divide_by": 1000, "round": "up"}, unit_amount_decimal="150"), Price(package=Package(size=Decimal(1000), price=Decimal("1.5"))), None),
    ("full packages", row(transform_quantity={"divide_by": 1000, "round": "down"}), Price(per_unit=Decimal("0.01")), Quantity(divide_by=Decimal(1000), round="down")),
    ("graduated", row(billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS), Price(graduated=OURS), None),
    ("volume", row(billing_scheme="tiered", tiers_mode="volume", tiers=TIERS), Price(volume=OURS), None),
    ("nothing", row(unit_amount_decimal="0", unit_amount=0), Price(per_unit=Decimal(0)), None),
]  # fmt: skip


@pytest.mark.parametrize(("given_row", "price", "quantity"), [each[1:] for each in PRICES], ids=[each[0] for each in PRICES])
def test_prices(given_row: dict[str, Any], price: Price, quantity: Quantity | None) -> None:
    read = price_in(given_row, {"prod": {"id": "prod", "name": "Calls"}})
    assert list(read.prices.values()) == [price]
    assert (read.product.name, read.product.type, read.product.quantity) == ("Calls", "usage", quantity)


REFUSED_PRICES: list[tuple[str, dict[str, Any], str, str]] = [
    ("tiers that were not expanded", row(billing_scheme="tiered", tiers_mode="graduated"), "tiers", "expand[]=data.tiers"),
    ("an unknown mode", row(billing_scheme="tiered", tiers_mode="stairs", tiers=TIERS), "tiers_mode", "stairs"),
    ("an unknown rounding", row(transform_quantity={"divide_by": 2, "round": "half"}), "transform_quantity.round", "half"),
    ("what the payer likes", row(custom_unit_amount={"minimum": 1}), "custom_unit_amount", "choose"),
    ("no amount", row(unit_amount_decimal=None), "unit_amount", "missing"),
    ("a day", row(recurring={"interval": "day", "interval_count": 1, "usage_type": "metered", "meter": "m"}), "recurring.interval", "every 1 day"),
    ("half a year", row(recurring={"interval": "month", "interval_count": 6, "usage_type": "metered", "meter": "m"}), "recurring.interval", "every 6 month"),
    ("a currency in two ways", row(currency="ugx"), "currency", "two ways"),
    ("tiers of seats", row(billing_scheme="tiered", tiers_mode="volume", tiers=TIERS, recurring={"interval": "month", "usage_type": "licensed"}), "billing_scheme", "seats"),
    ("a float", row(unit_amount_decimal=0.1), "unit_amount_decimal", "decimal text"),
    ("no number", row(unit_amount_decimal="ten"), "unit_amount_decimal", "no decimal number"),
    ("an option without amounts", row(currency_options={"eur": {"unit_amount": None}}), "currency_options.eur.unit_amount", "missing"),
]  # fmt: skip


@pytest.mark.parametrize(("given_row", "field", "words"), [each[1:] for each in REFUSED_PRICES], ids=[each[0] for each in REFUSED_PRICES])
def test_prices_that_cannot_be_said(given_row: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        price_in(given_row, {})
    assert refused.value.wrong[0].field == field
    assert words in refused.value.wrong[0].message


@given(units=st.decimals(min_value=0, max_value=10**9, places=12), currency=st.sampled_from((("USD", 100), ("JPY", 1), ("KWD", 1000), ("ISK", 100))))
def test_the_smallest_unit_is_exact(units: Decimal, currency: tuple[str, int]) -> None:
    name, scale = currency
    assert amount_in(f"{units:f}", name, "") * scale == units


def test_a_price_list_alone() -> None:
    def only_prices(found: Files) -> None:
        for name in ("subscriptions.json", "customers.json", "invoices.json"):
            found.pop(name)

    read = imported(only_prices)
    assert [(each.id, each.currency) for each in read.imported.catalogues] == [("eur", "EUR"), ("default", "USD")]
    euros, dollars = read.imported.catalogues
    assert [rate.product for rate in dollars.rate_cards["list"].rates] == ["price_calls", "price_tokens"]
    assert euros.rate_cards["list"].rates[0].price.graduated == [
        Tier(up_to=Decimal(1000), per_unit=Decimal("0.00300000000001"), flat=Decimal("4.5")), Tier(per_unit=Decimal("0.0018")),
    ]  # fmt: skip
    assert dollars.metrics["mtr_tokens"] == Metric(event_types=["tokens_used"], aggregation="sum", value="tokens")
    assert dollars.metrics["mtr_calls"] == Metric(event_types=["api_call"], aggregation="count")
    assert {(each.level, each.id) for each in read.imported.findings} == {("noted", "price_setup"), ("noted", "price_seat")}


def test_a_subscription_is_a_contract() -> None:
    read = imported()
    assert read.imported.refused == []
    assert read.imported.contracts == [
        Contract(
            id="sub_acme",
            customer="cus_acme",
            rate_card="price_calls+price_tokens",
            starting_at="2026-08-15T13:00:00Z",
            billing=Billing(anchor="contract_start"),
            subscriptions=[Subscription(id="si_seat", product="price_seat", quantity=Decimal(3), price=Decimal(20))],
        )
    ]
    assert next(each.message for each in read.imported.findings if each.kind == "subscription").startswith("moved to the hour")


@pytest.mark.parametrize(
    ("more", "said"),
    (
        ({"start_date": MIDNIGHT, "billing_cycle_anchor": MIDNIGHT}, {"starting_at": "2026-08-15T00:00:00Z", "billing": Billing(anchor="contract_start")}),
        ({"start_date": MIDNIGHT, "billing_cycle_anchor": MIDNIGHT + 17 * DAY}, {"billing": Billing()}),
        ({"start_date": MIDNIGHT, "billing_cycle_anchor": MIDNIGHT + 5 * DAY}, {"billing": Billing(anchor="2026-08-20T00:00:00Z")}),
        ({"trial_end": MIDNIGHT + 14 * DAY, "billing_cycle_anchor": MIDNIGHT + 14 * DAY}, {"starting_at": "2026-08-29T00:00:00Z"}),
        ({"ended_at": MIDNIGHT + 31 * DAY}, {"ending_before": "2026-09-15T00:00:00Z"}),
        ({"cancel_at_period_end": True}, {"ending_before": "2026-10-15T13:00:00Z"}),
    ),
)
def test_when_a_subscription_holds(more: dict[str, Any], said: dict[str, Any]) -> None:
    (contract,) = imported(lambda found: subscription_of(found).update(more)).imported.contracts
    assert {name: getattr(contract, name) for name in said} == said


def with_coupon(found: Files, **coupon: Any) -> None:
    made = {"id": "off", "duration": "forever", "percent_off": 10, "applies_to": {"products": ["prod_tokens"]}} | coupon
    subscription_of(found)["discounts"] = [{"id": "di_1", "object": "discount", "start": 1789477413, "end": None, "coupon": made}]


def test_a_coupon_on_usage_is_a_discount() -> None:
    (contract,) = imported(with_coupon).imported.contracts
    assert contract.discounts == [Discount(id="di_1", percent=Decimal(10), tags=["prod_tokens"], starting_at="2026-09-15T13:00:00Z")]
    (contract,) = imported(lambda found: with_coupon(found, percent_off=None, amount_off=1250, currency="usd")).imported.contracts
    assert contract.discounts[0].amount == Decimal("12.5")


REFUSED: list[tuple[str, Edit, str, str]] = [
    ("a coupon on seats", lambda found: with_coupon(found, applies_to=None), "discounts[0]", "reaches seats"),
    ("a coupon that ends", lambda found: with_coupon(found, duration="repeating"), "discounts[0]", "does not hold for ever"),
    ("a coupon in another currency", lambda found: with_coupon(found, percent_off=None, amount_off=1, currency="eur"), "discounts[0].coupon.currency", "is in eur"),
    ("a coupon by name", lambda found: subscription_of(found).update(discounts=["di_1"]), "discounts[0]", "expand[]=data.discounts"),
    ("a discount of an item", lambda found: subscription_of(found)["items"]["data"][0].update(discounts=["di_2"]), "items[0].discounts", "one item"),
    ("thresholds", lambda found: subscription_of(found).update(billing_thresholds={"amount_gte": 100}), "billing_thresholds", "new period"),
    ("a pause", lambda found: subscription_of(found).update(pause_collection={"behavior": "void"}), "pause_collection", "holds invoices back"),
    ("missing items", lambda found: subscription_of(found)["items"].update(has_more=True), "items.has_more", "lacks some items"),
    ("an unknown price", lambda found: subscription_of(found)["items"]["data"].append({"id": "si", "price": "price_gone"}), "items[3].price", "not in the export"),
    ("a price that was refused", lambda found: price_of(found, "tokens").update(tiers=None), "items[0].price", "cannot be said: tiers"),
    ("another currency", lambda found: subscription_of(found).update(currency="gbp"), "items", "no amount in GBP"),
    ("intervals that differ", lambda found: price_of(found, "calls").update(recurring={"interval": "year", "interval_count": 1, "usage_type": "metered", "meter": "mtr_calls"}), "items", "different intervals"),
    ("a meter that is missing", lambda found: found["meters.json"]["data"].pop(0), "items[0].price", "meter mtr_tokens is not in the export"),
    ("something else", lambda found: found.update({"other.json": {"id": "cg_1", "object": "billing.credit_grant"}}), "object", "nothing that is read here"),
    ("a list without its end", lambda found: found["prices.json"].update(has_more=True), "has_more", "more follow"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "field", "words"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_cannot_be_said_is_refused_by_name(edit: Edit, field: str, words: str) -> None:
    read = imported(edit)
    assert any(words in each.message and each.field == field and each.file for each in read.imported.refused), read.imported.findings


def test_seconds_are_not_moved_unasked() -> None:
    read = imported(align=False)
    assert read.imported.contracts == []
    assert [(each.id, each.field) for each in read.imported.refused] == [("sub_acme", "start_date")]


def test_usage_records_of_the_time_before_meters() -> None:
    def legacy(found: Files) -> None:
        price_of(found, "tokens")["recurring"] = {"interval": "month", "interval_count": 1, "usage_type": "metered", "meter": None, "aggregate_usage": "last_ever"}

    catalogue = imported(legacy).imported.catalogues[1]
    assert catalogue.metrics["usage-price_tokens"] == Metric(event_types=["price_tokens"], aggregation="latest", value="quantity", carry=True)


def test_seats_in_packs() -> None:
    def packs(found: Files) -> None:
        price_of(found, "seat")["transform_quantity"] = {"divide_by": 2, "round": "up"}

    read = imported(packs)
    assert read.imported.contracts[0].subscriptions[0].quantity == 2
    assert any(each.field == "items[2].quantity" and each.level == "noted" for each in read.imported.findings)


def test_fields_that_are_not_known_are_told() -> None:
    read = imported(lambda found: price_of(found, "tokens").update(surge={"by": "hour"}))
    assert [(each.level, each.id, each.field) for each in read.imported.findings if each.field == "surge"] == [("noted", "price_tokens", "surge")]


def test_two_prices_of_one_meter_are_told() -> None:
    read = imported(lambda found: found["prices.json"]["data"].append(price_of(found, "tokens") | {"id": "price_tokens_2"}))
    assert any("price_tokens, price_tokens_2" in each.message for each in read.imported.findings)


def test_a_card_is_named_after_its_prices() -> None:
    assert card_name(["b", "a"]) == "a+b"
    assert card_name("cabd") == card_name("dbca") != card_name("abce")
