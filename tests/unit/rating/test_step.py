"""RATE's step, record by record: fences, order, splits, what is published, and what an outbox is for."""

from decimal import Decimal
from typing import Any

import pytest

from pipelines.rating import step, sweeps
from pipelines.rating.emission import BATCH_ROWS, batches
from pipelines.rating.routes import Routes
from pipelines.rating.step import Input, Partition, Write
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METERED_USAGE
from tests.property.rating.test_step import CATALOGUE, contract
from tests.property.rating.world import DAY_MS, HOUR_MS, OCTOBER_MS, Table, World, delta

OCTOBER_OVER_MS = OCTOBER_MS + 32 * DAY_MS


@pytest.fixture
def world() -> World:
    """One partition, a catalogue, and two customers; everything is rated and published."""
    made = World(1, 0)
    made.publish(CATALOGUE.format(price="0.01"), contract("ann"), contract("bob"))
    made.run()
    return made


def metered(offset: int, *deltas: dict[str, Any], documents: int = -1) -> Input:
    return Input(METERED_USAGE.name, offset, OCTOBER_MS + offset, {"kind": "metered", "documents": documents, "deltas": list(deltas)})


def turn(worker: Partition, table: Table, *, watched: bool = False) -> Write:
    """One turn, written but not published."""
    worker.work(watched=watched)
    write = worker.take()
    assert write is not None
    table.take(write.rows)
    return write


def lines(write: Write) -> dict[tuple[str, str], tuple[str, Decimal]]:
    return {
        (line["customer"], line["product"]): (line["quantity"], line["amount"]) for batch in write.rated for line in batch["lines"] if not line["deleted"]
    }


def test_only_what_changed_is_published(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("ann", "calls", "7")))
    write = turn(worker, table)
    assert lines(write) == {("ann", "calls"): ("7", Decimal("0.07"))}
    assert [invoice["total"] for batch in write.rated for invoice in batch["invoices"]] == [Decimal("0.07")]
    assert write.settled == {METERED_USAGE.name: 1}


def test_results_are_awaited_when_a_document_was_applied(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    for offset, published in enumerate(([], [contract("cy")], [])):
        end = len(world.topics[CONTRACT_CHANGES.name][0])
        world.publish(*published)
        worker.put(metered(offset, delta("ann", "calls", "1")))
        for record in world.topics[CONTRACT_CHANGES.name][0][end:]:
            worker.put(record)
        assert turn(worker, table).awaited == bool(published)


def test_several_records_in_line_are_one_write(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    for offset in range(5):
        worker.put(metered(offset, delta("ann", "calls", "1"), delta("bob", "calls", "1")))
    write = turn(worker, table)
    assert lines(write) == {("ann", "calls"): ("5", Decimal("0.05")), ("bob", "calls"): ("5", Decimal("0.05"))}
    assert write.settled == {METERED_USAGE.name: 5}
    assert not worker.busy


def test_a_record_that_is_applied_already_is_only_settled(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("ann", "calls", "7")))
    turn(worker, table)
    # given: another owner, to whom the record comes again because its offset was never committed
    worker = Partition(0, 1, table, 9)
    worker.put(metered(0, delta("ann", "calls", "7")))
    # then: the result is published again, under a higher revision, with the same quantity
    write = turn(worker, table)
    assert lines(write)["ann", "calls"] == ("7", Decimal("0.07"))
    assert {batch["revision"] >> 32 for batch in write.rated} == {9}
    assert write.settled == {METERED_USAGE.name: 1}


def test_what_was_published_is_not_published_again(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("ann", "calls", "7")))
    write = turn(worker, table)
    assert write.outbox is not None
    worker.published(write.outbox)
    table.take(worker.tidy())
    write = turn(Partition(0, 1, table, 9), table)
    assert (write.rated, write.balances, write.crossings) == ([], [], [])


