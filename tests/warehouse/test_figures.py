"""What open pages of customers ask: the figures of many at once, and again only when something has moved."""

import asyncio
import threading
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from console.figures import CROSSINGS, Figures, figures_of
from console.gathering import Gathering
from console.pages.parts import pulse as pulse_of_pages
from console.pages.parts.pulse import Pulse, Watching
from console.reading import Warehouse
from pipelines.settings import Settings
from pipelines.warehouse.client import connect
from pipelines.warehouse.reads import invoices_of
from pipelines.warehouse.stills import Still, forget
from tests.waiting import until

STARTS = ("2025-09-01 00:00:00", "2025-10-01 00:00:00", "2025-11-01 00:00:00")


class Counted(Warehouse):
    """Remembers which customers were asked for."""

    def __init__(self, address: str, folder: Path) -> None:
        super().__init__(lambda: connect(Settings(data=folder, clickhouse=address)))
        self.asked: list[Sequence[str]] = []

    def query(self, text: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        if "FROM invoice_revisions FINAL" in text:
            self.asked.append(parameters["customers"])
        return super().query(text, **parameters)


@pytest.fixture
def warehouse_of_pages(address: str, tmp_path: Path) -> Counted:
    return Counted(address, tmp_path)


def bill(client: Client, customer: str, number: int, status: str, total: str, *, revision: int = 1) -> None:
    """An invoice of the month with one line of its whole total."""
    start, end = STARTS[number], STARTS[number + 1] if number < 2 else "2025-12-01 00:00:00"
    client.command(
        "INSERT INTO invoice_revisions (customer, contract, id, kind, status, starting_at, ending_before, issue_at, currency, total, revision, recorded_at, as_of) "
        f"VALUES ('{customer}', 'k', '{customer}-{number}', 'usage', '{status}', '{start}', '{end}', '{end}', 'USD', {total}, {revision}, '{start}', '2025-10-20 00:00:00')"
    )
    client.command(
        "INSERT INTO line_revisions (customer, contract, invoice, id, kind, product, group, starting_at, ending_before, quantity, unit_price, amount, currency, deleted, revision, recorded_at, as_of) "
        f"VALUES ('{customer}', 'k', '{customer}-{number}', '{customer}-{number}-line', 'usage', 'api', map(), '{start}', '{end}', '{total}', '1', {total}, 'USD', false, {revision}, '{start}', '2025-10-20 00:00:00')"
    )


def cross(client: Client, customer: str, crossings: int) -> None:
    values = ", ".join(f"('{customer}', 'k', 'low', {number}, 'in_alarm', '{number}', '2025-10-02 00:00:00', 'USD')" for number in range(1, crossings + 1))
    client.command(f"INSERT INTO crossing_records (customer, contract, threshold, crossing, state, value, at, currency) VALUES {values}")


def test_figures_of_several_are_what_each_has(client: Client, warehouse_of_pages: Counted) -> None:
    # given two customers: one with a final, a running and a deleted draft, one with a final invoice only; and one without anything
    one, other, none = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("one", "other", "none"))
    bill(client, one, 0, "final", "10")
    bill(client, one, 1, "draft", "20")
    bill(client, one, 1, "draft", "25", revision=2)
    bill(client, one, 2, "deleted", "30")
    bill(client, other, 0, "final", "7")
    cross(client, one, CROSSINGS + 5)

    # when they are read together
    found = figures_of(warehouse_of_pages, [one, other, none])

    # then the running one has its lines, as reading it alone gives them, and the others their totals
    assert [(each.status, each.total, len(each.lines)) for each in found[one].invoices] == [("final", Decimal("10.00"), 0), ("draft", Decimal("25.00"), 1)]
    assert found[one].draft == invoices_of(client, one)[1]
    assert found[other].draft == invoices_of(client, other)[0]
    assert found[one].clock_ms == 1_760_918_400_000
    # and the latest crossings, oldest first
    assert [each.crossing for each in found[one].alerts] == list(range(6, CROSSINGS + 6))
    assert (found[none].invoices, found[none].draft, found[none].clock_ms) == ((), None, 0)


def test_readers_that_stand_still_see_nothing_of_a_cutover_before_its_end(client: Client, warehouse_of_pages: Counted) -> None:
    # given a customer, and readers that begin to stand still
    one = f"one-{uuid.uuid4().hex[:8]}"
    bill(client, one, 1, "draft", "20")
    assert totals(warehouse_of_pages, one) == [(Decimal("20.00"), Decimal("20.00"))]
    still = Still(client, uuid.uuid4().int % 10**9, 1)
    still.begin()
    try:
        # when the invoice changes, then they see it only when all has changed
        bill(client, one, 1, "draft", "25", revision=2)
        assert totals(warehouse_of_pages, one) == [(Decimal("20.00"), Decimal("20.00"))]
    finally:
        still.end()
        forget(client)
    assert totals(warehouse_of_pages, one) == [(Decimal("25.00"), Decimal("25.00"))]


