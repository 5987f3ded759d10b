"""How accounts follow a cutover: the last ones in one write, more of them in portions, and a new owner goes on where the old one stood."""

import pytest

from contracts.twins import twin
from pipelines.rating import beside, step, turns
from pipelines.rating.step import Partition, Write
from pipelines.topology import CONTRACT_CHANGES
from tests.property.rating.test_generations import SCOPE, control
from tests.property.rating.test_step import CATALOGUE, contract
from tests.property.rating.world import World, delta
from tests.unit.rating.test_step import metered, turn

CUSTOMERS = SCOPE.customers


@pytest.fixture
def world() -> World:
    """One partition, three customers of whom each is billed for 1, and a generation in which it is 3."""
    made = World(1, 0)
    made.publish(CATALOGUE.format(price="0.01"), *(contract(customer) for customer in CUSTOMERS))
    made.meter(*(delta(customer, "calls", "1") for customer in CUSTOMERS))
    control(made, "begin", 1)
    made.meter(*(delta(customer, twin("calls", 1), "3") for customer in CUSTOMERS))
    made.run()
    return made


def cutover(world: World, worker: Partition) -> int:
    """Put it in line; the offset behind it."""
    control(world, "cutover", 2)
    records = world.topics[CONTRACT_CHANGES.name][0]
    worker.put(records[-1])
    return len(records)


def writes(world: World, worker: Partition) -> list[Write]:
    """All turns until nothing is left to do."""
    found = []
    while worker.busy:
        found.append(turn(worker, world.tables[0]))
    return found


def billed(*found: Write) -> dict[str, str]:
    return {line["customer"]: line["quantity"] for write in found for batch in write.rated for line in batch["lines"]}


def test_the_last_accounts_take_their_turn_in_one_write_which_settles_the_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "LAST", len(CUSTOMERS))
    monkeypatch.setattr(beside, "PORTION", 1)
    worker = world.workers[0]
    end = cutover(world, worker)
    [write] = writes(world, worker)
    assert billed(write) == dict.fromkeys(CUSTOMERS, "3")
    assert write.settled[CONTRACT_CHANGES.name] == end


def test_more_of_them_do_in_portions_and_the_step_is_settled_with_the_last_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "LAST", 1)
    monkeypatch.setattr(beside, "PORTION", 1)
    worker = world.workers[0]
    end = cutover(world, worker)
    found = writes(world, worker)
    assert [len(billed(write)) for write in found] == [1, 1, 1]
    assert billed(*found) == dict.fromkeys(CUSTOMERS, "3")
    assert [write.settled.get(CONTRACT_CHANGES.name) for write in found] == [None, None, end]


def test_accounts_too_large_for_one_batch_do_in_several_and_a_new_owner_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(turns, "WEIGHT", 0)
    worker = world.workers[0]
    end = cutover(world, worker)
    first = turn(worker, world.tables[0])
    assert len(billed(first)) == 1
    # when: the owner is gone after its first write, and the step comes again
    worker = Partition(0, 1, world.tables[0], 9)
    worker.put(world.topics[CONTRACT_CHANGES.name][0][-1])
    rest = writes(world, worker)
    # then: each has exchanged once
    assert billed(first, *rest) == dict.fromkeys(CUSTOMERS, "3")
    assert rest[-1].settled[CONTRACT_CHANGES.name] == end


def test_usage_that_fills_a_write_does_not_keep_accounts_from_their_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: behind the step usage that METER wrote before it knew of it, as much as a write takes
    monkeypatch.setattr(step, "WRITE_ACCOUNTS", 1)
    worker = world.workers[0]
    cutover(world, worker)
    worker.put(metered(2, delta("ann", "calls", "5"), delta("ann", twin("calls", 1), "6")))
    # then
    [write] = writes(world, worker)
    assert billed(write) == {"ann": "9", "bob": "3", "cy": "3"}