def test_a_line_that_is_no_more_is_published_once_more_as_deleted_also_after_a_crash(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    world.publish(contract("ann", "  overrides: [{id: none, products: [calls], entitled: false}]"))
    worker.put(world.topics[CONTRACT_CHANGES.name][0][-1])
    gone = [line for batch in turn(worker, table).rated for line in batch["lines"] if line["deleted"]]
    assert [(line["product"], line["quantity"], line["amount"]) for line in gone] == [("calls", "0", Decimal(0))]
    # when: the worker stops before it has published that
    again = [line for batch in turn(Partition(0, 1, table, 9), table).rated for line in batch["lines"] if line["deleted"]]
    assert again == gone


def test_usage_waits_for_the_documents_that_meter_knew(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    behind = len(world.topics[CONTRACT_CHANGES.name][0])
    world.publish(contract("cy"))
    worker.put(metered(0, delta("cy", "calls", "7"), documents=behind + 1))
    worker.put(metered(1, delta("ann", "calls", "1")))
    assert not worker.busy
    worker.put(world.topics[CONTRACT_CHANGES.name][0][-1])
    write = turn(worker, table)
    assert lines(write)["cy", "calls"] == ("7", Decimal("0.07"))
    assert write.settled == {METERED_USAGE.name: 2, CONTRACT_CHANGES.name: behind + 1}


def test_a_long_record_is_split_between_accounts_and_settled_at_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    worker, table = world.workers[0], world.tables[0]
    record = metered(0, delta("ann", "calls", "1"), delta("bob", "calls", "2"), delta("ann", "bytes", "3"))
    worker.put(record)
    first = turn(worker, table)
    assert set(lines(first)) == {("ann", "calls"), ("ann", "bytes")}
    assert first.settled == {}
    # when: the worker stops here, and the record comes again
    worker = Partition(0, 1, table, 9)
    worker.put(record)
    later = [turn(worker, table)]
    while worker.busy:
        later.append(turn(worker, table))
    assert lines(later[-1])["bob", "calls"] == ("2", Decimal("0.02"))
    assert {value for write in later for key, value in lines(write).items() if key[0] == "ann"} == {("1", Decimal("0.01")), ("3", Decimal("0.30"))}
    assert later[-1].settled == {METERED_USAGE.name: 1}


def test_a_new_owner_goes_on_within_records_that_were_applied_together_though_it_has_only_some_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: two records applied together, of which one account is applied
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    worker, table = world.workers[0], world.tables[0]
    records = [metered(0, delta("bob", "calls", "1")), metered(1, delta("ann", "calls", "5"), delta("bob", "calls", "2"))]
    for record in records:
        worker.put(record)
    first = turn(worker, table)
    assert lines(first) == {("bob", "calls"): ("3", Decimal("0.03"))}
    assert first.settled == {}
    # when: the next owner applies the first record before it has the second
    worker = Partition(0, 1, table, 9)
    worker.put(records[0])
    turns = [turn(worker, table)]
    while worker.busy:
        turns.append(turn(worker, table))
    assert turns[-1].settled == {METERED_USAGE.name: 1}
    worker.put(records[1])
    while worker.busy:
        turns.append(turn(worker, table))
    # then
    assert [lines(each)["ann", "calls"] for each in turns if ("ann", "calls") in lines(each)] == [("5", Decimal("0.05"))]
    assert {lines(each)["bob", "calls"] for each in turns if ("bob", "calls") in lines(each)} == {("3", Decimal("0.03"))}
    assert turns[-1].settled == {METERED_USAGE.name: 2}


def test_accounts_of_which_each_event_is_watched_come_first_and_then_those_in_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: writes of one account; of three customers only `bob` is in memory
    world.publish(contract("cy"))
    world.run()
    worker, table = Partition(0, 1, world.tables[0], 9), world.tables[0]
    worker.put(metered(0, delta("bob", "calls", "1")))
    turn(worker, table)
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    # when
    worker.put(metered(1, delta("ann", "calls", "1"), delta("bob", "calls", "1"), delta("cy", "calls", "1", sequence=0)))
    writes = []
    while worker.busy:
        writes.append(turn(worker, table))
    # then
    assert [customer for write in writes for customer, _ in lines(write)] == ["cy", "bob", "ann"]


def test_usage_is_read_on_until_enough_can_be_applied_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "TOGETHER", 3)
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("ann", "calls", "1"), delta("bob", "calls", "1")))
    assert worker.hungry
    worker.put(metered(1, delta("ann", "calls", "1")))
    assert not worker.hungry
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    turn(worker, table)
    assert not worker.hungry, "what was begun comes first"
    turn(worker, table)
    assert worker.hungry