def totals(warehouse: Warehouse, customer: str) -> list[tuple[Decimal, Decimal]]:
    """Of each invoice, and of its lines."""
    return [(each.total, sum((line.amount for line in each.lines), Decimal(0))) for each in figures_of(warehouse, [customer])[customer].invoices]


def test_only_those_who_have_moved_are_read_again_and_told(client: Client, warehouse_of_pages: Counted) -> None:
    # given two customers that are looked at, and one whose page is in the background
    one, other, hidden = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("one", "other", "hidden"))
    for name in (one, other, hidden):
        bill(client, name, 1, "draft", "20")

    async def look() -> None:
        pulse = Pulse(warehouse_of_pages)
        told: list[tuple[str, Decimal]] = []
        begun: list[str] = []

        def page(customer: str, *, seen: bool = True) -> Watching:
            async def hear(found: Figures) -> None:
                assert found.draft is not None
                told.append((customer, found.draft.total))

            async def slowly() -> None:
                begun.append(customer)

            return Watching(customer, hear, lambda _: None, lambda: seen, slowly)

        pages = [page(one), page(other), page(hidden, seen=False)]
        for each in pages:
            pulse.watch(each)
        await until(lambda: len(told) == 2)
        assert sorted(told) == [(one, Decimal("20.00")), (other, Decimal("20.00"))]
        # and the slow parts of all that were opened begin together, once each
        await until(lambda: len(begun) == 3)
        assert sorted(begun) == sorted((one, other, hidden))

        # when one of them moves, then it is read again and its page is told, and no other
        warehouse_of_pages.asked.clear()
        bill(client, one, 1, "draft", "25", revision=2)
        await until(lambda: len(told) == 3)
        assert told[2] == (one, Decimal("25.00"))
        assert all(customers == [one] for customers in warehouse_of_pages.asked)

        # and who has been told of a change does not wait for the next beat, but is not drawn again when nothing differs
        warehouse_of_pages.asked.clear()
        pulse.nudge(other)
        await until(lambda: [other] in warehouse_of_pages.asked)
        # and once all have left nobody is looked for
        for each in pages:
            pulse.leave(each)
        assert len(told) == 3

    asyncio.run(look())


