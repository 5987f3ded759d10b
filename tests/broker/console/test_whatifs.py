"""What-if versions over the API: kept beside a contract, checked like an edit. What they come to needs rating, and is in tests/browser."""

import uuid

import httpx

CONTRACT = """
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


def test_a_whatif_is_kept_listed_replaced_and_forgotten(api: httpx.Client) -> None:
    # given a contract
    name = f"w{uuid.uuid4().hex[:8]}"
    path = f"/api/v1/contracts/{name}-c/whatifs"
    api.post("/api/v1/documents/apply", json={"text": CONTRACT.format(id=name)}).raise_for_status()
    text = api.get(f"/api/v1/contracts/{name}-c").json()["text"]
    cheaper = text + '  overrides: [{id: half, multiplier: "0.5"}]\n'

    # when a what-if is kept twice under one name
    assert api.put(f"{path}/half price", json={"text": text}).status_code == 200
    assert api.put(f"{path}/half price", json={"text": cheaper}).status_code == 200

    # then the second one is listed with its author, and the contract is what it was
    (kept,) = api.get(path).json()["whatifs"]
    assert (kept["name"], kept["author"], kept["text"]) == ("half price", "write of the tests", cheaper)
    assert api.get(f"/api/v1/contracts/{name}-c").json()["version"] == 1
    # and it is forgotten once
    assert [api.delete(f"{path}/half price").status_code for _ in range(2)] == [200, 404]
    assert api.get(path).json() == {"whatifs": []}


def test_a_wrong_whatif_is_refused_with_its_line(api: httpx.Client) -> None:
    name = f"w{uuid.uuid4().hex[:8]}"
    path = f"/api/v1/contracts/{name}-c/whatifs"
    api.post("/api/v1/documents/apply", json={"text": CONTRACT.format(id=name)}).raise_for_status()
    text = api.get(f"/api/v1/contracts/{name}-c").json()["text"]

    for given, said in (
        (text + "  overides: []\n", "did you mean 'overrides'"),
        (text.replace(f"id: {name}-c", "id: other"), "runs at the same time"),
        (text.replace(f"customer: {name}", "customer: other"), "cannot change the customer"),
    ):
        answer = api.put(f"{path}/x", json={"text": given})
        assert answer.status_code == 400, given
        assert said in answer.json()["message"]
    assert api.put(f"{path}/ x", json={"text": text}).status_code == 400
    asked = {"choice": "none", "starting_from": "2026-11-01", "starting_before": "2026-12-01"}
    assert api.get(f"{path}/compare", params=asked).status_code == 404
    assert api.get(f"{path}/compare", params=asked | {"starting_before": "2026-10-01"}).status_code == 400
