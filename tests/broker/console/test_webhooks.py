"""Crossings reach a receiver: signed, in order, also when it fails and when the sender is killed."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from console.services import Services
from pipelines.testing import Stack, until
from tests.broker.console.crossing import crossings


class Receiver:
    """Answers with the statuses it is told, 204 when there are none left; keeps what came."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.statuses.pop(0) if outer.statuses else 204
                outer.came.append((dict(self.headers.items()), body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, customer: str) -> list[int]:
        """Numbers of the crossings of a customer, in the order in which they came."""
        return [data["crossing"] for _, body in self.came if (data := json.loads(body)["data"])["customer"] == customer]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def admin(address: str, keys: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {keys['admin']}"}, timeout=60) as client:
        yield client


def webhook(admin: httpx.Client, receiver: Receiver, customer: str) -> str:
    made: str = admin.post("/api/v1/webhooks", json={"url": receiver.url, "customer": customer}).json()["id"]
    return made


def found(admin: httpx.Client, customer: str, state: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = admin.get("/api/v1/deliveries", params={"customer": customer, "state": state}).json()["deliveries"]
    return rows


def test_a_crossing_is_signed_and_comes_once(admin: httpx.Client, services: Services, receiver: Receiver) -> None:
    customer = uuid.uuid4().hex[:8]
    name = webhook(admin, receiver, customer)

    crossings(services, customer, 1, 1, 2)  # RATE may emit one again

    until(lambda: len(found(admin, customer, "delivered")) == 2, "both are delivered")
    assert receiver.told(customer) == [1, 2]
    headers, body = receiver.came[0]
    (secret,) = admin.get(f"/api/v1/webhooks/{name}/secret").json()["secrets"]
    told = Webhook(secret).verify(body, headers)
    assert (told["type"], told["data"]["customer"], told["data"]["crossing"]) == ("threshold.crossed", customer, 1)
    assert headers["webhook-id"] == f"{customer}/k/low/1/in_alarm"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    assert secret not in str(services.books.now(0.0).objects.get("webhook", name))


def test_both_keys_sign_after_a_rotation(admin: httpx.Client, services: Services, receiver: Receiver) -> None:
    customer = uuid.uuid4().hex[:8]
    name = webhook(admin, receiver, customer)
    (old,) = admin.get(f"/api/v1/webhooks/{name}/secret").json()["secrets"]
    admin.post(f"/api/v1/webhooks/{name}/rotate", json={}).raise_for_status()
    new, kept = admin.get(f"/api/v1/webhooks/{name}/secret").json()["secrets"]

    crossings(services, customer, 1)

    until(lambda: receiver.told(customer), "it comes")
    headers, body = receiver.came[0]
    assert kept == old
    for secret in (old, new):
        Webhook(secret).verify(body, headers)


def test_a_failure_keeps_the_order_and_survives_a_kill(admin: httpx.Client, services: Services, receiver: Receiver, stack: Stack) -> None:
    customer, other = uuid.uuid4().hex[:8], uuid.uuid4().hex[:8]
    webhook(admin, receiver, customer)
    receiver.statuses = [500]
    crossings(services, customer, 1, 2)
    until(lambda: [each for each in found(admin, customer, "pending") if each["attempts"] == 1], "the first attempt has failed")

    former = stack.kill("alerts")
    webhook(admin, receiver, other)
    crossings(services, other, 1)
    stack.back("alerts", former)

    until(lambda: len(found(admin, customer, "delivered")) == 2, "both are delivered")
    assert receiver.told(customer) == [1, 1, 2]
    until(lambda: receiver.told(other) == [1], "the other customer did not wait for them")


def test_dead_letters_are_seen_and_sent_again(admin: httpx.Client, services: Services, receiver: Receiver) -> None:
    customer = uuid.uuid4().hex[:8]
    name = webhook(admin, receiver, customer)
    receiver.statuses = [410]
    crossings(services, customer, 1)
    (dead,) = until(lambda: found(admin, customer, "dead"), "it is a dead letter")
    assert dead["result"].startswith("410")

    admin.post("/api/v1/deliveries/resend", json={"deliveries": [{"webhook": name, "message": dead["message"]}]}).raise_for_status()

    until(lambda: found(admin, customer, "delivered"), "it is delivered")
    assert receiver.told(customer) == [1, 1]


def test_a_webhook_that_was_removed_hears_nothing(admin: httpx.Client, services: Services, receiver: Receiver) -> None:
    customer = uuid.uuid4().hex[:8]
    name = webhook(admin, receiver, customer)
    receiver.statuses = [500]
    crossings(services, customer, 1)
    until(lambda: [each for each in found(admin, customer, "pending") if each["attempts"] == 1], "the first attempt has failed")

    admin.request("DELETE", f"/api/v1/webhooks/{name}", json={}).raise_for_status()

    (dead,) = until(lambda: found(admin, customer, "dead"), "it is a dead letter")
    assert dead["result"] == "the webhook was removed"
    assert receiver.told(customer) == [1]


def test_addresses_that_are_none_are_refused(admin: httpx.Client) -> None:
    for url in ("ftp://x", "http://", "nowhere", "https://user:secret@receiver.example/x"):
        refused = admin.post("/api/v1/webhooks", json={"url": url})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "url")