def test_what_nobody_watches_may_be_left_and_is_applied_together_later(world: World) -> None:
    # given: in each record usage of somebody who is watched and of others, and turns for the watched alone
    worker, table = world.workers[0], world.tables[0]
    shown = []
    for offset in range(3):
        worker.put(metered(offset, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
        shown.append(turn(worker, table, watched=True))
        assert worker.busy
        assert worker.hungry
        assert not worker.begun, "nothing that has to be gone on with at once"
    assert [sorted(lines(write)) for write in shown] == [[("ann", "calls")]] * 3
    assert worker.applied(METERED_USAGE.name) == 0
    # when: it is replaced, and the records come again, one by one
    worker = Partition(0, 1, table, 2)
    worker.put(metered(0, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
    first = lines(turn(worker, table))
    worker.put(metered(1, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
    worker.put(metered(2, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
    worker.work(watched=True)
    assert worker.take() is None, "the watched one is applied"
    second = lines(turn(worker, table))
    # then: nothing counts twice, and nothing is left
    assert (first["bob", "calls"][0], second["bob", "calls"][0]) == ("1", "3")
    assert ("ann", "calls") not in second
    assert not worker.busy


@pytest.mark.parametrize("behind", ["document", "record"])
def test_nothing_is_left_when_something_stands_behind_it(world: World, behind: str) -> None:
    # given: usage that nobody watches, left by a turn
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
    turn(worker, table, watched=True)
    # when: a document comes, or watched usage that METER made with knowledge of another document
    end = len(world.topics[CONTRACT_CHANGES.name][0])
    world.publish(contract("cy"))
    for record in world.topics[CONTRACT_CHANGES.name][0][end:]:
        worker.put(record)
    if behind == "record":
        turn(worker, table)
        worker.put(metered(1, delta("bob", "calls", "1"), delta("ann", "calls", "1", sequence=0)))
        turn(worker, table, watched=True)
        late = metered(2, delta("ann", "calls", "1", sequence=0))
        worker.put(late._replace(value=late.value | {"documents": end + 1}))
    write = turn(worker, table, watched=True)
    # then: all of it is applied, that too
    assert ("bob", "calls") in lines(write)
    assert not worker.busy


def test_a_record_of_many_turns_is_grouped_by_account_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a record for 40 ids that nobody knows yet, one in a write
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    asked: list[str] = []
    root = Routes.root

    def counting(routes: Routes, customer: str) -> str:
        asked.append(customer)
        return root(routes, customer)

    monkeypatch.setattr(Routes, "root", counting)
    worker, table = world.workers[0], world.tables[0]
    ids = [f"id-{number}" for number in range(40)]
    worker.put(metered(0, *(delta(each, "calls", "1") for each in ids)))
    # when
    turns = 0
    while worker.busy:
        turn(worker, table)
        turns += 1
    # then
    assert turns >= len(ids)
    assert asked == ids


def test_an_alias_that_appears_within_a_record_takes_the_rest_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a record of which one account is applied
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    worker, table = world.workers[0], world.tables[0]
    worker.put(metered(0, delta("bob", "calls", "1"), delta("ann-old", "calls", "2")))
    turn(worker, table)
    # when: the other id becomes an alias
    end = len(world.topics[CONTRACT_CHANGES.name][0])
    world.publish(contract("ann", "  aliases: [ann-old]"))
    for record in world.topics[CONTRACT_CHANGES.name][0][end:]:
        worker.put(record)
    writes = []
    while worker.busy:
        writes.append(turn(worker, table))
    # then: its usage is that customer's
    billed = [lines(write)["ann", "calls"] for write in writes if ("ann", "calls") in lines(write)]
    assert billed[-1] == ("2", Decimal("0.02"))
    assert "ann-old" not in {key[0] for write in writes for key in lines(write)}


def test_a_tick_waits_until_it_is_released_and_then_makes_invoices_final(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    worker.put(Input(CLOCK.name, 0, 0, {"clock": "october", "now": OCTOBER_OVER_MS}))
    assert not worker.busy
    worker.put(metered(0, delta("ann", "calls", "7")))
    turn(worker, table)
    mark = worker.mark()
    assert mark == 0
    worker.release(mark)
    write = turn(worker, table)
    assert write.awaited is True, "by who moved the test clock"
    states = {(each["customer"], each["status"], each["total"]) for batch in write.rated for each in batch["invoices"] if each["starting_at"] == OCTOBER_MS}
    assert states == {("ann", "final", Decimal("0.07")), ("bob", "final", Decimal("0.00"))}
    assert write.settled == {CLOCK.name: 1}


def test_a_tick_with_nothing_due_writes_nothing(world: World) -> None:
    worker = world.workers[0]
    for offset in range(3):
        worker.put(Input(CLOCK.name, offset, 0, {"clock": "october", "now": OCTOBER_MS + offset * HOUR_MS}))
    worker.release(2)
    worker.work()
    write = worker.take()
    assert write is not None
    assert (write.rows, write.rated, write.settled) == ({}, [], {CLOCK.name: 3})


def test_a_catalogue_is_settled_when_the_last_account_knows_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "SWEPT_ACCOUNTS", 1)
    worker, table = world.workers[0], world.tables[0]
    end = len(world.topics[CONTRACT_CHANGES.name][0])
    world.publish(CATALOGUE.format(price="0.03"))
    worker.put(world.topics[CONTRACT_CHANGES.name][0][-1])
    writes = [turn(worker, table)]
    while worker.busy:
        writes.append(turn(worker, table))
    assert [write.settled for write in writes if write.settled] == [{CONTRACT_CHANGES.name: end + 1}]
    assert writes[-1].settled
    assert {line["unit_price"] for write in writes for batch in write.rated for line in batch["lines"] if line["product"] == "calls"} == {"0.03"}


def test_an_action_that_cannot_be_done_is_counted_and_the_rest_goes_on(world: World) -> None:
    worker, table = world.workers[0], world.tables[0]
    body = f'{{"action":"regenerate","contract":"ann-c","starting_at":{OCTOBER_MS}}}'
    change = {"kind": "action", "id": "ann-c", "version": 1, "customer": "ann", "root": "ann", "recorded_at": OCTOBER_MS, "effective_at": None, "body": body}
    worker.put(Input(CONTRACT_CHANGES.name, 3, OCTOBER_MS, change))
    worker.put(metered(0, delta("ann", "calls", "7")))
    write = turn(worker, table)
    assert worker.refused == 1
    assert lines(write)["ann", "calls"] == ("7", Decimal("0.07"))


def test_many_lines_are_several_records_with_the_invoices_in_the_last() -> None:
    rows = [{"id": str(number)} for number in range(2 * BATCH_ROWS + 1)]
    made = list(batches({"customer": "c"}, [{"id": "i"}], rows))
    assert [len(each["lines"]) for each in made] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert [len(each["invoices"]) for each in made] == [0, 0, 1]
