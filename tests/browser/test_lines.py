"""Every kind of line is explained by clicks, from the invoice down to the ids of events."""

import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from contracts.timeline import iso
from pipelines import clock
from pipelines.deployment import Deployment
from pipelines.edits import Edit
from pipelines.publishing import Publisher
from pipelines.testing import Stack, until
from taximeter.outbox import Outbox
from tests.unit.contracts.test_grounds import CATALOGUE, CONTRACT, HOUR, NOVEMBER, OCTOBER

PATIENCE_MS = 60_000
NAME = "lines"
KINDS = ("usage", "commit", "charge", "subscription", "composite", "minimum", "maximum", "discount", "true_up")


TURN = """hidden => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})
  document.dispatchEvent(new Event('visibilitychange'))
}"""


@pytest.fixture
def lines(stack: Stack, address: str) -> dict[str, dict[str, Any]]:
    """A line of each kind, with its invoice, in the last hour before it is final."""
    deployment = Deployment(stack.settings)
    publisher, outbox = Publisher(deployment.kafka, deployment.codec), Outbox(deployment.kafka, deployment.codec)
    if httpx.get(f"{address}/api/v1/customers/{NAME}", timeout=60).status_code == 404:
        _publish(deployment, publisher, outbox)
    publisher.close()

    def found() -> dict[str, dict[str, Any]] | None:
        invoices = httpx.get(f"{address}/api/v1/customers/{NAME}/invoices", timeout=60).json()["invoices"]
        by_kind = {line["kind"]: line | {"invoice": each["id"]} for each in invoices for line in each["lines"] if float(line["amount"])}
        return by_kind if set(KINDS) <= set(by_kind) else None

    made: dict[str, dict[str, Any]] = until(found, f"there is a line of each kind on {iso(NOVEMBER)}")
    return made


def _publish(deployment: Deployment, publisher: Publisher, outbox: Outbox) -> None:
    clock.move(outbox.producer, deployment.codec, NAME, OCTOBER, publisher.partitions)
    catalogue = msgspec.structs.replace(CATALOGUE, id=NAME)
    contract = msgspec.structs.replace(CONTRACT, id=NAME, customer=NAME, catalogue=NAME, clock=NAME)
    publisher.publish(Edit([catalogue], [contract], "the tests", {clock.WALL: time.time_ns() // 1_000_000, NAME: OCTOBER}))
    outbox.send("line-event", NAME, "e", OCTOBER + HOUR, OCTOBER + HOUR, {"v": "100"})
    outbox.flush()
    clock.move(outbox.producer, deployment.codec, NAME, NOVEMBER + 23 * HOUR, publisher.partitions)


def test_every_kind_of_line_leads_to_events(page: Page, address: str, lines: dict[str, dict[str, Any]], pictures: Path) -> None:
    for kind in KINDS:
        # given the invoice, when the line is clicked
        line = lines[kind]
        page.goto(f"{address}/invoices/{line['invoice']}")
        page.locator(f"[data-line='{line['id']}'] a").click()
        expect(page.get_by_role("heading", name="How this line came about")).to_be_visible()
        expect(page.locator("pre").first).to_contain_text(kind, timeout=PATIENCE_MS)
        if kind in ("charge", "subscription"):  # fixed amounts: the term is all there is
            expect(page.get_by_role("heading", name="Where it comes from")).to_be_visible()
            expect(page.locator("pre").first).to_contain_text(f"of {NAME}")
            continue
        if kind not in ("usage", "commit"):
            # then the term is told, and the lines that it is worked out from lead on
            expect(page.get_by_role("heading", name="Where it comes from")).to_be_visible()
            page.screenshot(path=pictures / f"line-{kind}.png", full_page=True)
            page.get_by_role("region", name="Lines that it is worked out from").get_by_role("link", name="p", exact=True).or_(
                page.get_by_role("region", name="Lines that it is worked out from").get_by_role("link", name="q", exact=True)
            ).first.click()
        # down to the event
        expect(page.get_by_role("link", name="line-event")).to_be_visible(timeout=PATIENCE_MS)


def test_a_page_in_the_background_stands_still_and_catches_up(page: Page, stack: Stack, address: str, lines: dict[str, dict[str, Any]]) -> None:
    # given a page of a customer, in a tab that is in the background
    assert lines
    page.goto(f"{address}/customers/{NAME}")
    total = page.locator("[data-total]")
    expect(total).to_be_visible(timeout=PATIENCE_MS)
    before = total.inner_text()
    page.evaluate(TURN, True)
    # when something changes, which another page shows
    other = page.context.new_page()
    other.goto(f"{address}/customers/{NAME}")
    expect(other.locator("[data-total]")).to_have_text(before, timeout=PATIENCE_MS)
    deployment = Deployment(stack.settings)
    outbox = Outbox(deployment.kafka, deployment.codec)
    at_ms = NOVEMBER + 23 * HOUR
    outbox.send("later-event", NAME, "e", NOVEMBER + 2 * HOUR, at_ms, {"v": "1000"})
    outbox.flush()
    expect(other.locator("[data-total]")).not_to_have_text(before, timeout=PATIENCE_MS)
    after = other.locator("[data-total]").inner_text()
    # then the one in the background has not moved, and does so once it is seen
    assert total.inner_text() == before
    page.evaluate(TURN, False)
    expect(total).to_have_text(after, timeout=PATIENCE_MS)
