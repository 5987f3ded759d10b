"""The official client, with its strict validation of every answer, against our console: customers, metrics, alerts, events and refusals."""

from datetime import UTC, datetime
from typing import Any

import httpx
import metronome
import pytest
from metronome import Metronome

from contracts.translation.metronome.coins import USD
from tests.broker.console.official import NOVEMBER, OCTOBER, Priced, awaited


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
