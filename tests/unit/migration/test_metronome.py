"""An export of Metronome as documents. The answers in `exports/metronome` are written after the API's reference; every amount in them is worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import Catalogue, Condition, Metric, Percentage, Price, Quantity, Rate, Tier
from contracts.contract import Access, Billing, Change, Charge, Commit, Contract, Instalment, Override, Subscription
from contracts.loading import Known, read_documents
from contracts.translation.imported import Read
from contracts.translation.metronome.importing import import_export
from contracts.writing import text_of
from tests.unit.migration.answers import Edit, Files, changed, export, files

TOKENS, CALLS, SUPPORT, SEAT, FEE = (f"b1d0a6a1-37f0-4d69-8f8a-00000000000{number}" for number in range(1, 6))
CARD = "d5a3c1f0-1111-4222-8333-000000000001"
RATES = f"rates-{CARD}.json"
ACME, CONTRACT = "c0ffee00-aaaa-4bbb-8ccc-000000000001", "ace00000-5555-4666-8777-000000000001"
COMMIT = "c0111111-0000-4000-8000-000000000001"
USD = {"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "name": "USD (cents)"}


def imported(*edits: Edit) -> Read:
    return import_export(changed("metronome", *edits))


def contract_of(found: Files) -> dict[str, Any]:
    row: dict[str, Any] = found["contract-acme.json"]["data"]
    return row


def rate_of(found: Files, number: int) -> dict[str, Any]:
    row: dict[str, Any] = found[RATES]["data"][number]
    return row


def test_prices_come_in_dollars() -> None:
    # when the export is read
    read = imported()
    # then nothing is left over, and the catalogue says what the answers said
    assert read.imported.findings == []
    (catalogue,) = read.imported.catalogues
    assert (catalogue.id, catalogue.currency) == ("default", "USD")
    assert catalogue.metrics["7f1c5a52-0c5e-4e6f-9a52-0f6d7a1e0001"] == Metric(
        event_types=["completion"], aggregation="sum", value="tokens", where={"status": ["ok"], "tokens": Condition(exists=True)}, group_keys=["region"]
    )
    assert catalogue.products[TOKENS].quantity == Quantity(divide_by=Decimal(1_000_000))
    assert [each.type for each in catalogue.products.values()] == ["usage", "usage", "composite", "subscription", "fixed"]
    start = "2026-01-01T00:00:00Z"
    assert catalogue.rate_cards[CARD].rates == [
        Rate(product=TOKENS, price=Price(per_unit=Decimal("3.30")), where={"region": "eu"}, starting_at=start),
        Rate(product=TOKENS, price=Price(per_unit=Decimal(3)), where={"region": "us"}, starting_at=start),
        Rate(product=CALLS, price=Price(graduated=[Tier(up_to=Decimal(1000), per_unit=Decimal("0.015")), Tier(per_unit=Decimal("0.005"))]), starting_at=start),
        Rate(product=SUPPORT, price=Price(percentage=Percentage(rate=Decimal("0.1"))), starting_at=start),
    ]


def test_a_contract_keeps_its_ids_and_all_its_terms() -> None:
    read = imported()
    assert read.imported.contracts == [
        Contract(
            id=CONTRACT,
            customer=ACME,
            rate_card=CARD,
            name="Acme 2026",
            starting_at="2026-08-01T00:00:00Z",
            ending_before="2027-08-01T00:00:00Z",
            billing=Billing(anchor="contract_start"),
            overrides=[Override(id="0ff00000-0000-4000-8000-000000000001", products=[CALLS], starting_at="2026-09-01T00:00:00Z", multiplier=Decimal("0.9"))],
            commits=[
                Commit(
                    id=COMMIT,
                    type="prepaid",
                    name="Prepaid 2026",
                    priority=1,
                    access=[Access(amount=Decimal(1000), starting_at="2026-08-01T00:00:00Z", ending_before="2027-08-01T00:00:00Z")],
                    invoice=[Instalment(amount=Decimal(900), at="2026-08-01T00:00:00Z")],
                )
            ],
            charges=[Charge(id="5c000000-0000-4000-8000-000000000001", product=FEE, amount=Decimal(250), at="2026-09-01T00:00:00Z")],
            subscriptions=[
                Subscription(
                    id="5eb00000-0000-4000-8000-000000000001",
                    product=SEAT,
                    quantity=Decimal(4),
                    price=Decimal(25),
                    starting_at="2026-08-01T00:00:00Z",
                    changes=[Change(at="2026-09-01T00:00:00+00:00", quantity=Decimal(5))],
                )
            ],
            aliases=["acme"],
        )
    ]
    assert read.names == {ACME: "Acme"}


def test_what_is_written_reads_back_the_same() -> None:
    read = imported().imported
    documents: list[Catalogue | Contract] = [*read.catalogues, *read.contracts]
    assert read_documents([(text_of(each), f"{each.id}.yaml") for each in documents], Known()) == documents


def test_the_first_version_of_the_api_gives_the_same_contract() -> None:
    def first_version(found: Files) -> None:
        row = contract_of(found)
        outside = {key: row.pop(key) for key in ("id", "customer_id", "subscriptions", "custom_fields")}
        row["usage_filter"] = None
        found["contract-acme.json"] = {"data": outside | {"current": row, "initial": {"starting_at": row["starting_at"]}, "amendments": []}}

    assert imported(first_version).imported.contracts == imported().imported.contracts
    assert imported(first_version).imported.findings == []


@given(cents=st.decimals(min_value=0, max_value=10**9, places=10))
def test_cents_are_exact(cents: Decimal) -> None:
    read = imported(lambda found: rate_of(found, 0)["rate"].update(price=cents))
    price = read.imported.catalogues[0].rate_cards[CARD].rates[0].price.per_unit
    assert price is not None
    assert price * 100 == cents


REFUSED: list[tuple[str, Edit, str, str]] = [
    ("a custom rate", lambda found: rate_of(found, 0)["rate"].update(rate_type="CUSTOM", custom_rate={"by": "us"}), "custom_rate", "unknown key"),
    ("tiered percentages", lambda found: rate_of(found, 3)["rate"].update(rate_type="TIERED_PERCENTAGE"), "rate_type", "TIERED_PERCENTAGE"),
    ("a rate between hours", lambda found: rate_of(found, 2).update(starting_at="2026-01-01T00:10:00Z"), "", "metering window"),
    ("a unit without a price", lambda found: rate_of(found, 0)["rate"].update(credit_type={"id": "u", "name": "Coins"}), "rate.credit_type", "no price"),
    ("a rate of an unknown product", lambda found: rate_of(found, 0).update(product_id="nobody"), "product_id", "not in the export"),
    ("an SQL metric", lambda found: found["billable-metrics.json"]["data"][0].update(sql="SELECT 1"), "sql", "SQL metrics"),
    ("events that do not count", lambda found: found["billable-metrics.json"]["data"][1].update(event_type_filter={"not_in_values": ["x"]}), "event_type_filter.not_in_values", "name the event types"),
    ("free usage", lambda found: found["products.json"]["data"][2]["current"].update(exclude_free_usage=True), "exclude_free_usage", "not served"),
    ("a kind of product", lambda found: found["products.json"]["data"][4].update(type="PRO_SERVICE"), "type", "PRO_SERVICE"),
    ("a commit in units", lambda found: contract_of(found)["commits"][0]["access_schedule"].update(credit_type={"id": "u", "name": "Coins"}), "commits[0].access_schedule.credit_type_id", "custom pricing units"),
    ("a manual entry", lambda found: contract_of(found)["commits"][0]["ledger"].append({"type": "PREPAID_COMMIT_MANUAL", "amount": -5, "reason": "", "timestamp": "2026-08-09T00:00:00Z"}), f"commits[{COMMIT}].ledger", "changed by hand"),
    ("discounts", lambda found: contract_of(found).update(discounts=[{"id": "d"}]), "discounts", "decides amounts"),
    ("seats by name", lambda found: contract_of(found)["subscriptions"][0].update(quantity_management_mode="SEAT_BASED"), "subscriptions[0].quantity_management_mode", "SEAT_BASED"),
    ("a field nobody knows", lambda found: contract_of(found).update(surcharge=5), "surcharge", "is no field here"),
    ("a field of a term nobody knows", lambda found: contract_of(found)["overrides"][0].update(cap=5), "overrides[0].cap", "is no field here"),
    ("a filter with an end", lambda found: contract_of(found).update(usage_filter=[{"group_key": "region", "group_values": ["eu"], "starting_at": "2026-08-01T00:00:00Z", "ending_before": "2026-09-01T00:00:00Z"}]), "usage_filter", "changes with time"),
    ("consolidated invoices", lambda found: contract_of(found).update(hierarchy_configuration={"parent": {"contract_id": "p", "customer_id": "q"}, "usage_statement_behavior": "CONSOLIDATE"}), "hierarchy_configuration", "consolidates"),
    ("an unknown rate card", lambda found: contract_of(found).update(rate_card_id="nobody"), "rate_card_id", "not in the export"),
    ("a renewal of nothing", lambda found: contract_of(found).update(transitions=[{"from_contract_id": "gone", "to_contract_id": CONTRACT, "type": "RENEWAL"}]), "transitions", "gone"),
    ("missing commits", lambda found: contract_of(found).update(has_more={"commits": True, "credits": False}), "has_more.commits", "lacks some commits"),
    ("a list without its end", lambda found: found["customers.json"].update(next_page="abc"), "next_page", "more follow"),
    ("a postpaid commit of two items", lambda found: contract_of(found)["commits"][0].update(type="POSTPAID"), "commits[0]", "access total"),
    ("an answer that is cut", lambda found: contract_of(found)["overrides"][0].pop("starting_at"), "overrides[0].starting_at", "is missing"),
    ("something else", lambda found: found.update({"other.json": {"id": "x", "plan": "y"}}), "", "nothing that is read here"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "field", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_said_is_refused_by_name(edit: Edit, field: str, words: str) -> None:
    # when an export has something that no document can say
    read = imported(edit)
    # then the field is named, with what is so
    assert any(words in each.message and each.field.startswith(field) and each.level == "refused" for each in read.imported.findings), read.imported.findings
    assert all(each.file for each in read.imported.refused if each.kind == "contract")


@pytest.mark.parametrize("edit", [row[1] for row in REFUSED[:9]], ids=[row[0] for row in REFUSED[:9]])
def test_nothing_is_billed_on_a_card_that_lacks_something(edit: Edit) -> None:
    read = imported(edit)
    assert read.imported.contracts == []
    assert any(each.kind == "contract" and "rate card" in each.message for each in read.imported.refused) or any(each.field.endswith("product_id") for each in read.imported.refused)


def test_one_refused_contract_does_not_keep_the_others() -> None:
    def second(found: Files) -> None:
        found["contract-other.json"] = {"data": contract_of(found) | {"id": "other", "customer_id": "other", "commits": [], "surcharge": 1}}

    read = imported(second)
    assert [each.id for each in read.imported.contracts] == [CONTRACT]
    assert [(each.file, each.id, each.field) for each in read.imported.refused] == [("contract-other.json", "other", "surcharge")]


def test_what_is_skipped_is_told() -> None:
    found = files("metronome")
    contract_of(found)["surcharge"] = 5
    read = import_export(export(found, "surcharge", COMMIT))
    assert read.imported.refused == []
    assert read.imported.contracts[0].commits == []
    assert {(each.level, each.id, each.field) for each in read.imported.findings} == {("skipped", CONTRACT, "surcharge"), ("skipped", COMMIT, "")}


def test_grants_that_others_have_made_are_not_terms() -> None:
    def grown(found: Files) -> None:
        row = contract_of(found)
        made = {**row["commits"][0], "id": "made", "recurring_commit_id": "r"}
        old = {**row["commits"][0], "id": "old", "archived_at": "2026-08-02T00:00:00Z"}
        row["commits"] += [made, old]

    read = imported(grown)
    assert [each.id for each in read.imported.contracts[0].commits] == [COMMIT]
    assert [(each.level, each.field) for each in read.imported.findings] == [("noted", "commits[made]"), ("noted", "commits[old]")]


def test_a_grant_that_is_listed_by_customer_goes_to_its_contract() -> None:
    def apart(found: Files) -> None:
        found["balances.json"] = {"data": [{**contract_of(found)["commits"].pop()}], "next_page": None}

    assert imported(apart).imported.contracts == imported().imported.contracts


def test_rates_find_their_card() -> None:
    def second_card(found: Files) -> None:
        found["rate-cards.json"]["data"].append(found["rate-cards.json"]["data"][0] | {"id": "second", "name": "Second"})
        found["more.json"] = {"request": {"rate_card_id": "second"}, "response": found[RATES]}

    read = imported(second_card)
    assert read.imported.findings == []
    cards = read.imported.catalogues[0].rate_cards
    assert cards["second"].rates == cards[CARD].rates

    lost = imported(second_card, lambda found: found.update({"more.json": found["more.json"]["response"]}))
    assert {each.field for each in lost.imported.refused} == {"rate_card_id", "rates"}
    assert list(lost.imported.catalogues[0].rate_cards) == [CARD]


def test_another_currency_is_another_catalogue() -> None:
    euros = {"id": "6f0e", "name": "EUR"}

    def in_euros(found: Files) -> None:
        card = found["rate-cards.json"]["data"][0] | {"id": "card-eu", "fiat_credit_type": euros}
        found["rate-cards.json"]["data"].append(card)
        rates = [row | {"rate": row["rate"] | {"credit_type": euros}} for row in found[RATES]["data"]]
        found["rates-card-eu.json"] = {"data": rates, "next_page": None}

    read = imported(in_euros)
    assert read.imported.findings == []
    assert {each.id: each.currency for each in read.imported.catalogues} == {"default": "USD", "eur": "EUR"}
    # every currency but dollars is whole
    assert read.imported.catalogues[1].rate_cards["card-eu"].rates[0].price.per_unit == 330


def test_a_pricing_unit_has_its_price() -> None:
    coins = {"id": "coin", "name": "Coins"}

    def priced(found: Files) -> None:
        found["rate-cards.json"]["data"][0]["credit_type_conversions"] = [{"custom_credit_type": coins, "fiat_per_custom_credit": "25"}]
        rate_of(found, 0)["rate"]["credit_type"] = coins

    read = imported(priced)
    assert read.imported.findings == []
    catalogue = read.imported.catalogues[0]
    assert catalogue.pricing_units["coin"].price == Decimal("0.25")
    assert (catalogue.rate_cards[CARD].rates[0].unit, catalogue.rate_cards[CARD].rates[0].price.per_unit) == ("coin", Decimal(330))


def test_a_price_that_also_entitles_is_two_overrides() -> None:
    read = imported(lambda found: contract_of(found)["overrides"][0].update(entitled=True))
    assert [(each.id[-9:], each.multiplier, each.entitled) for each in read.imported.contracts[0].overrides] == [
        ("000000001", Decimal("0.9"), None), (".entitled", None, True),
    ]  # fmt: skip


def test_a_product_that_changed_is_told() -> None:
    update = {"starting_at": "2026-08-20T00:00:00Z", "quantity_conversion": {"conversion_factor": 1000, "operation": "DIVIDE"}}
    read = imported(lambda found: found["products.json"]["data"][0]["updates"].append(update))
    ((level, field, message),) = [(each.level, each.field, each.message) for each in read.imported.findings]
    assert (level, field) == ("noted", "updates[1]")
    assert "2026-08-20" in message
