"""Who may do what."""

import re

import httpx
import pytest

from console.books import Change
from console.services import Services
from pipelines.objects import Object
from pipelines.testing import until


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    (
        ("ingest", "GET", "/api/v1/documents", 403),
        ("read", "GET", "/api/v1/documents", 200),
        ("read", "POST", "/api/v1/documents/apply", 403),
        ("read", "POST", "/api/v1/events", 403),
        ("write", "GET", "/api/v1/keys", 403),
        ("admin", "GET", "/api/v1/keys", 200),
        ("acme", "GET", "/api/v1/documents", 403),
        ("acme", "GET", "/api/v1/customers/acme/invoices", 200),
        ("acme", "GET", "/api/v1/customers/other/invoices", 403),
        ("acme", "GET", "/api/v1/alerts?customer=other", 403),
        ("acme", "GET", "/api/v1/alerts", 200),
        ("acme", "GET", "/api/v1/events?customer=other", 403),
    ),
)
def test_scopes(address: str, keys: dict[str, str], name: str, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, address + path, headers=bearer(keys[name]), json=[] if method == "POST" else None)

    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["errors"][0]["message"]


def test_without_a_key_nothing_opens_once_there_is_one(address: str, keys: dict[str, str]) -> None:
    assert httpx.get(f"{address}/api/v1/documents").status_code == 401
    for wrong in ("Bearer tm_0_0", "Bearer", "Basic eDp5", f"Bearer {keys['read'][:-1]}", f"Bearer {keys['read']}x"):
        assert httpx.get(f"{address}/api/v1/documents", headers={"Authorization": wrong}).status_code == 401, wrong
    assert httpx.get(f"{address}/api/v1/health").json() == {"ok": True}


def test_a_key_is_shown_once_kept_hashed_and_revoked(address: str, keys: dict[str, str], services: Services) -> None:
    made = httpx.post(f"{address}/api/v1/keys", headers=bearer(keys["admin"]), json={"scope": "read", "name": "for a report"}).json()
    key = made.pop("key")

    assert re.fullmatch(r"tm_[0-9a-f]{12}_[\w-]{43}", key)
    assert httpx.get(f"{address}/api/v1/documents", headers=bearer(key)).status_code == 200
    kept = services.books.now(0.0).objects.get("key", made["id"])
    assert kept is not None
    assert key.split("_", 2)[2] not in str(kept)
    assert kept.author == "admin of the tests"
    httpx.delete(f"{address}/api/v1/keys/{made['id']}", headers=bearer(keys["admin"])).raise_for_status()
    assert httpx.get(f"{address}/api/v1/documents", headers=bearer(key)).status_code == 401


def test_a_session_reads_and_acts_from_our_pages_only(address: str, keys: dict[str, str]) -> None:
    with httpx.Client(base_url=address) as browser:
        assert browser.post("/login", data={"key": "tm_0_0"}).status_code == 401
        entered = browser.post("/login", data={"key": keys["write"], "next": "//elsewhere.example"})
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=strict" in entered.headers["set-cookie"]
        assert browser.get("/api/v1/documents").status_code == 200
        asked = {"text": "contract: {}"}
        assert browser.post("/api/v1/documents/validate", json=asked, headers={"Origin": "http://elsewhere.example"}).status_code == 403
        assert browser.post("/api/v1/documents/validate", json=asked).status_code == 403
        assert browser.post("/api/v1/documents/validate", json=asked, headers={"Origin": address}).status_code == 400
        assert browser.get("/api/v1/documents", headers={"Host": "bent.example"}).status_code == 403
        browser.post("/logout", headers={"Origin": address})
        assert browser.get("/api/v1/documents").status_code == 401


def test_a_customers_page_opens_by_a_link_and_shows_nothing_else(address: str, keys: dict[str, str], services: Services) -> None:
    # given a customer, and a portal's server with a key of it
    services.books.commit(lambda _: Change(objects=[Object("customer", "acme", {"name": "Acme"})]), "the tests")
    made = httpx.post(f"{address}/api/v1/customers/acme/page-link", headers=bearer(keys["acme"]), json={})
    assert made.status_code == 200, made.text
    path = made.json()["path"]
    assert keys["acme"].split("_", 2)[2] not in path

    # when a browser opens the link
    with httpx.Client(base_url=address) as browser:
        entered = browser.get(path)
        assert (entered.status_code, entered.headers["location"]) == (303, "/customers/acme")
        assert entered.headers["content-security-policy"] == "frame-ancestors 'self'"
        # then it reads this customer and no other, and edits nothing
        assert browser.get("/api/v1/customers/acme").json()["name"] == "Acme"
        assert browser.get("/api/v1/customers/other").status_code == 403
        assert browser.get("/api/v1/documents").status_code == 403
        assert browser.post("/api/v1/documents/apply", json={}, headers={"Origin": address}).status_code == 403

    # and a link that somebody has changed, or a key of somebody else, opens nothing
    assert httpx.get(f"{address}{path[:-2]}xx").status_code == 403
    assert httpx.post(f"{address}/api/v1/customers/other/page-link", headers=bearer(keys["acme"]), json={}).status_code == 403
    assert httpx.post(f"{address}/api/v1/customers/nobody/page-link", headers=bearer(keys["read"]), json={}).status_code == 404


def test_a_customers_page_ends_with_its_key(address: str, keys: dict[str, str], services: Services) -> None:
    services.books.commit(lambda _: Change(objects=[Object("customer", "acme", {"name": "Acme"})]), "the tests")
    made = httpx.post(f"{address}/api/v1/keys", headers=bearer(keys["admin"]), json={"scope": "read", "name": "portal", "customer": "acme"}).json()
    path = httpx.post(f"{address}/api/v1/customers/acme/page-link", headers=bearer(made["key"]), json={}).json()["path"]
    with httpx.Client(base_url=address) as browser:
        browser.get(path)
        assert browser.get("/api/v1/customers/acme").status_code == 200
        httpx.delete(f"{address}/api/v1/keys/{made['id']}", headers=bearer(keys["admin"])).raise_for_status()
        until(lambda: browser.get("/api/v1/customers/acme").status_code == 401, "the session has ended")


def test_secrets_are_in_no_log(address: str, keys: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    httpx.get(f"{address}/api/v1/documents", headers=bearer(keys["read"]))
    httpx.post(f"{address}/login", data={"key": keys["read"]})

    assert keys["read"].split("_", 2)[2] not in "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("taximeter"))