@pytest.mark.parametrize("kept", [3, 2], ids=["few", "many"])
def test_where_customers_are_few_the_page_of_any_of_them_asks_nothing(
    client: Client, warehouse_of_pages: Counted, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    # given three customers, and a page of the first
    monkeypatch.setattr(pulse_of_pages, "KEPT", kept)
    monkeypatch.setattr(pulse_of_pages, "KEPT_BEAT_S", 0.05)
    names = sorted(f"{number}-{uuid.uuid4().hex[:8]}" for number in range(3))
    for name in names:
        bill(client, name, 1, "draft", "20")

    async def look() -> None:
        pulse = Pulse(warehouse_of_pages, lambda: names)

        watching = page_of(names[0])
        pulse.watch(watching)
        if kept < len(names):
            # when they are more than can be kept, then only those are read that somebody looks at
            await until(lambda: bool(warehouse_of_pages.asked))
            assert (await pulse.figures(names[2])).draft is not None
            assert {name for asked in warehouse_of_pages.asked for name in asked} == {names[0], names[2]}
        else:
            # when they are few, then all are read at once, and again when they move, and who comes to look waits for no question
            await until(lambda: pulse._figures.keys() == set(names))
            assert warehouse_of_pages.asked == [[names[0]], names[1:]]
            bill(client, names[2], 1, "draft", "25", revision=2)
            await until(lambda: [names[2]] in warehouse_of_pages.asked)
            warehouse_of_pages.asked.clear()
            await until(lambda: total(pulse, names[2]) == Decimal(25))
            assert (await pulse.figures(names[2])) is pulse._figures[names[2]]
            assert not warehouse_of_pages.asked
        pulse.leave(watching)

    asyncio.run(look())


def test_who_comes_when_nobody_has_looked_for_a_while_sees_what_is_now(client: Client, warehouse_of_pages: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    # given two customers that are known, and a while in which nobody looks and that is longer than looks reach back
    monkeypatch.setattr(pulse_of_pages, "BEAT_S", 0.02)
    monkeypatch.setattr(pulse_of_pages, "KEPT_BEAT_S", 0.05)
    one, other = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("one", "other"))
    for name in (one, other):
        bill(client, name, 1, "draft", "20")

    async def look() -> None:
        pulse = Pulse(warehouse_of_pages, lambda: [one, other])

        async def visit() -> None:
            watching = page_of(one)
            watching.known = await pulse.figures(one)
            pulse.watch(watching)
            await until(lambda: pulse._figures.keys() == {one, other} == pulse._looked.keys())
            pulse.leave(watching)
            assert pulse._beating is not None
            await pulse._beating

        await visit()
        monkeypatch.setattr(pulse_of_pages, "OVERLAP_MS", 1)
        for name in (one, other):
            bill(client, name, 1, "draft", "25", revision=2)
        await asyncio.sleep(0.01)
        # when somebody comes, then all that is known is as it is now
        await visit()
        assert (total(pulse, one), total(pulse, other)) == (Decimal(25), Decimal(25))

    asyncio.run(look())


def test_a_cutover_is_seen_of_customers_that_nobody_looks_at_just_now(client: Client, warehouse_of_pages: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    # given two customers of which one is looked for often, and readers that stand still
    monkeypatch.setattr(pulse_of_pages, "BEAT_S", 0.02)
    monkeypatch.setattr(pulse_of_pages, "KEPT_BEAT_S", 0.8)
    one, other = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("one", "other"))
    for name in (one, other):
        bill(client, name, 1, "draft", "20")
    still = Still(client, uuid.uuid4().int % 10**9, 1)

    async def look() -> None:
        pulse = Pulse(warehouse_of_pages, lambda: [one, other])

        watching = page_of(one)
        pulse.watch(watching)
        await until(lambda: pulse._figures.keys() == {one, other})
        still.begin()
        try:
            # when both change, and are looked for meanwhile, then they are as they were
            await until(lambda: all(pulse._under[name].on for name in (one, other)))
            marks = dict(pulse._marks)
            for name in (one, other):
                bill(client, name, 1, "draft", "25", revision=2)
            await until(lambda: all(pulse._marks.get(name) != marks.get(name) for name in (one, other)))
            assert total(pulse, other) == Decimal(20)
        finally:
            still.end()
            forget(client)
        # and when that is over, both are as they are now, whoever was looked for first
        await until(lambda: total(pulse, one) == total(pulse, other) == Decimal(25))
        pulse.leave(watching)

    asyncio.run(look())


def page_of(customer: str) -> Watching:
    """An open page that does nothing with what it is told."""

    async def nothing(_: Figures | None = None) -> None: ...

    return Watching(customer, nothing, lambda _: None, lambda: True, nothing)


def total(pulse: Pulse, customer: str) -> Decimal | None:
    found = pulse._figures[customer].draft
    return None if found is None else found.total


def test_a_page_that_opens_behind_a_pause_sees_what_is_now(client: Client, warehouse_of_pages: Counted) -> None:
    one = f"one-{uuid.uuid4().hex[:8]}"
    bill(client, one, 1, "draft", "20")

    async def look() -> None:
        # given figures from before, when nobody looked at any page
        pulse = Pulse(warehouse_of_pages)
        first = await pulse.figures(one)
        assert await pulse.figures(one) is first
        bill(client, one, 1, "draft", "25", revision=2)
        # then the next one asks anew
        found = (await pulse.figures(one)).draft
        assert found is not None
        assert found.total == Decimal("25.00")

    asyncio.run(look())


def test_questions_that_come_meanwhile_are_asked_together() -> None:
    asked: list[Sequence[str]] = []
    going = threading.Event()

    def read(customers: Sequence[str]) -> dict[str, str]:
        asked.append(customers)
        assert going.wait(60)
        return {name: name.upper() for name in customers if name != "wrong"}

    async def ask() -> None:
        gathering = Gathering(read)
        first = asyncio.create_task(gathering.ask("a"))
        await until(lambda: asked == [["a"]])
        # given a question on its way, when others come
        others = [asyncio.create_task(gathering.ask(name)) for name in ("b", "c", "b")]
        await asyncio.sleep(0)
        going.set()
        # then they are one, and each gets its own answer
        assert await asyncio.gather(first, *others) == ["A", "B", "C", "B"]
        assert asked == [["a"], ["b", "c"]]
        # and what goes wrong is told to who has asked
        with pytest.raises(KeyError):
            await gathering.ask("wrong")
        assert await gathering.ask("d") == "D"

    asyncio.run(ask())
