"""The October story, told by the official client of Metronome's API alone, against a whole running stack.

A customer with five products at list price; a month of usage; then one edit: half price from the 15th and a postpaid commit of 100,000.
Everything is in cents there. The month is played on a test clock, so it is October 2025 whatever today is.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from metronome import Metronome

from pipelines.testing import Stack, until

OCTOBER = datetime(2025, 10, 1, 12, tzinfo=UTC)
PRICES = {"API calls": "0.2", "Model A tokens": "300", "Model B tokens": "1500", "Model C tokens": "60", "Images": "4"}


def awaited(look: Callable[[], Any], ready: Callable[[Any], bool], what: str) -> Any:
    """The first answer of `look` that is ready."""

    def once() -> tuple[Any] | None:
        found = look()
        return (found,) if ready(found) else None

    return until(once, what)[0]


@pytest.fixture(scope="module")
def address(stack: Stack) -> str:
    return str(until(lambda: stack.book().get("console"), "the console has an address"))


@pytest.fixture(scope="module")
def key(address: str) -> str:
    """No key was made yet: on loopback the one who started the stack owns it, and makes one."""
    made: str = httpx.post(f"{address}/api/v1/keys", json={"scope": "admin", "name": "October"}, timeout=60).json()["key"]
    return made


@pytest.fixture
def client(address: str, key: str) -> Iterator[Metronome]:
    clock = f"october-{uuid.uuid4().hex[:8]}"
    with Metronome(base_url=address, bearer_token=key, default_headers={"Taximeter-Clock": clock}, _strict_response_validation=True) as made:
        yield made


def products(client: Metronome) -> dict[str, str]:
    """Metrics, products and a rate card with their prices; gives the product ids, and the card under `card`."""
    metrics, made = client.v1.billable_metrics, client.v1.contracts.products
    calls = metrics.create(name="Calls", aggregation_type="SUM", aggregation_key="calls", event_type_filter={"in_values": ["api_call"]}).data.id
    images = metrics.create(name="Images", aggregation_type="SUM", aggregation_key="images", event_type_filter={"in_values": ["image"]}).data.id
    ids = {
        "API calls": made.create(name="API calls", type="USAGE", billable_metric_id=calls).data.id,
        "Images": made.create(name="Images", type="USAGE", billable_metric_id=images).data.id,
    }
    for model in "abc":
        tokens = metrics.create(
            name=f"Tokens of {model}",
            aggregation_type="SUM",
            aggregation_key="tokens",
            event_type_filter={"in_values": ["completion"]},
            property_filters=[{"name": "model", "in_values": [model]}],
        ).data.id
        name = f"Model {model.upper()} tokens"
        ids[name] = made.create(
            name=name, type="USAGE", billable_metric_id=tokens, quantity_conversion={"conversion_factor": 1_000_000, "operation": "DIVIDE"}
        ).data.id
    ids["card"] = client.v1.contracts.rate_cards.create(name="List").data.id
    client.v1.contracts.rate_cards.rates.add_many(
        rate_card_id=ids["card"],
        rates=[
            {"product_id": ids[name], "entitled": True, "rate_type": "FLAT", "price": float(price), "starting_at": "2025-01-01T00:00:00Z"}
            for name, price in PRICES.items()
        ],
    )
    return ids


def month(customer: str, tag: str) -> list[dict[str, Any]]:
    """The usage of the case october-demo."""
    events = []
    for day in range(31):
        at = (OCTOBER + timedelta(days=day)).isoformat()
        events.append({"event_type": "api_call", "timestamp": at, "properties": {"calls": 100_000}})
        for model, tokens in (("a", 100_000_000), ("b", 40_000_000), ("c", 500_000_000)):
            events.append({"event_type": "completion", "timestamp": at, "properties": {"model": model, "tokens": tokens}})
    events.append({"event_type": "image", "timestamp": (OCTOBER + timedelta(days=9)).isoformat(), "properties": {"images": 190_000}})
    return [each | {"customer_id": customer, "transaction_id": f"{tag}-{number}"} for number, each in enumerate(events)]


def bill(client: Metronome, customer: str) -> Any:
    """The usage invoice of October; none while it is not rated."""
    found = list(client.v1.customers.invoices.list(customer_id=customer, starting_on="2025-10-01", ending_before="2025-10-02", type="USAGE"))
    return found[0] if found else None


def test_the_october_story(client: Metronome) -> None:
    ids, tag = products(client), uuid.uuid4().hex[:8]
    acme = client.v1.customers.create(name="Acme", ingest_aliases=[f"acme-{tag}"]).data.id
    fee = client.v1.contracts.products.create(name="Annual commitment", type="FIXED").data.id
    contract = client.v1.contracts.create(
        customer_id=acme, rate_card_id=ids["card"], starting_at="2025-10-01T00:00:00Z", ending_before="2026-10-01T00:00:00Z", name="Acme 2025"
    ).data.id
    alert = client.v1.alerts.create(alert_type="spend_threshold_reached", name="30,000 spent", threshold=3_000_000, customer_id=acme).data.id

    events: Sequence[Any] = month(f"acme-{tag}", tag)
    for start in range(0, len(events), 100):
        client.v1.usage.ingest(usage=events[start : start + 100])
    client.v1.usage.ingest(usage=events[:50])  # sent again: nothing changes

    before = awaited(lambda: bill(client, acme), lambda found: found and found.total == 5_100_000, "the bill comes to 51,000.00")
    assert before.status == "DRAFT"
    assert {each.name: (each.quantity, each.unit_price, each.total) for each in before.line_items if each.total} == {
        "API calls": (3_100_000, 0.2, 620_000),
        "Model A tokens": (3_100, 300, 930_000),
        "Model B tokens": (1_240, 1_500, 1_860_000),
        "Model C tokens": (15_500, 60, 930_000),
        "Images": (190_000, 4, 760_000),
    }
    fired = awaited(
        lambda: client.v1.customers.alerts.retrieve(customer_id=acme, alert_id=alert).data, lambda found: found.customer_status == "in_alarm", "it fires"
    )
    assert fired.alert.threshold == 3_000_000

    started = time.monotonic()
    client.v2.contracts.edit(
        customer_id=acme,
        contract_id=contract,
        add_overrides=[{"starting_at": "2025-10-15T00:00:00Z", "type": "MULTIPLIER", "multiplier": 0.5}],
        add_commits=[
            {
                "product_id": fee,
                "type": "POSTPAID",
                "name": "Annual",
                "access_schedule": {"schedule_items": [{"amount": 10_000_000, "starting_at": "2025-10-01T00:00:00Z", "ending_before": "2026-01-01T00:00:00Z"}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 10_000_000}]},
            }
        ],
    )
    after = awaited(lambda: bill(client, acme), lambda found: found and found.total == 3_910_000, "the bill comes to 39,100.00")
    print(f"edit to changed invoice, over HTTP: {(time.monotonic() - started) * 1000:.0f} ms")

    lines = [each for each in after.line_items if each.total and each.type == "usage"]
    assert len(lines) == 9
    for name in PRICES:
        prices = {each.unit_price for each in lines if each.name == name}
        assert len(prices) == (1 if name == "Images" else 2), name
    scheduled = until(
        lambda: [each for each in client.v1.customers.invoices.list(customer_id=acme, type="SCHEDULED") if each.total], "the draft of the true-up is there"
    )
    assert [(each.total, each.status) for each in scheduled] == [(6_090_000, "DRAFT")]
    (commit,) = client.v1.customers.commits.list(customer_id=acme, include_balance=True, include_ledgers=True)
    assert commit.balance == 6_090_000
    assert sum(entry.amount for entry in commit.ledger or []) == 6_090_000
    assert client.v1.contracts.get_net_balance(customer_id=acme).data.balance == 6_090_000
    costs = list(client.v1.customers.list_costs(customer_id=acme, starting_on="2025-10-01T00:00:00Z", ending_before="2025-11-01T00:00:00Z"))
    assert len(costs) == 31
    assert sum(kind.cost or 0 for day in costs for kind in day.credit_types.values()) == 3_910_000
    assert client.v1.customers.invoices.retrieve_pdf(customer_id=acme, invoice_id=after.id).read().startswith(b"%PDF")
    preview = client.v1.customers.preview_events(
        customer_id=acme, mode="merge", events=[{"event_type": "api_call", "timestamp": "2025-10-20T00:00:00Z", "properties": {"calls": "1000"}}]
    ).data
    assert [each.total for each in preview if each.type == "USAGE" and each.total] == [3_910_100]
    assert client.v1.customers.invoices.retrieve(customer_id=acme, invoice_id=after.id).data.total == 3_910_000
    (edit,) = until(lambda: client.v2.contracts.get_edit_history(customer_id=acme, contract_id=contract).data[1:], "the edit is in the history")
    assert [each.multiplier for each in edit.add_overrides or []] == [0.5]
    assert [each.name for each in edit.add_commits or []] == ["Annual"]


def test_previews_and_explanations_of_the_native_api(client: Metronome) -> None:
    ids, tag = products(client), uuid.uuid4().hex[:8]
    customer = client.v1.customers.create(name="Previewed").data.id
    contract = client.v1.contracts.create(customer_id=customer, rate_card_id=ids["card"], starting_at="2025-10-01T00:00:00Z").data.id
    client.v1.usage.ingest(usage=month(customer, tag)[:31])  # type: ignore[arg-type]
    until(lambda: (found := bill(client, customer)) and found.total, "there is a bill")
    with httpx.Client(base_url=str(client.base_url), headers={"Authorization": f"Bearer {client.bearer_token}"}, timeout=60) as native:
        shown = native.get(f"/api/v1/contracts/{contract}").json()
        text = shown["text"] + "  overrides: [{id: half, starting_at: 2025-10-05, multiplier: '0.5'}]\n"

        found = native.post("/api/v1/documents/preview", json={"text": text})

        assert found.status_code == 200, found.text
        (invoice,) = found.json()["invoices"]
        assert float(invoice["total"]["after"]) < float(invoice["total"]["before"])
        assert native.get(f"/api/v1/contracts/{contract}").json()["version"] == shown["version"]
        listed = native.get(f"/api/v1/customers/{customer}/invoices").json()["invoices"]
        assert listed[0]["total"] == invoice["total"]["before"]
        line = next(each for each in listed[0]["lines"] if each["amount"] != "0.00")
        # Raw events come to the warehouse by a lane of their own, up to a second after the bill that counts them.
        explained = until(
            lambda: (told := native.get(f"/api/v1/lines/{line['id']}/explanation").json())["events"] and told, "the line's events are in the warehouse"
        )
        assert line["amount"] in explained["text"]
        assert native.get("/api/v1/status").json()["state"] == "up"


def test_a_hold_is_settled_when_the_balance_has_the_usage(address: str, key: str) -> None:
    name, today = f"held-{uuid.uuid4().hex[:8]}", datetime.now(UTC)
    start = (today - timedelta(days=10)).date().isoformat()
    text = f"""
