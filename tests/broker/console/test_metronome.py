"""The official client, with its strict validation of every answer, against our console: what needs no rating."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import metronome
import pytest
from metronome import Metronome

from contracts.translation.metronome.coins import USD
from pipelines.testing import until

OCTOBER = "2026-10-01T00:00:00Z"
NOVEMBER = "2026-11-01T00:00:00Z"
NEXT_YEAR = "2027-10-01T00:00:00Z"


def awaited(look: Callable[[], Any], ready: Callable[[Any], bool], what: str) -> Any:
    """The first answer of `look` that is ready."""

    def once() -> tuple[Any] | None:
        found = look()
        return (found,) if ready(found) else None

    return until(once, what)[0]


@pytest.fixture
def client(address: str, keys: dict[str, str]) -> Iterator[Metronome]:
    with Metronome(base_url=address, bearer_token=keys["admin"], _strict_response_validation=True, max_retries=0) as made:
        yield made


class Priced:
    """A customer, a metric, a product and a rate card with a rate, of one test."""

    def __init__(self, client: Metronome) -> None:
        self.tag = uuid.uuid4().hex[:8]
        self.alias = f"alias-{self.tag}"
        self.customer = client.v1.customers.create(name=f"Acme {self.tag}", ingest_aliases=[self.alias], custom_fields={"tier": "gold"}).data.id
        self.metric = client.v1.billable_metrics.create(
            name="API calls",
            aggregation_type="SUM",
            aggregation_key="calls",
            event_type_filter={"in_values": [f"call-{self.tag}"]},
            property_filters=[{"name": "status", "in_values": ["ok"]}, {"name": "region", "exists": True}],
            group_keys=[["region"], ["region", "model"]],
            custom_fields={"owner": "billing"},
        ).data.id
        self.product = client.v1.contracts.products.create(
            name="API calls",
            type="USAGE",
            billable_metric_id=self.metric,
            pricing_group_key=["region"],
            presentation_group_key=["model"],
            quantity_conversion={"conversion_factor": 1000, "operation": "DIVIDE"},
            quantity_rounding={"decimal_places": 0, "rounding_method": "ROUND_UP"},
            tags=["ai"],
        ).data.id
        self.fee = client.v1.contracts.products.create(name="Prepaid", type="FIXED").data.id
        self.card = client.v1.contracts.rate_cards.create(name="List", description="what it costs", aliases=[{"name": f"list-{self.tag}"}]).data.id
        client.v1.contracts.rate_cards.rates.add(
            rate_card_id=self.card, product_id=self.product, entitled=True, rate_type="FLAT", price=25.5, starting_at="2026-01-01T00:00:00Z",
            pricing_group_values={"region": "eu"},
        )  # fmt: skip

    def contract(self, client: Metronome, **more: object) -> str:
        made = client.v1.contracts.create(customer_id=self.customer, rate_card_id=self.card, starting_at=OCTOBER, **more)  # type: ignore[arg-type]
        return made.data.id


@pytest.fixture
def priced(client: Metronome) -> Priced:
    return Priced(client)


def test_customers(client: Metronome, priced: Priced) -> None:
    found = client.v1.customers.retrieve(customer_id=priced.customer).data
    assert (found.name, found.ingest_aliases, found.custom_fields) == (f"Acme {priced.tag}", [priced.alias], {"tier": "gold"})

    client.v1.customers.set_name(customer_id=priced.customer, name="Renamed")
    client.v1.customers.set_ingest_aliases(customer_id=priced.customer, ingest_aliases=["b-" + priced.tag])

    assert client.v1.customers.retrieve(customer_id=priced.customer).data.name == "Renamed"
    assert [each.id for each in client.v1.customers.list(ingest_alias="b-" + priced.tag)] == [priced.customer]
    with pytest.raises(metronome.ConflictError) as taken:
        client.v1.customers.create(name="Other", ingest_aliases=["b-" + priced.tag])
    assert "ingest_aliases" in taken.value.message
    client.v1.customers.archive(id=priced.customer)
    assert priced.customer not in [each.id for each in client.v1.customers.list()]
    assert priced.customer in [each.id for each in client.v1.customers.list(only_archived=True)]


def test_pages_give_everything_once(client: Metronome) -> None:
    made = {client.v1.customers.create(name=f"page {number}").data.id for number in range(7)}

    found = [each.id for each in client.v1.customers.list(limit=2)]

    assert made <= set(found)
    assert len(found) == len(set(found))


def test_metrics_come_back_as_they_were_made(client: Metronome, priced: Priced) -> None:
    found = client.v1.billable_metrics.retrieve(billable_metric_id=priced.metric).data
    assert (found.name, found.aggregation_type, found.aggregation_key) == ("API calls", "SUM", "calls")
    assert found.group_keys == [["region"], ["region", "model"]]
    assert {(each.name, each.exists, *(each.in_values or [])) for each in found.property_filters or []} == {("status", None, "ok"), ("region", True)}
    assert found.custom_fields == {"owner": "billing"}
    client.v1.billable_metrics.archive(id=priced.metric)
    assert priced.metric not in [each.id for each in client.v1.billable_metrics.list()]
    assert priced.metric in [each.id for each in client.v1.billable_metrics.list(include_archived=True)]


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


def test_a_contract_comes_back_with_all_its_terms(client: Metronome, priced: Priced) -> None:
    name = priced.contract(
        client,
        name="Deal",
        ending_before=NEXT_YEAR,
        custom_fields={"region": "emea"},
        net_payment_terms_days=30,
        uniqueness_key=priced.tag,
        usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"},
        commits=[
            {
                "product_id": priced.fee, "type": "PREPAID", "name": "Year", "priority": 10, "rate_type": "COMMIT_RATE", "rollover_fraction": 0.5,
                "temporary_id": "year", "custom_fields": {"po": "7"}, "applicable_product_ids": [priced.product],
                "access_schedule": {"credit_type_id": USD, "schedule_items": [{"amount": 1_000_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": OCTOBER, "unit_price": 800_000, "quantity": 1}]},
            },
            {
                "product_id": priced.fee, "type": "POSTPAID",
                "access_schedule": {"schedule_items": [{"amount": 500_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": NEXT_YEAR, "amount": 500_000}]},
            },
        ],
        credits=[
            {"product_id": priced.fee, "name": "Promo", "access_schedule": {"schedule_items": [{"amount": 12_345, "starting_at": OCTOBER, "ending_before": NOVEMBER}]}},
        ],
        overrides=[
            {
                "starting_at": OCTOBER, "ending_before": NOVEMBER, "type": "MULTIPLIER", "multiplier": 0.8,
                "override_specifiers": [{"product_id": priced.product, "pricing_group_values": {"region": "eu"}}, {"product_tags": ["ai"]}],
            },
            {"starting_at": OCTOBER, "product_id": priced.product, "type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 12.25}},
            {
                "starting_at": OCTOBER, "type": "MULTIPLIER", "multiplier": 0.5, "is_commit_specific": True,
                "override_specifiers": [{"commit_ids": ["year"]}],
            },
        ],
        scheduled_charges=[
            {"product_id": priced.fee, "name": "Setup", "schedule": {"schedule_items": [{"timestamp": OCTOBER, "amount": 5_000}, {"timestamp": NOVEMBER, "amount": 6_000}]}},
        ],
        recurring_credits=[
            {"product_id": priced.fee, "priority": 5, "starting_at": OCTOBER, "access_amount": {"unit_price": 1_000, "quantity": 2}, "commit_duration": {"value": 2}},
        ],
        usage_filter={"group_key": "region", "group_values": ["eu", "us"]},
    )  # fmt: skip

    found = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data

    assert (found.name, found.custom_fields, found.uniqueness_key, found.rate_card_id) == ("Deal", {"region": "emea"}, priced.tag, priced.card)
    assert (found.usage_statement_schedule.frequency, found.usage_statement_schedule.billing_anchor_date) == ("QUARTERLY", datetime(2026, 10, 1, tzinfo=UTC))
    prepaid, postpaid = found.commits
    assert (prepaid.type, prepaid.name, prepaid.priority, prepaid.rate_type, prepaid.rollover_fraction) == ("PREPAID", "Year", 10, "COMMIT_RATE", 0.5)
    assert (prepaid.product.id, prepaid.custom_fields, prepaid.applicable_product_ids) == (priced.fee, {"po": "7"}, [priced.product])
    assert prepaid.access_schedule is not None
    assert [(each.amount, each.ending_before.year) for each in prepaid.access_schedule.schedule_items] == [(1_000_000, 2027)]
    assert prepaid.invoice_schedule is not None
    assert [each.amount for each in prepaid.invoice_schedule.schedule_items or []] == [800_000]
    assert postpaid.type == "POSTPAID"
    assert [each.name for each in found.credits or []] == ["Promo"]
    group, overwrite, specific = found.overrides
    assert (group.type, group.multiplier, group.ending_before) == ("MULTIPLIER", 0.8, datetime(2026, 11, 1, tzinfo=UTC))
    assert [(each.product_id, each.product_tags, each.pricing_group_values) for each in group.override_specifiers or []] == [
        (priced.product, None, {"region": "eu"}),
        (None, ["ai"], None),
    ]
    assert overwrite.overwrite_rate is not None
    assert (overwrite.type, overwrite.overwrite_rate.price) == ("OVERWRITE", 12.25)
    assert (specific.is_commit_specific, [each.commit_ids for each in specific.override_specifiers or []]) == (True, [[prepaid.id]])
    (setup,) = found.scheduled_charges
    assert [each.amount for each in setup.schedule.schedule_items or []] == [5_000, 6_000]
    (monthly,) = found.recurring_credits or []
    assert (monthly.access_amount.unit_price, monthly.commit_duration.value) == (2_000, 2)
    assert [(each.group_key, each.group_values) for each in found.usage_filter] == [("region", ["eu", "us"])]
    old = client.v1.contracts.retrieve(customer_id=priced.customer, contract_id=name).data
    assert [each.id for each in old.current.commits] == [prepaid.id, postpaid.id]
    assert [each.id for each in client.v2.contracts.list(customer_id=priced.customer)] == [name]
    assert [each.id for each in client.v1.contracts.list(customer_id=priced.customer, covering_date=NEXT_YEAR)] == []


def test_a_uniqueness_key_is_used_once(client: Metronome, priced: Priced) -> None:
    priced.contract(client, uniqueness_key=priced.tag)

    with pytest.raises(metronome.ConflictError) as again:
        priced.contract(client, uniqueness_key=priced.tag)

    assert "uniqueness_key" in again.value.message
    assert len(list(client.v1.contracts.list(customer_id=priced.customer))) == 1


def test_an_edit_is_one_and_its_history_tells_it(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client)

    edit = client.v2.contracts.edit(
        customer_id=priced.customer,
        contract_id=name,
        add_overrides=[{"starting_at": "2026-10-15T00:00:00Z", "type": "MULTIPLIER", "multiplier": 0.5}],
        add_commits=[
            {
                "product_id": priced.fee, "type": "POSTPAID", "name": "Annual",
                "access_schedule": {"schedule_items": [{"amount": 10_000_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": NEXT_YEAR, "amount": 10_000_000}]},
            }
        ],
        update_contract_name="Edited",
    ).data  # fmt: skip

    found = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data
    assert edit.id
    assert (found.name, len(found.overrides), len(found.commits)) == ("Edited", 1, 1)
    assert found.commits[0].access_schedule is not None
    (segment,) = found.commits[0].access_schedule.schedule_items
    client.v2.contracts.edit_commit(customer_id=priced.customer, commit_id=found.commits[0].id, priority=3, description="the first")
    client.v2.contracts.edit(customer_id=priced.customer, contract_id=name, remove_overrides=[{"id": found.overrides[0].id}])
    last = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data
    assert (last.overrides, last.commits[0].priority, last.commits[0].description) == ([], 3, "the first")
    assert last.commits[0].access_schedule is not None
    assert last.commits[0].access_schedule.schedule_items[0].id == segment.id
    history = awaited(
        lambda: client.v2.contracts.get_edit_history(customer_id=priced.customer, contract_id=name).data, lambda rows: len(rows) == 3, "three edits are there"
    )
    assert [each.name for each in history[0].add_commits or []] == ["Annual"]
    assert [each.multiplier for each in history[0].add_overrides or []] == [0.5]
    assert [each.id for each in history[1].update_commits or []] == [found.commits[0].id]
    assert [each.id for each in history[2].remove_overrides or []] == [found.overrides[0].id]


def test_a_wrong_part_refuses_the_whole_edit(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client)

    with pytest.raises(metronome.BadRequestError) as refused:
        client.v2.contracts.edit(
            customer_id=priced.customer,
            contract_id=name,
            add_overrides=[{"starting_at": OCTOBER, "type": "MULTIPLIER", "multiplier": 0.5}],
            add_commits=[
                {
                    "product_id": priced.fee, "type": "POSTPAID",
                    "access_schedule": {"schedule_items": [{"amount": 10_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                    "invoice_schedule": {"schedule_items": [{"timestamp": NEXT_YEAR, "amount": 9_999}]},
                }
            ],
        )  # fmt: skip

    assert refused.value.body
    assert client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data.overrides == []


def test_refusals_name_the_field(client: Metronome, priced: Priced) -> None:
    for more, field in (
        ({"rate_card_id": "nope"}, "rate_card_id"),
        ({"overrides": [{"starting_at": "soon", "multiplier": 0.5}]}, "overrides[0].starting_at"),
        ({"commits": [{"product_id": "nope", "type": "PREPAID"}]}, "commits[0].product_id"),
        ({"spend_threshold_configuration": {"is_enabled": True}}, "spend_threshold_configuration"),
        ({"extra_body": {"startng_at": OCTOBER}}, "startng_at"),
    ):
        with pytest.raises(metronome.APIStatusError) as refused:
            client.v1.contracts.create(**({"customer_id": priced.customer, "rate_card_id": priced.card, "starting_at": OCTOBER} | more))
        assert refused.value.status_code in (400, 404)
        body = refused.value.body
        assert isinstance(body, dict)
        assert body["errors"][0]["field"] == field, body


def test_dates_filters_and_ends(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client)

    client.v1.contracts.update_end_date(customer_id=priced.customer, contract_id=name, ending_before=NEXT_YEAR)
    client.v1.contracts.set_usage_filter(customer_id=priced.customer, contract_id=name, group_key="region", group_values=["eu"], starting_at=OCTOBER)

    found = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data
    assert found.ending_before == datetime(2027, 10, 1, tzinfo=UTC)
    assert [each.group_values for each in found.usage_filter] == [["eu"]]
    client.v1.contracts.archive(customer_id=priced.customer, contract_id=name, void_invoices=False)
    assert list(client.v2.contracts.list(customer_id=priced.customer)) == []
    assert [each.id for each in client.v2.contracts.list(customer_id=priced.customer, include_archived=True)] == [name]


def test_commits_and_credits_of_a_customer(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client)
    segment: Any = {"amount": 100_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}
    commit = client.v1.customers.commits.create(
        customer_id=priced.customer, product_id=priced.fee, type="PREPAID", priority=1, access_schedule={"schedule_items": [segment]}, name="Top-up",
        invoice_schedule={"recurring_schedule": {"amount_distribution": "DIVIDED_ROUNDED", "amount": 100_000, "frequency": "QUARTERLY", "starting_at": OCTOBER, "ending_before": NEXT_YEAR}},
    ).data.id  # fmt: skip
    credit = client.v1.customers.credits.create(
        customer_id=priced.customer, product_id=priced.fee, priority=1, access_schedule={"schedule_items": [segment]}, uniqueness_key=priced.tag
    ).data.id

    (found,) = client.v1.customers.commits.list(customer_id=priced.customer, include_balance=True, include_ledgers=True)
    assert (found.id, found.name, found.contract and found.contract.id) == (commit, "Top-up", name)
    assert found.invoice_schedule is not None
    assert [each.amount for each in found.invoice_schedule.schedule_items or []] == [25_000] * 4
    assert [each.id for each in client.v1.customers.credits.list(customer_id=priced.customer)] == [credit]
    assert [each.id for each in client.v1.contracts.list_balances(customer_id=priced.customer)] == [commit, credit]
    assert found.access_schedule is not None
    client.v1.contracts.add_manual_balance_entry(
        id=commit, customer_id=priced.customer, amount=-1_000, reason="goodwill", segment_id=found.access_schedule.schedule_items[0].id
    )
    client.v1.customers.commits.update_end_date(customer_id=priced.customer, commit_id=commit, access_ending_before="2027-04-01T00:00:00Z")
    client.v2.contracts.edit_credit(
        customer_id=priced.customer, credit_id=credit, access_schedule={"add_schedule_items": [{"amount": 5, "starting_at": OCTOBER, "ending_before": NOVEMBER}]}
    )
    (changed,) = client.v1.customers.commits.list(customer_id=priced.customer)
    assert changed.access_schedule is not None
    (only,) = changed.access_schedule.schedule_items
    assert (only.id, only.amount, only.ending_before.month) == (found.access_schedule.schedule_items[0].id, 99_000, 4)
    (grown,) = client.v1.customers.credits.list(customer_id=priced.customer)
    assert grown.access_schedule is not None
    assert [each.amount for each in grown.access_schedule.schedule_items] == [100_000, 5]
    assert client.v1.contracts.get_net_balance(customer_id=priced.customer).data.credit_type_id == USD


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
        customer_id=priced.customer, contract_id=name, update_subscriptions=[{"subscription_id": made.id or "", "quantity_updates": [{"starting_at": NOVEMBER, "quantity_delta": 2}]}]
    )

    (changed,) = client.v2.contracts.retrieve(customer_id=priced.customer, contract_id=name).data.subscriptions or []
    assert [each.quantity for each in changed.quantity_schedule] == [10, 12]


def test_alerts_are_thresholds_of_all_contracts(client: Metronome, priced: Priced, api: httpx.Client) -> None:
    first = priced.contract(client, ending_before=NOVEMBER)
    alert = client.v1.alerts.create(
        alert_type="spend_threshold_reached", name="Much", threshold=1_000_000, customer_id=priced.customer, uniqueness_key=priced.tag, credit_type_id=USD
    ).data.id
    second = client.v1.contracts.create(customer_id=priced.customer, rate_card_id=priced.card, starting_at=NOVEMBER).data.id

    for name in (first, second):
        (threshold,) = api.get(f"/api/v1/contracts/{name}").json()["document"]["thresholds"]
        assert threshold == {"id": alert, "measure": "spend", "at": "10000"}
    (found,) = client.v1.customers.alerts.list(customer_id=priced.customer)
    assert (found.alert.id, found.alert.threshold, found.customer_status) == (alert, 1_000_000, "ok")
    client.v1.customers.alerts.reset(customer_id=priced.customer, alert_id=alert)
    assert api.get(f"/api/v1/contracts/{first}").json()["document"]["thresholds"][0]["id"] == f"{alert}~1"
    client.v1.alerts.archive(id=alert, release_uniqueness_key=True)
    assert "thresholds" not in api.get(f"/api/v1/contracts/{first}").json()["document"]
    assert client.v1.customers.alerts.retrieve(customer_id=priced.customer, alert_id=alert).data.alert.status == "archived"


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
    client.v1.contracts.rate_cards.update(rate_card_id=priced.card, add_credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 2.5}])

    client.v1.contracts.rate_cards.rates.add(
        rate_card_id=priced.card, product_id=priced.product, entitled=True, rate_type="FLAT", price=4, starting_at=OCTOBER, credit_type_id=unit
    )

    rates = [each for each in client.v1.contracts.rate_cards.rates.list(rate_card_id=priced.card, at=NOVEMBER) if not each.pricing_group_values]
    assert [(each.rate.price, each.rate.credit_type and each.rate.credit_type.id) for each in rates] == [(4, unit)]
    assert {USD, unit} <= {each.id for each in client.v1.pricing_units.list()}


def test_events_come_in_and_are_counted_once(client: Metronome, priced: Priced) -> None:
    priced.contract(client)
    now = datetime.now(UTC)
    event: dict[str, Any] = {
        "transaction_id": f"t-{priced.tag}", "customer_id": priced.alias, "event_type": f"call-{priced.tag}", "timestamp": now.isoformat(),
        "properties": {"calls": 0.1, "status": "ok", "region": "eu"},
    }  # fmt: skip

    other = event | {"transaction_id": f"u-{priced.tag}", "properties": {"calls": 0.2, "status": "ok", "region": "us"}}
    events: Any = [event, event, other]
    client.v1.usage.ingest(usage=events)

    wanted = [event["transaction_id"], other["transaction_id"]]
    found = awaited(lambda: client.v1.usage.search(transaction_ids=wanted), lambda rows: len(rows) == 3, "all copies are in the warehouse")
    found = [each for each in found if each.transaction_id == event["transaction_id"]]
    assert [each.is_duplicate for each in found] == [False, True]
    assert found[0].matched_customer is not None
    assert found[0].matched_customer.id == priced.customer
    assert [each.id for each in found[0].matched_billable_metrics or []] == [priced.metric]
    span: Any = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2028-01-01T00:00:00Z", "window_size": "NONE"}
    (usage,) = client.v1.usage.list(billable_metrics=[{"id": priced.metric}], customer_ids=[priced.customer], **span)
    assert usage.value == 0.3
    by_region = client.v1.usage.list_with_groups(billable_metric_id=priced.metric, customer_id=priced.customer, group_key=["region"], **span)
    assert {(each.group or {}).get("region"): each.value for each in by_region} == {"eu": 0.1, "us": 0.2}


def test_an_ingest_of_more_than_a_hundred_is_refused(client: Metronome) -> None:
    event: Any = {"transaction_id": "t", "customer_id": "c", "event_type": "e", "timestamp": OCTOBER}

    with pytest.raises(metronome.BadRequestError):
        client.v1.usage.ingest(usage=[event] * 101)


def test_what_is_not_served_says_so(client: Metronome) -> None:
    with pytest.raises(metronome.InternalServerError) as refused:
        list(client.v1.plans.list())

    assert refused.value.status_code == 501
    assert "GET /v1/plans" in refused.value.message


def test_numbers_are_numbers(client: Metronome, priced: Priced, api: httpx.Client) -> None:
    """The client would take text for a number; others would not."""
    answer = api.post("/v1/contract-pricing/rate-cards/getRates", json={"rate_card_id": priced.card, "at": OCTOBER})

    assert '"price":25.5,' in answer.text


def test_audit_logs_list_edits(client: Metronome, priced: Priced) -> None:
    name = priced.contract(client)

    (found,) = awaited(lambda: list(client.v1.audit_logs.list(resource_id=name)), lambda rows: len(rows) == 1, "the edit is there")

    assert (found.action, found.resource_type, found.actor and found.actor.name) == ("create", "contract", "admin of the tests")
