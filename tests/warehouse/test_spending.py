"""What today's usage comes to: in proportion to the metered quantity, of drafts only, and by those alone whose drafts have changed."""

import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from console.books import Books, Papers
from console.reading import Warehouse
from console.spending import MOST, Today
from console.spreading import DAY_MS
from contracts.catalogue import Catalogue, Metric, Product, Quantity
from contracts.contract import Contract
from pipelines.document_log import Documents
from pipelines.objects import Objects
from pipelines.settings import Settings
from pipelines.warehouse.client import connect

CATALOGUE = Catalogue(
    metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v"), "high": Metric(event_types=["e"], aggregation="max", value="v")},
    products={
        "api": Product(name="API", metric="m"),
        "thousands": Product(name="By the thousand", metric="m", quantity=Quantity(divide_by=Decimal(1000))),
        "peak": Product(name="Peak", metric="high"),
    },
)
TODAY_MS = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS


class Shop:
    """Contracts of a test, and what the warehouse has of them."""

    def __init__(self, client: Client, address: str, folder: Path) -> None:
        self.client = client
        self.documents = Documents()
        self.documents.catalogues["default"] = cast("Any", SimpleNamespace(catalogue=CATALOGUE))
        books = cast("Books", SimpleNamespace(now=lambda: Papers(self.documents, Objects())))
        self.today = Today(Warehouse(lambda: connect(Settings(data=folder, clickhouse=address))), books)
        self.revision = 1

    def sign(self, name: str) -> None:
        self.documents.contracts[name] = cast("Any", SimpleNamespace(contract=Contract(id=name, customer=name, starting_at="2025-01-01")))

    def bill(self, name: str, product: str, amount: str, quantity: str, *, status: str = "draft") -> None:
        start, end = at(TODAY_MS - 3 * DAY_MS), at(TODAY_MS + 20 * DAY_MS)
        self.client.command(
            "INSERT INTO invoice_revisions (customer, contract, id, kind, status, starting_at, ending_before, issue_at, currency, total, revision, recorded_at, as_of) "
            f"VALUES ('{name}', '{name}', '{name}-{status}', 'usage', '{status}', '{start}', '{end}', '{end}', 'USD', {amount}, {self.revision}, '{start}', '{start}')"
        )
        self.client.command(
            "INSERT INTO line_revisions (customer, contract, invoice, id, kind, product, group, starting_at, ending_before, quantity, unit_price, amount, currency, deleted, revision, recorded_at, as_of) "
            f"VALUES ('{name}', '{name}', '{name}-{status}', '{name}-{status}-{product}', 'usage', '{product}', map(), '{start}', '{end}', '{quantity}', '1', {amount}, 'USD', false, {self.revision}, '{start}', '{start}')"
        )
        self.revision += 1

    def use(self, name: str, product: str, value: str, day: int) -> None:
        """Metered `day` days ago."""
        self.client.command(
            "INSERT INTO metered_usage_records (customer, catalogue, product, window_at, first_at, recorded_at, events, value, kind, source_offset) "
            f"VALUES ('{name}', 'default', '{product}', '{at(TODAY_MS - day * DAY_MS)}', now64(3), now64(3), 1, '{value}', 'metered', {uuid.uuid4().int % 10**12})"
        )

    def spent(self) -> Decimal:
        self.today._next = float("-inf")  # a test does not wait for the next look
        return self.today.look().amounts.get("USD", Decimal(0))


def at(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def shop(client: Client, address: str, tmp_path: Path) -> Shop:
    made = Shop(client, address, tmp_path)
    made.spent()  # what other tests have left is not ours
    made.today._waiting.clear()
    made.today._spent.clear()
    return made


def test_a_line_counts_with_what_was_used_today(shop: Shop) -> None:
    name = f"acme-{uuid.uuid4().hex[:8]}"
    shop.sign(name)
    # given a draft of which a quarter was used today, and a final invoice beside it
    shop.use(name, "api", "750", 2)
    shop.use(name, "api", "250", 0)
    shop.bill(name, "api", "99.99", "1000")
    shop.bill(name, "api", "500", "1000", status="final")
    # then it is a quarter of the draft, in whole cents
    assert shop.spent() == Decimal("25.00")
    # when more is used, then only what has changed is looked up again
    shop.use(name, "api", "1000", 0)
    assert shop.spent() == Decimal("25.00")
    shop.bill(name, "api", "199.98", "2000")
    assert shop.spent() == Decimal("124.99")


def test_converted_quantities_and_those_that_do_not_add_up(shop: Shop) -> None:
    name = f"acme-{uuid.uuid4().hex[:8]}"
    shop.sign(name)
    # given a product by the thousand, of which half was used today, and one of the highest value, shared out as on the chart
    for product in ("thousands", "peak"):
        shop.use(name, product, "3000", 1)
        shop.use(name, product, "3000" if product == "thousands" else "1000", 0)
    shop.bill(name, "thousands", "6", "6")
    assert shop.spent() == Decimal("3.00")
    shop.bill(name, "peak", "40", "3000")
    assert shop.spent() == Decimal("13.00")


def test_a_look_reads_some_customers_and_the_next_one_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST > 2
    monkeypatch.setattr("console.spending.MOST", 2)
    for number in range(5):
        name = f"many-{number}-{uuid.uuid4().hex[:8]}"
        shop.sign(name)
        shop.use(name, "api", "10", 0)
        shop.bill(name, "api", "1", "10")
    assert [shop.spent() for _ in range(3)] == [Decimal("2.00"), Decimal("4.00"), Decimal("5.00")]
    assert shop.today.look().waiting == 0
