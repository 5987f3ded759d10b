"""Twins: what an exchange moves, what stays, and that it undoes itself."""

from collections.abc import Iterator
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.offline import Memory
from contracts.twins import Scope, add, drop, exchange, number_of, original, twin
from contracts.usage import Delta
from contracts.windows import IN_TIME, Windows

HOUR = 3_600_000
LATE = 99 * HOUR
SCOPE = Scope({"main": {"calls": "sum", "peak": "max"}}, from_ms=10 * HOUR, until_ms=60 * HOUR)
FIXED_BEFORE = 20 * HOUR


def delta(product: str, hour: int, value: int, customer: str = "acme") -> Delta:
    return Delta("main", product, customer, {}, hour * HOUR, hour * HOUR, hour * HOUR, 1, Decimal(value))


def fixed(_customer: str, _catalogue: str, _group: object, window_ms: int) -> bool:
    return window_ms < FIXED_BEFORE


def told(memory: Memory, product: str, customer: str = "acme") -> dict[tuple[int, int], int | None]:
    return {(window // HOUR, tag): one.value for _, window, tag, one in Windows(memory).each((customer, "main", product), 0, 1000 * HOUR)}


usage = st.lists(st.builds(delta, st.sampled_from(["calls", "peak"]), st.integers(0, 80), st.integers(-5, 5), st.sampled_from(["acme", "bolt"])), max_size=30)


def kept(memory: Memory, live: list[Delta], beside: list[Delta]) -> None:
    windows = Windows(memory)
    for each in live:
        windows.add(SCOPE.products["main"][each.product], each, LATE if each.window_ms == 30 * HOUR else IN_TIME)
    windows.flush()
    add(memory, SCOPE, [each._replace(product=twin(each.product, 5)) for each in beside])


def cells(memory: Memory) -> Iterator[dict[tuple[int, int], int | None]]:
    for customer in ("acme", "bolt"):
        for product in ("calls", "peak", twin("calls", 5), twin("peak", 5)):
            yield told(memory, product, customer)


@given(usage, usage)
def test_twice_is_not_at_all(live: list[Delta], beside: list[Delta]) -> None:
    memory = Memory()
    kept(memory, live, beside)
    before = list(cells(memory))
    exchange(memory, SCOPE, 5, ["acme", "bolt"], fixed)
    exchange(memory, SCOPE, 5, ["acme", "bolt"], fixed)
    assert list(cells(memory)) == before


def test_what_moves_and_what_stays() -> None:
    # given a window before the scope, one that is final, one of which a later period bills a part, two that are open, one behind the scope
    memory = Memory()
    kept(memory, [delta("calls", hour, hour) for hour in (5, 15, 30, 40, 70)], [delta("calls", hour, 1000 + hour) for hour in (5, 15, 30, 40, 50, 70)])

    # when they change places, then just the open ones do
    assert exchange(memory, SCOPE, 5, ["acme"], fixed)
    assert told(memory, "calls") == {(5, 0): 5 * 10**18, (15, 0): 15 * 10**18, (30, LATE): 30 * 10**18, (40, 0): 1040 * 10**18, (50, 0): 1050 * 10**18, (70, 0): 70 * 10**18}
    assert told(memory, twin("calls", 5))[40, 0] == 40 * 10**18
    assert not exchange(memory, SCOPE, 5, ["bolt"], fixed)

    # and the twins can be forgotten
    drop(memory, SCOPE, 5, ["acme"])
    assert told(memory, twin("calls", 5)) == {}
    assert told(memory, "calls")[50, 0] == 1050 * 10**18


def test_names() -> None:
    assert (original(twin("a b", 12)), number_of(twin("a b", 12)), number_of("a b")) == ("a b", 12, None)
