"""Ids that change hands, on one partition or between several, before and after periods are final: the stream bills what the offline command bills."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import ActionError
from contracts.loading import read_documents
from contracts.offline import Ledger
from contracts.result import Result
from contracts.usage import Delta, Point
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
PRODUCTS = ("calls", "count", "peak", "users", "last")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from(("old", "older", "ann")), st.sampled_from(PRODUCTS), st.integers(1, 9), st.sampled_from((0, 1, 400, 900))),
        st.tuples(st.just("give"), st.sampled_from((None, *OWNERS)), st.sampled_from((None, *OWNERS))),
        st.tuples(st.sampled_from(("void", "regenerate")), st.sampled_from(OWNERS), st.sampled_from((OCTOBER_MS, OCTOBER_MS + 31 * DAY_MS))),
        st.tuples(st.just("pass"), st.sampled_from((1, 32))),
    ),
    min_size=3,
    max_size=25,
)


def used(number: int, customer: str, product: str, value: int, hour: int, now_ms: int) -> dict[str, Any]:
    """One event, as METER writes it."""
    found = delta(customer, product, str(value), hour=hour, recorded_ms=now_ms)
    if product == "users":
        return found | {"value": None, "members": [f"u{value}"]}
    if product == "last":
        return found | {"value": None, "points": [{"timestamp_ms": found["window_ms"], "transaction_id": f"t{number}", "value": str(value)}]}
    return found | {"value": None} if product == "count" else found


def of_wire(each: dict[str, Any]) -> Delta:
    points = tuple(Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in each["points"])
    value = None if each["value"] is None else Decimal(each["value"])
    return Delta(**each | {"points": points, "members": frozenset(each["members"]), "value": value})


Bill = dict[tuple[Any, ...], tuple[Decimal, list[tuple[Any, ...]]]]


def offline(result: Result) -> Bill:
    return {
        (each.id, each.customer, each.kind, each.starting_ms, each.status): (each.total, sorted((n.kind, n.product, n.quantity, n.amount) for n in each.lines if n.amount))
        for each in result.invoices
    }


def streamed(world: World) -> Bill:
    seen = world.seen()
    lines: dict[str, list[tuple[Any, ...]]] = {}
    for each in seen["lines"].values():
        if Decimal(each["amount"]):
            lines.setdefault(each["invoice"], []).append((each["kind"], each["product"], Decimal(each["quantity"]), Decimal(each["amount"])))
    return {
        (each["id"], each["customer"], each["kind"], each["starting_at"], each["status"]): (Decimal(each["total"]), sorted(lines.get(each["id"], [])))
        for each in seen["invoices"].values()
    }


@settings(deadline=None, max_examples=100)
@given(
    steps=STEPS,
    partitions=st.integers(1, 4),
    late=st.sampled_from(("next_invoice", "drop", "reopen")),
    seed=st.integers(0, 2**32),
    crash=st.sampled_from((0.0, 0.2)),
)
def test_an_id_that_changes_hands_is_billed_in_the_stream_as_offline(steps: list[tuple[Any, ...]], partitions: int, late: str, seed: int, crash: float) -> None:
    # given: two customers and an id that nobody has
    def contracts(*owners: str | None) -> list[str]:
        aliases = {each: ", ".join(name for name, owner in zip(IDS, owners, strict=True) if owner == each) for each in OWNERS}
        return [CONTRACT.format(customer=each, late=late, aliases=f"[{aliases[each]}]") for each in OWNERS]

    def read(*texts: str) -> list[Any]:
        return list(read_documents([(text, "text") for text in texts], None))

    world, ledger = World(partitions, seed), Ledger()
    now_ms = OCTOBER_MS
    world.publish(CATALOGUE, *contracts(None, None))
    found = read(CATALOGUE, *contracts(None, None))
    for catalogue in [each for each in found if isinstance(each, Catalogue)]:
        ledger.record_catalogue(catalogue, now_ms)
    ledger.record_contracts([each for each in found if isinstance(each, Contract)], now_ms)
    world.run()

    # when: it is used, given to one or the other or to nobody, and time passes
    for number, (what, *how) in enumerate(steps):
        now_ms += HOUR_MS
        if what == "use":
            customer, product, value, hour = how
            each = used(number, customer, product, value, min(hour, (now_ms - OCTOBER_MS) // HOUR_MS), now_ms)
            world.meter(each)
            ledger.record_usage([of_wire(each)])
        elif what == "give":
            world.publish(*contracts(*how), at_ms=now_ms)
            ledger.record_contracts(read(*contracts(*how)), now_ms)
        elif what == "pass":
            now_ms += how[0] * DAY_MS
        else:
            customer, start_ms = how
            world.act(what, customer, f"{customer}-c", start_ms, now_ms)
            with suppress(ActionError):  # what cannot be changes nothing, there as here
                ledger.record_action(what, f"{customer}-c", start_ms, now_ms)
        world.tick("october", now_ms)
        world.run(crash=crash)

        # then: at every time both show the same bills
        assert streamed(world) == offline(ledger.result(now_ms)), number
