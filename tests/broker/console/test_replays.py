"""Replays over the API: plans and refusals. Whole replays, which need rating, are in tests/browser."""

import uuid

import httpx
import pytest

from pipelines.testing import until

CATALOGUE = """
catalogue:
  id: {id}
  currency: USD
  metrics:
    calls: {{event_types: [{id}], aggregation: sum, value: calls}}
  products:
    {id}-api: {{name: API, metric: calls}}
  rate_cards:
    list: {{rates: [{{product: {id}-api, price: {{per_unit: "0.01"}}}}]}}
---
contract: {{id: {id}-c, customer: {id}, catalogue: {id}, rate_card: list, starting_at: 2026-11-01}}
"""


@pytest.fixture
def name(api: httpx.Client) -> str:
    found = f"g{uuid.uuid4().hex[:8]}"
    api.post("/api/v1/documents/apply", json={"text": CATALOGUE.format(id=found)}).raise_for_status()
    return found


def test_a_plan_tells_what_a_replay_would_touch(api: httpx.Client, address: str, keys: dict[str, str], name: str) -> None:
    event = {"transaction_id": name, "customer": name, "event_type": name, "timestamp": "2026-11-25T10:30:00Z", "properties": {"calls": "5"}}
    httpx.post(f"{address}/api/v1/events", json=[event], headers={"Authorization": f"Bearer {keys['ingest']}"}).raise_for_status()

    def planned() -> dict[str, object] | None:
        found: dict[str, object] = api.post("/api/v1/replays/plan", json={"products": [f"{name}-api"], "from": "2026-11-25T10:00:00Z"}).json()
        return found if found["windows"] else None

    plan = until(planned, "the event is in the warehouse")
    assert plan["products"] == {name: [f"{name}-api"]}
    assert plan["customers"] == {"ids": "all", "with_usage": 1, "families": plan["customers"]["families"]}  # type: ignore[index]
    assert plan["windows"] == 1
    assert plan["period"] == {"from": "2026-11-25T10:00:00Z", "until": None}
    assert api.get("/api/v1/replays").json() == {"generations": []}


@pytest.mark.parametrize(
    ("body", "field", "says"),
    (
        ({"products": ["none"]}, "", "there is no product 'none'"),
        ({"from": "2026-11-25T10:30:00Z"}, "", "full hours"),
        ({"from": "yesterday"}, "from", "RFC 3339"),
        ({"offsets": ["3"]}, "offsets", "PARTITION:FROM-TO"),
        ({"offsets": ["0:90000-90001"]}, "", "no event has arrived there"),
        ({"product": ["x"]}, "product", "did you mean 'products'"),
    ),
)
def test_a_wrong_scope_is_refused_by_its_field(api: httpx.Client, name: str, body: dict[str, object], field: str, says: str) -> None:
    assert name
    answer = api.post("/api/v1/replays", json=body)

    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert says in answer.json()["errors"][0]["message"]


def test_a_step_needs_an_open_generation_and_a_key_that_may_write(api: httpx.Client, address: str, keys: dict[str, str]) -> None:
    assert api.post("/api/v1/replays/1/cutover", json={}).status_code == 409
    assert "no generation is open" in api.get("/api/v1/replays/diff").json()["message"]
    assert api.post("/api/v1/replays/1/jump", json={}).status_code == 404
    for path in ("/api/v1/replays", "/api/v1/replays/1/abort"):
        assert httpx.post(address + path, json={}, headers={"Authorization": f"Bearer {keys['read']}"}).status_code == 403