catalogue:
  id: {name}
  metrics: {{calls: {{event_types: [{name}], aggregation: sum, value: calls}}}}
  products: {{api: {{name: API, metric: calls}}}}
  rate_cards: {{list: {{rates: [{{product: api, price: {{per_unit: "0.01"}}}}]}}}}
---
contract: {{id: {name}-c, customer: {name}, catalogue: {name}, rate_card: list, starting_at: {start}, credits: [{{id: prepaid, access: [{{amount: "100", starting_at: {start}}}]}}]}}
"""
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as api:
        api.post("/api/v1/documents/apply", json={"text": text}).raise_for_status()
        made = awaited(
            lambda: api.post("/api/v1/holds", json={"customer_id": name, "amount": "60", "uniqueness_key": "job"}), lambda found: found.status_code == 200, "a hold"
        ).json()
        assert made["available"] == "40.00"

        event = {"transaction_id": name, "event_type": name, "timestamp": today.isoformat(), "properties": {"calls": 2_500}}
        settled = api.post(f"/api/v1/holds/{made['id']}/settle", json={"amount": "25.00", "events": [event]}).json()

        assert (settled["state"], settled["available"]) == ("settling", "75.00")
        # Whatever comes first, the usage is never counted as free: it is kept back, or it is in the balance, or for a moment both.
        seen = set()

        def look() -> Any:
            found = api.get(f"/api/v1/holds/{made['id']}").json()
            seen.add(found["available"])
            return found

        awaited(look, lambda found: found["state"] == "settled", "it is settled")
        assert seen <= {"75.00", "50.00"}
        assert api.get("/api/v1/holds", params={"customer_id": name}).json() == {"data": [], "available": "75.00", "currency": "USD"}
        # The hold knows the balance from its topic; the warehouse, which is asked here, has it a moment later.
        awaited(lambda: api.get(f"/api/v1/customers/{name}/balances").json()["balances"], lambda found: [each["remaining"] for each in found] == ["75.00"], "the balance")
