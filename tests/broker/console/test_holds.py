"""Holds over HTTP: the cap holds against many who ask at once, at one console and at two."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest
import uvicorn
from confluent_kafka import Producer

from console.app import create
from console.services import Services, start
from pipelines.testing import until
from pipelines.topology import BALANCES, PARTITIONER

TEXT = """
catalogue:
  id: {id}
  metrics: {{calls: {{event_types: [{id}], aggregation: sum, value: calls}}}}
  products: {{api: {{name: API, metric: calls}}}}
  rate_cards: {{list: {{rates: [{{product: api, price: {{per_unit: "0.01"}}}}]}}}}
---
contract: {{id: {id}-c, customer: {id}, catalogue: {id}, rate_card: list, starting_at: 2026-10-01, credits: [{{id: prepaid, access: [{{amount: "100", starting_at: 2026-10-01}}]}}]}}
"""


@pytest.fixture
def second(services: Services) -> Iterator[str]:
    """Another console of the same deployment."""
    made = start(services.deployment)
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create(made), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    until(lambda: server.started, "the server starts")
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    made.close()


def customer_with(api: httpx.Client, services: Services, amount: str) -> str:
    """A customer whose rated balance is so much, as RATE would have written it."""
    name = f"h{uuid.uuid4().hex[:8]}"
    api.post("/api/v1/documents/apply", json={"text": TEXT.format(id=name)}).raise_for_status()
    value = {
        "id": "prepaid", "customer": name, "contract": f"{name}-c", "type": "credit", "currency": "USD", "granted": Decimal(amount), "applied": Decimal(0),
        "expired": Decimal(0), "remaining": Decimal(amount), "revision": 1, "as_of": 0, "deleted": False,
    }  # fmt: skip
    producer = Producer({"bootstrap.servers": services.deployment.kafka, "partitioner": PARTITIONER, "enable.idempotence": True})
    producer.produce(BALANCES.name, services.deployment.codec.encode("balance", value), name)
    assert producer.flush(30) == 0
    until(lambda: reserve(api, name, "0.01").status_code == 200, "the balance is known")
    for each in holds(api, name)["data"]:
        api.post(f"/api/v1/holds/{each['id']}/release", json={}).raise_for_status()
    return name


def reserve(api: httpx.Client, customer: str, amount: str, **more: Any) -> httpx.Response:
    return api.post("/api/v1/holds", json={"customer_id": customer, "amount": amount, **more})


def holds(api: httpx.Client, customer: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/v1/holds", params={"customer_id": customer}).json()
    return found


def test_reserve_release_and_refusal(api: httpx.Client, services: Services) -> None:
    customer = customer_with(api, services, "100")

    first = reserve(api, customer, "60").json()
    refused = reserve(api, customer, "40.01")

    assert (first["state"], first["amount"], first["available"]) == ("held", "60.00", "40.00")
    assert (refused.status_code, refused.json()["available"], refused.json()["errors"][0]["field"]) == (402, "40.00", "amount")
    assert api.post(f"/api/v1/holds/{first['id']}/release", json={}).json()["available"] == "100.00"
    assert holds(api, customer) == {"data": [], "available": "100.00", "currency": "USD"}


def test_cents_under_v1(api: httpx.Client, services: Services) -> None:
    customer = customer_with(api, services, "100")

    made = api.post("/v1/holds", json={"customer_id": customer, "amount": 2_500}).json()

    assert (made["amount"], made["available"]) == (2_500, 7_500)
    assert api.get(f"/api/v1/holds/{made['id']}").json()["amount"] == "25.00"


def test_a_repeated_key_makes_one_hold(api: httpx.Client, services: Services) -> None:
    customer = customer_with(api, services, "100")

    made = {reserve(api, customer, "30", uniqueness_key="job-7").json()["id"] for _ in range(3)}
    other = reserve(api, customer, "31", uniqueness_key="job-7")

    assert len(made) == 1
    assert other.status_code == 409
    assert holds(api, customer)["available"] == "70.00"


def test_a_hold_expires(api: httpx.Client, services: Services) -> None:
    customer = customer_with(api, services, "100")

    made = reserve(api, customer, "100", ttl_seconds=1).json()

    assert reserve(api, customer, "1").status_code == 402
    until(lambda: holds(api, customer)["available"] == "100.00", "it expires")
    assert api.get(f"/api/v1/holds/{made['id']}").json()["state"] == "expired"
    assert api.post(f"/api/v1/holds/{made['id']}/settle", json={}).status_code == 409


def test_settling_takes_the_events_along_and_keeps_the_amount_back(api: httpx.Client, services: Services) -> None:
    customer = customer_with(api, services, "100")
    made = reserve(api, customer, "50").json()
    event = {"transaction_id": f"{customer}-1", "event_type": customer, "timestamp": "2026-11-25T10:00:00Z", "properties": {"calls": 1200}}

    settled = api.post(f"/api/v1/holds/{made['id']}/settle", json={"amount": "12.00", "events": [event]}).json()

    assert (settled["state"], settled["amount"], settled["available"]) == ("settling", "12.00", "88.00")
    until(lambda: api.get("/api/v1/events", params={"transaction_id": f"{customer}-1"}).json()["events"], "the event is in the warehouse")


def test_many_at_once_never_overrun_the_cap_also_at_two_consoles(api: httpx.Client, services: Services, address: str, second: str, keys: dict[str, str]) -> None:
    customer = customer_with(api, services, "100")
    took: list[float] = []

    def ask(number: int) -> int:
        began = time.perf_counter()
        answer = httpx.post(
            f"{(address, second)[number % 2]}/api/v1/holds",
            json={"customer_id": customer, "amount": "7"},
            headers={"Authorization": f"Bearer {keys['write']}"},
            timeout=60,
        )
        took.append(time.perf_counter() - began)
        return answer.status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(60)))

    print(f"decision p50 {sorted(took)[30] * 1000:.0f} ms, p99 {sorted(took)[59] * 1000:.0f} ms, at two consoles that contend")
    assert sorted(set(statuses)) == [200, 402]
    assert statuses.count(200) == 14
    assert holds(api, customer)["available"] == "2.00"
