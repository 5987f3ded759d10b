"""The official client, with its strict validation of every answer, against our console: contracts, their edits, commits and credits."""

from datetime import UTC, datetime
from typing import Any

import metronome
import pytest
from metronome import Metronome

from contracts.translation.metronome.coins import USD
from tests.broker.console.official import NEXT_YEAR, NOVEMBER, OCTOBER, Priced, awaited


def test_a_contract_comes_back_with_all_its_terms(client: Metronome, priced: Priced) -> None:
    name = priced.contract(
        client,
        name="Deal",
        ending_before=NEXT_YEAR,
        custom_fields={"region": "emea"},
        net_payment_terms_days=30,
        uniqueness_key=priced.tag,
        usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"},
        **priced.terms(),
    )

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
    group, overwrite, specific, tiered = found.overrides
    assert (group.type, group.multiplier, group.ending_before) == ("MULTIPLIER", 0.8, datetime(2026, 11, 1, tzinfo=UTC))
    assert [(each.product_id, each.product_tags, each.pricing_group_values) for each in group.override_specifiers or []] == [
        (priced.product, None, {"region": "eu"}),
        (None, ["ai"], None),
    ]
    assert overwrite.overwrite_rate is not None
    assert (overwrite.type, overwrite.overwrite_rate.price) == ("OVERWRITE", 12.25)
    assert (tiered.type, [(each.size, each.multiplier) for each in tiered.override_tiers or []]) == ("TIERED", [(10, 0.9), (None, 0.7)])
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
        customer_id=priced.customer,
        credit_id=credit,
        access_schedule={"add_schedule_items": [{"amount": 5, "starting_at": OCTOBER, "ending_before": NOVEMBER}]},
    )
    (changed,) = client.v1.customers.commits.list(customer_id=priced.customer)
    assert changed.access_schedule is not None
    (only,) = changed.access_schedule.schedule_items
    assert (only.id, only.amount, only.ending_before.month) == (found.access_schedule.schedule_items[0].id, 99_000, 4)
    (grown,) = client.v1.customers.credits.list(customer_id=priced.customer)
    assert grown.access_schedule is not None
    assert [each.amount for each in grown.access_schedule.schedule_items] == [100_000, 5]
    assert client.v1.contracts.get_net_balance(customer_id=priced.customer).data.credit_type_id == USD
