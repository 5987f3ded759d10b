"""Connections that wait for the next request like their last."""

from typing import cast

from pipelines.local.warehouse_engine import Connection
from pipelines.local.warehouse_ready import Ready


class Fake:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_each_is_given_to_one_who_asks_as_it_was_prepared() -> None:
    ready, one, other = Ready(8), Fake(), Fake()
    ready.give("a", cast("Connection", one))
    ready.give("b", cast("Connection", other))
    assert ready.take("c") is None
    assert cast("object", ready.take("a")) is one
    assert ready.take("a") is None
    assert cast("object", ready.take("b")) is other
    assert not one.closed
    assert not other.closed


def test_the_one_that_waits_longest_goes_first_and_all_at_the_end() -> None:
    ready, fakes = Ready(2), [Fake() for _ in range(4)]
    for number, each in enumerate(fakes[:3]):
        ready.give(number, cast("Connection", each))
    assert [each.closed for each in fakes] == [True, False, False, False]
    # one that was used again is the youngest
    taken = ready.take(1)
    assert taken is not None
    ready.give(1, taken)
    ready.give(3, cast("Connection", fakes[3]))
    assert [each.closed for each in fakes] == [True, False, True, False]
    ready.close()
    assert all(each.closed for each in fakes)
    assert ready.take(1) is None
    # and what comes back later
    late = Fake()
    ready.give(1, cast("Connection", late))
    assert late.closed
    assert ready.take(1) is None
