"""The native endpoints over real servers."""

import uuid

import httpx

from console.services import Services
from pipelines.testing import until
from tests.broker.console.crossing import crossings

CATALOGUE = """
catalogue:
  id: {id}
  currency: USD
  metrics:
    calls: {{event_types: [{id}], aggregation: sum, value: calls}}
  products:
    api: {{name: API, metric: calls}}
  rate_cards:
    list: {{rates: [{{product: api, price: {{per_unit: "0.01"}}}}]}}
---
contract: {{id: {id}-c, customer: {id}, catalogue: {id}, rate_card: list, starting_at: 2025-10-01, clock: {id}}}
"""


def applied(api: httpx.Client) -> str:
    name = f"n{uuid.uuid4().hex[:8]}"
    answer = api.post("/api/v1/documents/apply", json={"text": CATALOGUE.format(id=name)})
    assert answer.status_code == 200, answer.text
    return name


def test_documents_come_back_as_they_were_written(api: httpx.Client) -> None:
    name = applied(api)

    shown = api.get(f"/api/v1/contracts/{name}-c").json()

    assert shown["version"] == 1
    assert shown["document"] == {"id": f"{name}-c", "customer": name, "rate_card": "list", "catalogue": name, "starting_at": "2025-10-01", "clock": name}
    again = api.post("/api/v1/documents/validate", json={"text": shown["text"]})
    assert again.json() == {"valid": True, "documents": [{"kind": "contract", "id": f"{name}-c"}]}


def test_a_refusal_names_line_field_and_what_is_allowed(api: httpx.Client) -> None:
    answer = api.post("/api/v1/documents/apply", json={"text": "contract:\n  id: x\n  customer: x\n  starting_at: 2025-10-01\n  rate_crd: list\n"})

    assert answer.status_code == 400
    (wrong,) = answer.json()["errors"]
    assert wrong["field"] == "contract.rate_crd"
    assert "line 5" in wrong["message"]
    assert "did you mean 'rate_card'" in wrong["message"]


def test_the_second_of_two_editors_is_told_and_loses_nothing(api: httpx.Client) -> None:
    name = applied(api)
    text = api.get(f"/api/v1/contracts/{name}-c").json()["text"]
    first = api.post("/api/v1/documents/apply", json={"text": text.replace("2025-10-01", "2025-09-01"), "expected_versions": {f"{name}-c": 1}})

    second = api.post("/api/v1/documents/apply", json={"text": text.replace("2025-10-01", "2025-08-01"), "expected_versions": {f"{name}-c": 1}})

    assert first.status_code == 200
    assert second.status_code == 409
    assert second.json()["current"] == {f"{name}-c": 2}
    assert api.get(f"/api/v1/contracts/{name}-c").json()["document"]["starting_at"] == "2025-09-01"
    versions = until(
        lambda: (found := api.get(f"/api/v1/contracts/{name}-c/history").json()["versions"]) and len(found) == 2 and found, "both versions are in the history"
    )
    assert [each["author"] for each in versions] == ["write of the tests"] * 2
    found = api.get(f"/api/v1/contracts/{name}-c/diff", params={"from": 1, "to": 2}).json()
    assert found["changes"] == [{"path": "starting_at", "before": "2025-10-01", "after": "2025-09-01"}]


def test_a_repeated_request_is_carried_out_once(api: httpx.Client) -> None:
    name = applied(api)
    text = api.get(f"/api/v1/contracts/{name}-c").json()["text"]
    once = {"Idempotency-Key": uuid.uuid4().hex}

    answers = [api.post("/api/v1/documents/apply", json={"text": text}, headers=once).json() for _ in range(3)]
    other = api.post("/api/v1/documents/apply", json={"text": text + "# more\n"}, headers=once)

    assert [each["repeated"] for each in answers] == [False, True, True]
    assert [each["documents"] for each in answers] == [[{"kind": "contract", "id": f"{name}-c", "version": 2}]] * 3
    assert other.status_code == 409
    assert api.get(f"/api/v1/contracts/{name}-c").json()["version"] == 2


def test_events_are_durable_and_can_be_searched(api: httpx.Client, address: str, keys: dict[str, str]) -> None:
    name = f"e{uuid.uuid4().hex[:8]}"
    event = {"transaction_id": name, "customer": name, "event_type": "call", "timestamp": "2026-11-25T10:00:00Z", "properties": {"calls": "5", "ok": True}}

    sent = httpx.post(f"{address}/api/v1/events", json=[event], headers={"Authorization": f"Bearer {keys['ingest']}"})

    assert sent.json() == {"accepted": 1}
    (found,) = until(lambda: api.get("/api/v1/events", params={"transaction_id": name}).json()["events"], "the event is in the warehouse")
    assert (found["customer"], found["timestamp"], found["properties"]) == (name, "2026-11-25T10:00:00Z", {"calls": "5", "ok": "true"})


