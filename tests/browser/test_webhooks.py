"""Dead letters on the alerts page: seen, and sent again by a click."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, expect

from taximeter.demo.papers import Papers

PATIENCE_MS = 60_000


class Receiver(HTTPServer):
    """Says that nothing is here any more until it is told otherwise."""

    status = 410


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_dead_letter_is_sent_again_by_a_click(browser: Browser, address: str, story: Papers, receiver: Receiver) -> None:
    # given a webhook at which nothing is any more, and a threshold that is crossed
    customer = story.contract.customer
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    made = httpx.post(f"{address}/api/v1/webhooks", json={"url": url, "customer": customer}).json()
    contract = httpx.get(f"{address}/api/v1/contracts/{story.contract.id}").json()["document"]
    thresholds = [*contract.get("thresholds", []), {"id": "one", "measure": "spend", "at": "1"}]
    httpx.post(f"{address}/api/v1/documents/apply", json={"text": json.dumps({"contract": contract | {"thresholds": thresholds}})}).raise_for_status()
    page = browser.new_page()
    try:
        # when somebody looks at the alerts
        for _ in range(60):
            page.goto(f"{address}/alerts?customer={customer}")
            page.get_by_text(url).wait_for(timeout=PATIENCE_MS)
            if page.locator("[data-letter=dead]").count():
                break
        # then the dead letter is there with the answer, and is sent again by a click
        expect(page.locator("[data-letter=dead]")).to_contain_text("410")
        receiver.status = 200
        page.get_by_role("button", name="Send again").click()
        expect(page.locator("[data-letter=dead]")).to_have_count(0, timeout=PATIENCE_MS)
    finally:
        page.close()
        httpx.request("DELETE", f"{address}/api/v1/webhooks/{made['id']}", json={})
