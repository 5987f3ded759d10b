"""Whatever the interleaving, the splits, the repeats and the crashes: the same final rows, and each crossing once."""

from decimal import Decimal
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rating import memory, step, usage
from tests.property.rating.world import DAY_MS, HOUR_MS, OCTOBER_MS, World, delta

CATALOGUE = """
catalogue:
  id: calls
  currency: USD
  metrics:
    calls: {{event_types: [call], aggregation: sum, value: calls}}
    bytes: {{event_types: [byte], aggregation: sum, value: bytes}}
  products:
    calls: {{name: Calls, metric: calls}}
    bytes: {{name: Bytes, metric: bytes}}
  rate_cards:
    list:
      rates:
        - {{product: calls, price: {{per_unit: "{price}"}}}}
        - {{product: bytes, price: {{graduated: [{{up_to: "100", per_unit: "0.10"}}, {{per_unit: "0.01"}}]}}}}
"""
CONTRACT = """
contract:
  id: {customer}-c
  customer: {customer}
  catalogue: calls
  rate_card: list
  starting_at: 2025-10-01
  clock: october
{extra}
"""
CUSTOMERS = ("ann", "bob", "cy", "dee")
USES = st.lists(
    st.tuples(st.sampled_from((*CUSTOMERS, "ann-old", "stranger")), st.sampled_from(("calls", "bytes")), st.integers(1, 60), st.integers(0, 24 * 20)),
    min_size=1,
    max_size=40,
)


def contract(customer: str, extra: str = "") -> str:
    return CONTRACT.format(customer=customer, extra=extra)


def sums(uses: list[tuple[str, str, int, int]]) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for customer, product, value, _ in uses:
        owner = "ann" if customer == "ann-old" else customer
        if owner != "stranger":
            found[owner, product] = found.get((owner, product), Decimal(0)) + value
    return found


def quantities(world: World) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for line in world.seen()["lines"].values():
        if line["kind"] == "usage":
            key = (line["customer"], line["product"])
            found[key] = found.get(key, Decimal(0)) + Decimal(line["quantity"])
    return {key: value for key, value in found.items() if value}


@settings(deadline=None, max_examples=200)
@given(uses=USES, cuts=st.integers(1, 5), seed=st.integers(0, 2**32), crash=st.sampled_from((0.0, 0.1, 0.3)), edited=st.booleans())
def test_usage_documents_and_crashes_in_any_order_give_the_plain_sums(
    uses: list[tuple[str, str, int, int]], cuts: int, seed: int, crash: float, edited: bool
) -> None:
    # given: usage before, between and behind the documents; an alias that appears late and lives on another partition
    world, calm = World(3, seed), World(3, seed)
    for each, likely in ((world, crash), (calm, 0.0)):
        parts = [uses[at::cuts] for at in range(cuts)]
        each.publish(CATALOGUE.format(price="0.01"), *(contract(customer) for customer in CUSTOMERS[:2]))
        for number, part in enumerate(parts):
            each.meter(*(delta(customer, product, str(value), hour=hour) for customer, product, value, hour in part))
            if number == 0:
                each.publish(*(contract(customer) for customer in CUSTOMERS[2:]))
            if number == len(parts) // 2:
                each.publish(contract("ann", "  aliases: [ann-old]"))
        if edited:
            each.publish(CATALOGUE.format(price="0.03"))

        # when: all of it is rated
        each.run(crash=likely)

    # then: the sums are those of a dictionary, and crashes have changed nothing
    assert quantities(world) == sums(uses)
    assert world.seen() == calm.seen()


THRESHOLDS = """
  thresholds:
    - {id: first, measure: usage, metric: calls, at: "50"}
    - {id: spent, measure: spend, at: "1.00", repeat: "1.00"}
  credits: [{id: gift, access: [{amount: "2.00", starting_at: 2025-10-01, ending_before: 2025-11-01}]}]
"""


