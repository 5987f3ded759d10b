"""Usage metered twice, exchanged and exchanged back at any moment, with METER knowing of it sooner or later: every event is in both sets once."""

from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.twins import Scope, twin
from pipelines.rating import beside
from pipelines.replay.generations import Step
from pipelines.topology import CONTRACT_CHANGES, METERED_USAGE
from tests.property.rating.test_step import CATALOGUE, contract
from tests.property.rating.world import HOUR_MS, OCTOBER_MS, World, delta

CUSTOMERS: Final = ("ann", "bob", "cy", "dee")
UNTIL: Final = 15 * 24
"""Windows before this hour are in the generation's scope."""
SCOPE: Final = Scope({"calls": {"calls": "sum"}}, ["ann", "bob", "cy"], None, OCTOBER_MS + UNTIL * HOUR_MS)
EVENT = st.tuples(st.sampled_from(CUSTOMERS), st.integers(1, 60), st.integers(0, 24 * 20))
STEPS = st.lists(st.lists(EVENT, max_size=8), min_size=1, max_size=4)


class Metered:
    """What METER writes, and what it has told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.old: dict[str, int] = dict.fromkeys(CUSTOMERS, 0)
        self.new: dict[str, int] = dict.fromkeys(CUSTOMERS, 0)

    def past(self, events: list[tuple[str, int, int]]) -> None:
        """Before the generation: the right value is twice what was metered."""
        for customer, value, hour in events:
            self._world.meter(delta(customer, "calls", str(value), hour=hour))
            self.old[customer] += value
            self.new[customer] += value * (2 if self._inside(customer, hour) else 1)

    def fill(self, events: list[tuple[str, int, int]]) -> None:
        self._world.meter(*(self._twin(customer, value * 2, hour) for customer, value, hour in events if self._inside(customer, hour)))

    def live(self, events: list[tuple[str, int, int]], known: list[int]) -> None:
        """One event after the other, both deltas in one record or in two; METER knows of documents as far as `known`."""
        for customer, value, hour in events:
            deltas = [delta(customer, "calls", str(value), hour=hour)] + ([self._twin(customer, value, hour)] if self._inside(customer, hour) else [])
            for some in [deltas] if self._world.random.random() < 0.5 else [[each] for each in deltas]:
                self._world.meter(*some)
                for number, places in enumerate(self._world.topics[METERED_USAGE.name]):
                    if places and places[-1].value["deltas"] == some:
                        places[-1].value["documents"] = known[number]
            self.old[customer] += value
            self.new[customer] += value

    @staticmethod
    def _inside(customer: str, hour: int) -> bool:
        return customer in SCOPE.customers and hour < UNTIL

    @staticmethod
    def _twin(customer: str, value: int, hour: int) -> dict[str, Any]:
        return delta(customer, twin("calls", 1), str(value), hour=hour)


def control(world: World, step: str, version: int) -> None:
    ends = {number: len(places) for number, places in enumerate(world.topics[METERED_USAGE.name])} if step != "begin" else {}
    body = msgspec.json.encode(Step(step, 1, SCOPE if step == "begin" else None, metered=ends)).decode()  # type: ignore[arg-type]
    for number in range(world.partitions):
        value = {"kind": "replay", "id": "generation-1", "version": version, "recorded_at": OCTOBER_MS, "effective_at": None, "customer": None, "root": None}
        world.append(CONTRACT_CHANGES.name, number, value | {"body": body})


def behind(world: World) -> list[int]:
    return [len(places) for places in world.topics[CONTRACT_CHANGES.name]]


@settings(deadline=None)
@given(past=st.lists(EVENT, max_size=20), turns=STEPS, closed=st.booleans(), seed=st.integers(0, 2**32), crash=st.sampled_from((0.0, 0.1, 0.3)), early=st.booleans(), last=st.sampled_from((0, 1, 256)), joins=st.integers(0, 8))
def test_every_event_is_in_both_sets_once(
    past: list[tuple[str, int, int]], turns: list[list[tuple[str, int, int]]], closed: bool, seed: int, crash: float, early: bool, last: int, joins: int
) -> None:
    with patch.object(beside, "PORTION", 1), patch.object(beside, "LAST", last):
        _every_event_is_in_both_sets_once(past, turns, closed, seed, crash, early, joins)


def _every_event_is_in_both_sets_once(
    past: list[tuple[str, int, int]], turns: list[list[tuple[str, int, int]]], closed: bool, seed: int, crash: float, early: bool, joins: int
) -> None:
    """`joins`: the step behind which cy, an id that nobody has, becomes one of bob's; none of them: it stays for itself."""
    # given customers with usage that was metered wrongly, and a generation in which it is metered again
    joined = not early and joins < len(turns)
    world = World(1 if joined else 3, seed)
    metered = Metered(world)
    world.publish(CATALOGUE.format(price="0.01"), *(contract(customer) for customer in CUSTOMERS[: 4 if early else 2]))
    metered.past(past)
    control(world, "begin", 1)
    known = behind(world)
    metered.live(turns[0], known)
    metered.fill(past)

    # when it is cut over and taken back while usage goes on, and METER does not know of it at once
    live = False
    for number, events in enumerate(turns):
        control(world, "back" if live else "cutover", 2 + number)
        live = not live
        metered.live(events[::2], known)
        if world.random.random() < 0.5:
            world.run(crash=crash)
        known = behind(world)
        if number == joins and joined:
            world.publish(contract("bob", "  aliases: [cy]"))
        metered.live(events[1::2], known)
    if closed:
        control(world, "close" if live else "abort", 99)
        metered.live(turns[0], known)
    if not early:
        world.publish(*(contract(customer) for customer in (CUSTOMERS[3:] if joined else CUSTOMERS[2:])))
    world.run(crash=crash)

    # then each customer is billed for what the set that counts has
    found = dict.fromkeys(CUSTOMERS, Decimal(0))
    for line in world.seen()["lines"].values():
        found[line["customer"]] += Decimal(line["quantity"])
    metered_for = metered.new if live else metered.old
    if joined:
        metered_for["bob"] += metered_for["cy"]
        metered_for["cy"] = 0
    assert found == {customer: Decimal(value) for customer, value in metered_for.items()}
