"""An id that goes away and comes back changes no bill, whatever is final, late or void by then, and whatever partitions it goes by."""

from bisect import bisect
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.partitioning import partition_of
from tests.property.rating.world import DAY_MS, HOUR_MS, OCTOBER_MS, World, delta

CATALOGUE = """
catalogue:
  id: calls
  currency: USD
  metrics:
    calls: {event_types: [call], aggregation: sum, value: calls}
    count: {event_types: [call], aggregation: count}
    peak: {event_types: [call], aggregation: max, value: calls}
    users: {event_types: [call], aggregation: unique, value: user}
    last: {event_types: [call], aggregation: latest, value: calls}
  products:
    calls: {name: Calls, metric: calls}
    count: {name: Count, metric: count}
    peak: {name: Peak, metric: peak}
    users: {name: Users, metric: users}
    last: {name: Last, metric: last}
  rate_cards:
    list:
      rates:
        - {product: calls, price: {per_unit: "1.00"}}
        - {product: count, price: {per_unit: "1.00"}}
        - {product: peak, price: {per_unit: "1.00"}}
        - {product: users, price: {per_unit: "1.00"}}
        - {product: last, price: {per_unit: "1.00"}}
"""
CONTRACT = """
contract: {{id: {customer}-c, customer: {customer}, catalogue: calls, rate_card: list, starting_at: 2025-10-01, clock: october, late_usage: {late}, aliases: {aliases}}}
"""
OWNERS = ("ann", "bob")
IDS = ("old", "older")
PARTITIONS = (1, 2, 3, 4, 5, 7, 11)
"""Of the last three all of these customers and ids have one of their own each."""
PRODUCTS = ("calls", "count", "peak", "users", "last")
MONTHS = [0, 31 * 24, 61 * 24, 92 * 24, 123 * 24]
"""Hours of October at which months begin."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from(("old", "older", "ann")), st.sampled_from(PRODUCTS), st.integers(1, 9), st.sampled_from((0, 1, 400, 900))),
        st.tuples(st.just("give"), st.sampled_from((None, *OWNERS)), st.sampled_from((None, *OWNERS))),
        st.tuples(st.just("away"), st.sampled_from(IDS), st.integers(0, 12)),
        st.tuples(st.sampled_from(("void", "regenerate")), st.sampled_from(OWNERS), st.sampled_from((OCTOBER_MS, OCTOBER_MS + 31 * DAY_MS))),
        st.tuples(st.just("pass"), st.sampled_from((1, 32))),
    ),
    min_size=3,
    max_size=25,
)


def used(number: int, customer: str, product: str, value: int, hour: int, now_ms: int) -> dict[str, Any]:
    """One event, as METER writes it. What comes in another month than it is of has hours of its own: of one hour the account does not tell late usage from usage in time."""
    present = (now_ms - OCTOBER_MS) // HOUR_MS
    hour = min(hour, present)
    late = MONTHS[bisect(MONTHS, hour) - 1] != MONTHS[bisect(MONTHS, present) - 1]
    found = delta(customer, product, str(value), hour=hour - hour % 2 + late, recorded_ms=now_ms)
    if product == "users":
        return found | {"value": None, "members": [f"u{value}"]}
    if product == "last":
        return found | {"value": None, "points": [{"timestamp_ms": found["window_ms"], "transaction_id": f"t{number}", "value": str(value)}]}
    return found | {"value": None} if product == "count" else found


Bill = dict[tuple[Any, ...], tuple[Decimal, list[tuple[Any, ...]]]]


def bills(world: World) -> Bill:
    seen = world.seen()
    lines: dict[str, list[tuple[Any, ...]]] = {}
    for each in seen["lines"].values():
        if Decimal(each["amount"]):
            lines.setdefault(each["invoice"], []).append((each["kind"], each["product"], Decimal(each["quantity"]), Decimal(each["amount"])))
    return {
        (each["id"], each["customer"], each["kind"], each["starting_at"], each["status"]): (Decimal(each["total"]), sorted(lines.get(each["id"], [])))
        for each in seen["invoices"].values()
    }


def contracts(owners: Sequence[str | None], late: str) -> list[str]:
    aliases = {each: ", ".join(name for name, owner in zip(IDS, owners, strict=True) if owner == each) for each in OWNERS}
    return [CONTRACT.format(customer=each, late=late, aliases=f"[{aliases[each]}]") for each in OWNERS]


@settings(deadline=None, max_examples=150)
@given(
    steps=STEPS,
    partitions=st.sampled_from(PARTITIONS),
    late=st.sampled_from(("next_invoice", "drop", "reopen")),
    seed=st.integers(0, 2**32),
    crash=st.sampled_from((0.0, 0.2)),
)
def test_an_id_that_goes_away_and_comes_back_changes_no_bill(steps: list[tuple[Any, ...]], partitions: int, late: str, seed: int, crash: float) -> None:
    # given: two customers and ids that nobody has; in one world ids go nowhere and come back now and then, in the other they stay
    moving, staying = World(partitions, seed), World(partitions, seed)
    now_ms = OCTOBER_MS
    owners: tuple[str | None, ...] = (None, None)
    for world in (moving, staying):
        world.publish(CATALOGUE, *contracts(owners, late))
        world.run()

    # when: they are used, given to one or the other or to nobody, and time passes
    for number, (what, *how) in enumerate(steps):
        now_ms += HOUR_MS
        if what == "give":
            owners = tuple(how)
        if what == "pass":
            now_ms += how[0] * DAY_MS
        for world in (moving, staying):
            if what == "use":
                customer, product, value, hour = how
                root = world.documents.families.root(customer)
                world.meter(used(number, customer, product, value, hour, now_ms), partition=partition_of(root, partitions))
            elif what == "give":
                world.publish(*contracts(owners, late), at_ms=now_ms)
            elif what == "away" and world is moving:
                gone, hurry = how
                world.publish(*contracts([None if each == gone else owner for each, owner in zip(IDS, owners, strict=True)], late), at_ms=now_ms)
                world.go_on(hurry, crash=crash)
                world.publish(*contracts(owners, late), at_ms=now_ms)
            elif what in ("void", "regenerate"):
                customer, start_ms = how
                world.act(what, customer, f"{customer}-c", start_ms, now_ms)
            world.tick("october", now_ms)
            world.run(crash=crash)

        # then: both show the same bills
        assert bills(moving) == bills(staying), number