@settings(deadline=None)
@given(
    uses=st.lists(st.tuples(st.sampled_from(("ann", "bob")), st.sampled_from(("calls", "bytes")), st.integers(1, 60)), min_size=1, max_size=40),
    split=st.integers(1, 7),
    seed=st.integers(0, 2**32),
    crash=st.sampled_from((0.1, 0.3)),
)
def test_each_crossing_is_published_with_one_content_whatever_crashes(uses: list[tuple[str, str, int]], split: int, seed: int, crash: float) -> None:
    # given: customers with thresholds, whose events come one by one, in records of different lengths; each record counts its events from 0
    worlds = []
    for likely, size in ((0.0, 1), (crash, split)):
        world = World(2, seed)
        world.publish(CATALOGUE.format(price="0.01"), contract("ann", THRESHOLDS), contract("bob", THRESHOLDS))
        events = [
            delta(customer, product, str(value), recorded_ms=OCTOBER_MS + number // 7, sequence=number % size)
            for number, (customer, product, value) in enumerate(uses)
        ]
        for at in range(0, len(events), size):
            world.meter(*events[at : at + size])

        # when
        world.run(crash=likely)
        worlds.append(world)

    # then: the same crossings, numbered without gaps
    plain, crashed = worlds
    assert crashed.crossings == plain.crossings
    assert crashed.seen() == plain.seen()
    for customer in ("ann", "bob"):
        for threshold in ("first", "spent"):
            numbers = sorted(key[3] for key in crashed.crossings if key[0] == customer and key[2] == threshold and key[4] == "in_alarm")
            assert numbers == list(range(1, len(numbers) + 1))


@settings(deadline=None, max_examples=200)
@given(
    uses=USES,
    split=st.integers(1, 40),
    together=st.sampled_from((1, 7, 20_000)),
    little=st.sampled_from((5, step.LITTLE)),
    watched=st.sets(st.sampled_from((*CUSTOMERS, "ann-old"))),
    room=st.sampled_from((0, memory.ROOM)),
    seed=st.integers(0, 2**32),
    crash=st.sampled_from((0.0, 0.2)),
)
def test_records_that_fill_several_writes_count_once_however_many_are_applied_together(
    uses: list[tuple[str, str, int, int]], split: int, together: int, little: int, watched: set[str], room: int, seed: int, crash: float
) -> None:
    # given: writes that are full after two accounts; owners that come and go, who take up other records together; memory for one account only, or enough;
    # some customers' events are watched, and turns in which only theirs are applied
    with patch.object(step, "WRITE_ACCOUNTS", 2), patch.object(usage, "TOGETHER", together), patch.object(step, "LITTLE", little):
        world = World(1, seed, room)
        world.publish(CATALOGUE.format(price="0.01"), *(contract(each) for each in CUSTOMERS[1:]), contract("ann", "  aliases: [ann-old]"))
        for at in range(0, len(uses), split):
            part = enumerate(uses[at : at + split])
            world.meter(
                *(delta(who, product, str(value), hour=hour, sequence=place if who in watched else None) for place, (who, product, value, hour) in part)
            )

        # when
        world.run(crash=crash)

    # then
    assert quantities(world) == sums(uses)


@settings(deadline=None, max_examples=50)
@given(uses=USES, seed=st.integers(0, 2**32), crash=st.sampled_from((0.0, 0.2)), back=st.booleans())
def test_an_alias_that_comes_and_goes_takes_its_usage_along(uses: list[tuple[str, str, int, int]], seed: int, crash: float, back: bool) -> None:
    # given: an alias whose usage is metered here and there while it moves between partitions
    world = World(4, seed)
    world.publish(CATALOGUE.format(price="0.01"), *(contract(customer) for customer in CUSTOMERS))
    third = len(uses) // 3
    world.meter(*(delta(customer, product, str(value), hour=hour) for customer, product, value, hour in uses[:third]))
    world.publish(contract("ann", "  aliases: [ann-old]"))
    if back:
        world.publish(contract("ann"))
        world.publish(contract("ann", "  aliases: [ann-old]"))
    world.meter(*(delta(customer, product, str(value), hour=hour) for customer, product, value, hour in uses[third : 2 * third]))
    world.run(crash=crash)
    late = [delta(customer, product, str(value), hour=hour) for customer, product, value, hour in uses[2 * third :]]

    # when: METER still sends to the partition where the id was
    world.meter(*late)
    world.run(crash=crash)

    # then
    assert quantities(world) == sums(uses)


@settings(deadline=None, max_examples=50)
@given(uses=USES, seed=st.integers(0, 2**32), crash=st.sampled_from((0.0, 0.2)))
def test_time_makes_invoices_final_once(uses: list[tuple[str, str, int, int]], seed: int, crash: float) -> None:
    # given: usage of October that stands in line with the ticks; a version that holds after October is final is published before
    world = World(2, seed)
    world.publish(CATALOGUE.format(price="0.01"), *(contract(customer) for customer in CUSTOMERS))
    world.publish(contract("bob", "  discounts: [{id: half, percent: \"50\"}]"), effective_ms=OCTOBER_MS + 31 * DAY_MS + 30 * HOUR_MS)
    world.meter(*(delta(customer, product, str(value), hour=hour) for customer, product, value, hour in uses if customer != "ann-old"))

    # when: the clock passes the end of grace, in steps
    for hours in (12, 23, 24, 25, 40):
        world.tick("october", OCTOBER_MS + 31 * DAY_MS + hours * HOUR_MS)
        world.run(crash=crash)

    # then: October is final for everybody, under the terms that held then
    october = [each for each in world.seen()["invoices"].values() if each["starting_at"] == OCTOBER_MS and each["kind"] == "usage"]
    assert {each["customer"] for each in october} == set(CUSTOMERS)
    assert {each["status"] for each in october} == {"final"}
    assert not [line for line in world.seen()["lines"].values() if line["kind"] == "discount"]
    assert quantities(world) == sums([each for each in uses if each[0] != "ann-old"])


@settings(deadline=None, max_examples=200)
@given(partitions=st.integers(1, 5), seed=st.integers(0, 2**32), crash=st.sampled_from((0.0, 0.3)), values=st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_a_contract_that_appears_bills_closed_periods_with_its_aliases_at_once(partitions: int, seed: int, crash: float, values: list[int]) -> None:
    # given: usage of October under a customer's id and under two others that nobody knows, on whichever partitions
    world = World(partitions, seed)
    world.publish(CATALOGUE.format(price="0.01"), contract("bob"))
    for hour, value in enumerate(values):
        world.meter(*(delta(customer, "calls", str(value), hour=hour) for customer in ("ann", "ann-old", "ann-older")))
    world.run(crash=crash)

    # when: the customer's contract is recorded in December, when October and November are closed
    world.publish(contract("ann", "  aliases: [ann-old, ann-older]"), at_ms=OCTOBER_MS + 70 * DAY_MS)
    world.run(crash=crash)

    # then: October's invoice has all of it, and nothing is a correction
    lines = [line for line in world.seen()["lines"].values() if line["customer"] == "ann" and Decimal(line["quantity"] or 0)]
    assert {line["kind"] for line in lines} == {"usage"}
    assert sum(Decimal(line["quantity"]) for line in lines) == 3 * sum(values)
