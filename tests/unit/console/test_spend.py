"""Charts of spend: asked for together, and kept for a while that follows from how long they took."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import pytest

from console.days import Days, Running
from console.pages.parts import spend
from console.pages.parts.spend import KEPT, KEPT_S, TIMES, Charts, Wanted
from console.reading import Warehouse
from contracts.contract import Contract
from contracts.result import Invoice, Line

DAY_MS = 86_400_000
START_MS = 1_759_276_800_000


def wanted(name: str, price: str = "0.01", changes: int = 1) -> Wanted:
    line = Line(f"line {price}", "usage", "calls", {}, START_MS, START_MS + DAY_MS, Decimal(1), Decimal(price), None, Decimal("1.00"), None, None)
    invoice = Invoice(name, "ann", "ann-c", "usage", "draft", START_MS, START_MS + DAY_MS, START_MS + DAY_MS, "USD", (line,), Decimal("1.00"))
    return Wanted(Running(Contract(id="ann-c", customer="ann", rate_card="list", starting_at="2025-10-01"), invoice), {"calls": "Calls"}, changes)


class Asked:
    """What the warehouse was asked, and the time that this takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes_s: float) -> None:
        self.now = 1_000.0
        self.questions: list[list[str]] = []
        self._takes_s = takes_s
        monkeypatch.setattr(spend, "days_of", self._days_of)
        monkeypatch.setattr("console.pages.parts.spend.time.monotonic", lambda: self.now)

    def _days_of(self, _warehouse: Any, running: Sequence[Running]) -> list[Days]:
        self.questions.append([each.invoice.id for each in running])
        self.now += self._takes_s
        return [{START_MS: {"calls": Decimal("1.00")}} for _ in running]


@pytest.fixture
def charts() -> Charts:
    return Charts(cast("Warehouse", None))  # nothing is asked but `days_of`


def test_pages_of_one_invoice_share_a_chart_for_a_while(monkeypatch: pytest.MonkeyPatch, charts: Charts) -> None:
    asked = Asked(monkeypatch, takes_s=0.1)

    async def look() -> None:
        first = await asyncio.gather(charts.ask(wanted("one")), charts.ask(wanted("one")), charts.ask(wanted("two")))
        assert first[0] == first[1]
        assert "Calls" in first[0]
        assert asked.questions == [["one", "two"]]
        asked.now += 0.1 * TIMES - 0.01
        assert await charts.ask(wanted("one")) is first[0]
        asked.now += 0.02
        await charts.ask(wanted("one"))
        assert asked.questions == [["one", "two"], ["one"]]

    asyncio.run(look())


def test_however_long_it_took_it_is_kept_for_half_a_minute_at_most(monkeypatch: pytest.MonkeyPatch, charts: Charts) -> None:
    asked = Asked(monkeypatch, takes_s=10.0)

    async def look() -> None:
        await charts.ask(wanted("one"))
        asked.now += KEPT_S
        await charts.ask(wanted("one"))
        assert len(asked.questions) == 2

    asyncio.run(look())


def test_another_price_or_another_document_is_another_chart(monkeypatch: pytest.MonkeyPatch, charts: Charts) -> None:
    asked = Asked(monkeypatch, takes_s=1.0)

    async def look() -> None:
        for each in (wanted("one"), wanted("one", price="0.005"), wanted("one", changes=2)):
            await charts.ask(each)
        assert asked.questions == [["one"]] * 3

    asyncio.run(look())


def test_as_many_are_kept_as_may_be(monkeypatch: pytest.MonkeyPatch, charts: Charts) -> None:
    asked = Asked(monkeypatch, takes_s=1.0)

    async def look() -> None:
        for number in range(KEPT + 1):
            await charts.ask(wanted(f"invoice {number}"))
        await charts.ask(wanted("invoice 0"))
        assert len(asked.questions) == KEPT + 2

    asyncio.run(look())
