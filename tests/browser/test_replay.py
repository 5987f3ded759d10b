"""A replay by clicks alone: planned, followed, compared, billed and taken back, on the running stack of the story."""

import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from contracts.catalogue import Catalogue, Expression
from pipelines import clock
from pipelines.deployment import Deployment
from pipelines.edits import Edit
from pipelines.publishing import Publisher
from pipelines.testing import Stack
from taximeter.demo.papers import Papers

PATIENCE_MS = 120_000


def publish(stack: Stack, catalogue: Catalogue) -> None:
    deployment = Deployment(stack.settings)
    publisher = Publisher(deployment.kafka, deployment.codec)
    publisher.publish(Edit([catalogue], [], "the tests", {clock.WALL: time.time_ns() // 1_000_000}))
    publisher.close()


def doubled(catalogue: Catalogue) -> Catalogue:
    """The same, but images count twice."""
    images = catalogue.metrics["images"]
    assert isinstance(images.value, str)
    other = msgspec.structs.replace(images, value=Expression(expression=f"2 * {images.value}"))
    return msgspec.structs.replace(catalogue, metrics={**catalogue.metrics, "images": other})


def state(page: Page, wanted: str) -> None:
    expect(page.locator(f"[data-generation={wanted}]")).to_be_visible(timeout=PATIENCE_MS)


def step(page: Page, label: str) -> None:
    """The button, and yes."""
    button = page.get_by_role("button", name=label, exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE_MS)
    button.click()
    page.get_by_role("dialog").get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.long
def test_the_past_is_metered_again_compared_billed_and_taken_back(page: Page, address: str, stack: Stack, story: Papers, pictures: Path) -> None:
    # given a metric that counts images twice from now on
    customer = story.contract.customer
    publish(stack, doubled(story.catalogue))
    try:
        # when a replay of images is planned by its address
        page.goto(f"{address}/replay?product=images&customer={customer}")
        expect(page.locator("[data-plan]")).to_contain_text("in scope", timeout=PATIENCE_MS)
        page.screenshot(path=pictures / "replay-plan.png", full_page=True)
        # and begun
        page.get_by_label("Note").fill("images count twice")
        page.get_by_role("button", name="Begin").click()
        state(page, "open")
        expect(page.locator("[data-progress='100']")).to_be_visible(timeout=PATIENCE_MS)
        # then the difference tells what it would change
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_text("1 of 1 customers would change")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("tr.becomes").first).to_be_visible()
        after = page.locator("[data-after]").first.inner_text()
        assert after != "51,000.00"
        page.screenshot(path=pictures / "replay.png", full_page=True)
        # when it is cut over, then the customer's bill is what was compared
        step(page, "Cut over")
        state(page, "live")
        watching = page.context.new_page()
        watching.goto(f"{address}/customers/{customer}")
        expect(watching.locator("[data-total]")).to_have_text(after, timeout=PATIENCE_MS)
        # when it is taken back, then the bill is what it was, on the page that is open
        step(page, "Take back")
        state(page, "back")
        expect(watching.locator("[data-total]")).to_have_text("51,000.00", timeout=PATIENCE_MS)
        # when it is aborted, then another one can be planned and this one is in the list
        step(page, "Abort")
        expect(page.locator("[data-plan]")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("cell", name="aborted")).to_be_visible()
        expect(page.get_by_text("images count twice")).to_be_visible()
    finally:
        publish(stack, story.catalogue)


def test_a_wrong_scope_is_told_by_its_field(page: Page, address: str) -> None:
    page.goto(f"{address}/replay?from=2025-10-01T00:30:00Z")
    expect(page.get_by_role("alert")).to_contain_text("full hours", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Begin")).to_be_disabled()