def test_bad_events_are_refused_as_a_whole_by_field(api: httpx.Client, address: str, keys: dict[str, str]) -> None:
    good = {"transaction_id": "a", "customer": "c", "event_type": "call", "timestamp": "2026-11-25T10:00:00Z"}
    headers = {"Authorization": f"Bearer {keys['ingest']}"}
    for bad, field in (
        ({"timestamp": "today"}, "[1].timestamp"),
        ({"transaction_id": ""}, "[1].transaction_id"),
        ({"properties": {"x": 0.5}}, "[1].properties[...]"),
        ({"custmer": "x"}, "[1]"),
    ):
        answer = httpx.post(f"{address}/api/v1/events", json=[good, good | bad], headers=headers)
        assert answer.status_code == 400, bad
        assert answer.json()["errors"][0]["field"] == field
    assert httpx.post(f"{address}/api/v1/events", content=b"[" + b" " * 5_000_000 + b"]", headers=headers).status_code == 413


def test_rejects_are_mended_and_sent_again(api: httpx.Client, address: str, keys: dict[str, str]) -> None:
    name = f"r{uuid.uuid4().hex[:8]}"
    old = {"transaction_id": name, "customer": name, "event_type": "call", "timestamp": "2020-01-01T00:00:00Z", "properties": {"calls": "5"}}
    httpx.post(f"{address}/api/v1/events", json=[old], headers={"Authorization": f"Bearer {keys['ingest']}"}).raise_for_status()
    (reject,) = until(lambda: api.get("/api/v1/rejects", params={"customer": name}).json()["rejects"], "the event is rejected")
    assert reject["reason"] == "too_old"

    mended = reject["event"] | {"timestamp": 1_795_600_000_000, "transaction_id": f"{name}-mended"}
    sent = api.post("/api/v1/rejects/resend", json={"rejects": [{"partition": reject["partition"], "offset": reject["offset"], "event": mended}]})

    assert sent.json() == {"sent": 1}
    until(lambda: api.get("/api/v1/events", params={"transaction_id": f"{name}-mended"}).json()["events"], "the mended event arrives")


def test_clocks_are_moved_and_never_the_wall(api: httpx.Client) -> None:
    name = f"k{uuid.uuid4().hex[:8]}"

    moved = api.put(f"/api/v1/clocks/{name}", json={"now": "2025-10-31T23:00:00Z"})
    wall = api.put("/api/v1/clocks/wall", json={"now": "2025-10-31T23:00:00Z"})

    assert moved.status_code == 200
    assert {"id": name, "now": "2025-10-31T23:00:00Z"} in api.get("/api/v1/clocks").json()["clocks"]
    assert wall.status_code == 400


def test_the_audit_names_who_edited_what(api: httpx.Client, address: str, keys: dict[str, str]) -> None:
    name = applied(api)
    headers = {"Authorization": f"Bearer {keys['admin']}"}

    def edits() -> list[dict[str, object]]:
        found: list[dict[str, object]] = httpx.get(f"{address}/api/v1/audit", params={"id": f"{name}-c"}, headers=headers).json()["edits"]
        return found

    (edit,) = until(edits, "the edit is in the audit")
    assert (edit["kind"], edit["version"], edit["author"]) == ("contract", 1, "write of the tests")
    assert api.get("/api/v1/audit").status_code == 403


def test_the_api_is_documented(address: str) -> None:
    found = httpx.get(f"{address}/api/openapi.json").json()

    assert {"/api/v1/documents/apply", "/api/v1/events", "/v1/ingest", "/v2/contracts/edit", "/v1/holds"} <= found["paths"].keys()
    for path, methods in found["paths"].items():
        for method, route in methods.items():
            assert route.get("summary"), (method, path)


def test_crossings_come_as_server_sent_events(api: httpx.Client, services: Services) -> None:
    name = f"s{uuid.uuid4().hex[:8]}"
    with httpx.stream("GET", str(api.base_url.join("/api/v1/alerts/stream")), params={"customer": name}, headers=api.headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        crossings(services, name, 1)
        seen = []
        for line in lines:
            seen.append(line)
            if line.startswith("data: "):
                break
    assert "event: crossing" in seen
    assert f"id: {name}/k/low/1/in_alarm" in seen
