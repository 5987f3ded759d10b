"""A cap that holds: whatever is asked for in whatever order, no more is given away than there is."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.holds.step import Balance, Hold, HoldError, InsufficientError, StateError, available, release, reserve, seen, settle

BALANCE = [Balance("k", "prepaid", "USD", Decimal(100)), Balance("k", "promo", "EUR", Decimal(1_000))]


def hold(name: str, amount: int, now_ms: int = 0, ttl_ms: int = 1_000, **more: Any) -> Hold:
    return Hold(name, "acme", "acme", Decimal(amount), Decimal(amount), "USD", now_ms, now_ms + ttl_ms, now_ms)._replace(**more)


def test_what_is_free_is_what_is_left_less_what_is_held() -> None:
    held = {each.id: each for each in (hold("a", 30), hold("b", 20, state="settling"), hold("c", 40, state="released"))}

    assert available(BALANCE, held.values(), "USD", 0) == 50
    assert available(BALANCE, held.values(), "USD", 1_000) == 80
    with pytest.raises(InsufficientError) as refused:
        reserve(hold("d", 51), BALANCE, held, 0)
    assert refused.value.available == 50
    assert reserve(hold("d", 50), BALANCE, held, 0).amount == 50


def test_the_same_key_is_the_same_hold() -> None:
    first = hold("a", 100)

    assert reserve(hold("a", 100, now_ms=5), BALANCE, {"a": first}, 5) is first
    with pytest.raises(StateError):
        reserve(hold("a", 99), BALANCE, {"a": first}, 5)


def test_settling_keeps_the_amount_back_and_may_want_more() -> None:
    first, other = hold("a", 60), hold("b", 30)

    settled = settle(first, Decimal(70), BALANCE, [first, other], 5)

    assert (settled.state, settled.amount, settled.reserved) == ("settling", Decimal(70), Decimal(60))
    assert settle(settled, None, BALANCE, [settled, other], 6) is settled
    with pytest.raises(InsufficientError):
        settle(first, Decimal(71), BALANCE, [first, other], 5)


def test_what_is_over_stays_over() -> None:
    expired = hold("a", 10)

    assert seen(expired, 999) == "held"
    assert seen(expired, 1_000) == "expired"
    with pytest.raises(StateError):
        settle(expired, None, BALANCE, [expired], 1_000)
    released = release(hold("b", 10), 1)
    assert release(released, 2) is released
    with pytest.raises(StateError):
        settle(released, None, BALANCE, [released], 2)
    with pytest.raises(StateError):
        release(settle(hold("c", 1), None, BALANCE, [], 1), 2)


actions = st.tuples(st.sampled_from(("reserve", "settle", "release")), st.integers(0, 5), st.integers(1, 60), st.integers(0, 400))


@given(st.lists(actions, max_size=60))
def test_no_more_is_kept_back_than_there_is(asked: list[tuple[str, int, int, int]]) -> None:
    holds: dict[str, Hold] = {}
    now_ms = 0
    for kind, number, amount, pause_ms in asked:
        now_ms += pause_ms
        name = f"{number}"
        try:
            if kind == "reserve":
                holds[name] = reserve(hold(name, amount, now_ms), BALANCE, {key: each for key, each in holds.items() if key != name or each.keeps(now_ms)}, now_ms)
            elif name in holds:
                changed = settle(holds[name], Decimal(amount), BALANCE, holds.values(), now_ms) if kind == "settle" else release(holds[name], now_ms)
                holds[name] = changed
        except HoldError:
            pass

        assert available(BALANCE, holds.values(), "USD", now_ms) >= 0
