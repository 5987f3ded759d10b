"""The official client, with its strict validation of every answer, against our console: rates, cards, packages and products."""

from datetime import UTC, datetime

import httpx
from metronome import Metronome

from contracts.translation.metronome.coins import USD
from tests.broker.console.official import NOVEMBER, OCTOBER, Priced


def test_products_come_back_and_change(client: Metronome, priced: Priced) -> None:
    client.v1.contracts.products.update(product_id=priced.product, starting_at=OCTOBER, name="Calls", tags=["ai", "text"])

    found = client.v1.contracts.products.retrieve(id=priced.product).data

    assert (found.type, found.initial.name, found.current.name, found.current.tags) == ("USAGE", "API calls", "Calls", ["ai", "text"])
    assert found.current.quantity_conversion is not None
    assert found.current.quantity_conversion.conversion_factor == 1000
    assert found.current.quantity_rounding is not None
    assert found.current.quantity_rounding.rounding_method == "ROUND_UP"
    assert [each.name for each in found.updates] == ["Calls"]
    assert priced.product in [each.id for each in client.v1.contracts.products.list()]


def test_rates_are_in_cents_and_a_later_one_takes_over(client: Metronome, priced: Priced) -> None:
    rates = client.v1.contracts.rate_cards.rates
    rates.add_many(
        rate_card_id=priced.card,
        rates=[
            {"product_id": priced.product, "entitled": True, "rate_type": "FLAT", "price": 30, "starting_at": NOVEMBER, "pricing_group_values": {"region": "eu"}},
            {
                "product_id": priced.product, "entitled": True, "rate_type": "TIERED", "starting_at": OCTOBER, "pricing_group_values": {"region": "us"},
                "tiers": [{"price": 10, "size": 100}, {"price": 0.25}], "commit_rate": {"rate_type": "FLAT", "price": 0.125},
            },
        ],
    )  # fmt: skip

    before = {each.pricing_group_values["region"]: each for each in rates.list(rate_card_id=priced.card, at=OCTOBER) if each.pricing_group_values}
    after = {each.pricing_group_values["region"]: each for each in rates.list(rate_card_id=priced.card, at=NOVEMBER) if each.pricing_group_values}

    assert (before["eu"].rate.price, before["eu"].ending_before) == (25.5, datetime(2026, 11, 1, tzinfo=UTC))
    assert after["eu"].rate.price == 30
    assert [(tier.price, tier.size) for tier in after["us"].rate.tiers or []] == [(10, 100), (0.25, None)]
    assert after["us"].commit_rate is not None
    assert after["us"].commit_rate.price == 0.125
    schedule = client.v1.contracts.rate_cards.retrieve_rate_schedule(
        rate_card_id=priced.card, starting_at="2026-01-01T00:00:00Z", selectors=[{"partial_pricing_group_values": {"region": "eu"}}]
    )
    assert [each.rate.price for each in schedule.data] == [25.5, 30]
    card = client.v1.contracts.rate_cards.retrieve(id=priced.card).data
    assert (card.name, card.description, card.fiat_credit_type and card.fiat_credit_type.id) == ("List", "what it costs", USD)


def test_documents_hold_dollars(client: Metronome, priced: Priced, api: httpx.Client) -> None:
    catalogue = api.get("/api/v1/catalogues/default").json()["document"]
    (rate,) = catalogue["rate_cards"][priced.card]["rates"]
    assert rate["price"] == {"per_unit": "0.255"}


def test_rates_of_a_contract_show_list_and_override(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client, overrides=[{"starting_at": OCTOBER, "type": "MULTIPLIER", "multiplier": 0.5}])

    (found,) = client.v1.contracts.retrieve_rate_schedule(customer_id=priced.customer, contract_id=name, at=NOVEMBER).data

    assert (found.list_rate.price, found.override_rate and found.override_rate.price) == (25.5, 12.75)


def test_subscriptions_take_the_rate_of_the_card(client: Metronome, priced: Priced) -> None:
    seat = client.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION").data.id
    client.v1.contracts.rate_cards.rates.add(
        rate_card_id=priced.card, product_id=seat, entitled=True, rate_type="SUBSCRIPTION", price=1_000, billing_frequency="MONTHLY", starting_at="2026-01-01T00:00:00Z",
        is_prorated=True,
    )  # fmt: skip
    name = priced.contract(
        client,
        subscriptions=[
            {
                "collection_schedule": "ADVANCE", "proration": {"is_prorated": True}, "initial_quantity": 10,
                "subscription_rate": {"billing_frequency": "MONTHLY", "product_id": seat},
            }
        ],
    )  # fmt: skip
    (made,) = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data.subscriptions or []

    client.v2.contracts.edit(
        customer_id=priced.customer,
        contract_id=name,
        update_subscriptions=[{"subscription_id": made.id or "", "quantity_updates": [{"starting_at": NOVEMBER, "quantity_delta": 2}]}],
    )

    (changed,) = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data.subscriptions or []
    assert [each.quantity for each in changed.quantity_schedule] == [10, 12]


def test_packages_are_filled_from_the_start(client: Metronome, priced: Priced) -> None:
    package = client.v1.packages.create(
        name="Starter",
        rate_card_id=priced.card,
        duration={"unit": "YEARS", "value": 1},
        aliases=[{"name": f"starter-{priced.tag}"}],
        credits=[
            {
                "product_id": priced.fee, "name": "Welcome", "priority": 1,
                "access_schedule": {"schedule_items": [{"amount": 10_000, "starting_at_offset": {"unit": "DAYS", "value": 0}, "duration": {"unit": "MONTHS", "value": 1}}]},
            }
        ],
        overrides=[{"starting_at_offset": {"unit": "MONTHS", "value": 1}, "override_specifiers": [{"product_id": priced.product}], "type": "MULTIPLIER", "multiplier": 0.9}],
    ).data.id  # fmt: skip

    name = client.v1.contracts.create(customer_id=priced.customer, package_alias=f"starter-{priced.tag}", starting_at=OCTOBER).data.id

    found = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data
    assert (found.ending_before, found.rate_card_id) == (datetime(2027, 10, 1, tzinfo=UTC), priced.card)
    (credit,) = found.credits or []
    assert credit.access_schedule is not None
    assert [(each.amount, each.ending_before.month) for each in credit.access_schedule.schedule_items] == [(10_000, 11)]
    assert found.overrides[0].starting_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert [each.contract_id for each in client.v1.packages.list_contracts_on_package(package_id=package)] == [name]
    shown = client.v1.packages.retrieve(package_id=package).data
    assert (shown.name, len(shown.overrides)) == ("Starter", 1)
    client.v1.packages.archive(package_id=package)
    assert package not in [each.id for each in client.v1.packages.list()]


def test_pricing_units_get_their_price_on_a_card(client: Metronome, priced: Priced) -> None:
    unit = client.v1.pricing_units.create(name=f"Credits {priced.tag}").data.id
    client.v1.contracts.rate_cards.update(
        rate_card_id=priced.card, add_credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 2.5}]
    )

    client.v1.contracts.rate_cards.rates.add(
        rate_card_id=priced.card, product_id=priced.product, entitled=True, rate_type="FLAT", price=4, starting_at=OCTOBER, credit_type_id=unit
    )

    rates = [each for each in client.v1.contracts.rate_cards.rates.list(rate_card_id=priced.card, at=NOVEMBER) if not each.pricing_group_values]
    assert [(each.rate.price, each.rate.credit_type and each.rate.credit_type.id) for each in rates] == [(4, unit)]
    assert {USD, unit} <= {each.id for each in client.v1.pricing_units.list()}
