"""A browser and a running stack for the tests by clicks. Without a Chromium on the machine they are skipped, and say so."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pipelines import clock
from pipelines.deployment import Deployment
from pipelines.edits import Edit
from pipelines.publishing import Publisher
from pipelines.testing import Stack, until
from taximeter.demo.month import DAY_MS, START_MS, STREAMS
from taximeter.demo.papers import Papers, papers
from taximeter.outbox import Outbox

PATIENCE_MS = 120_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="package")
def chromium() -> str:
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`, and the tests in a browser run")
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser, with nothing in it."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="package")
def stack(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="package")
def story(stack: Stack) -> Papers:
    """The customer of the demo with its October: the same sums for each day, in one event a stream and day."""
    deployment = Deployment(stack.settings)
    found = papers()
    publisher, outbox = Publisher(deployment.kafka, deployment.codec), Outbox(deployment.kafka, deployment.codec)
    clock.move(outbox.producer, deployment.codec, found.contract.clock, START_MS, publisher.partitions)
    publisher.publish(Edit([found.catalogue], [found.contract], "the tests", {clock.WALL: time.time_ns() // 1_000_000, found.contract.clock: START_MS}))
    for day in range(31):
        noon_ms = START_MS + day * DAY_MS + DAY_MS // 2
        for number, stream in enumerate(STREAMS):
            if day < stream.days:
                amount = stream.total * (day + 1) // stream.days - stream.total * day // stream.days
                outbox.send(f"{day}-{number}", found.contract.customer, stream.event_type, noon_ms, noon_ms + 50, {**stream.fixed, stream.counted: str(amount)})
    outbox.flush()
    publisher.close()
    return found


@pytest.fixture(scope="package")
def address(stack: Stack, story: Papers) -> str:
    """The console's, once the whole month is on the bill."""
    found = str(until(lambda: stack.book().get("console"), "the console has an address"))

    def billed() -> bool:
        invoices = httpx.get(f"{found}/api/v1/customers/{story.contract.customer}/invoices", timeout=60).json()["invoices"]
        return any(each["total"] == "51000.00" for each in invoices)

    until(billed, "October is on the bill")
    return found


@pytest.fixture(scope="package")
def pictures() -> Path:
    """Where screenshots are kept."""
    folder = Path("build/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
