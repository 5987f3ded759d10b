"""How long METER tries a call that Kafka's client says to try again."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipelines.metering.patience import Patience


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; each rest takes a second of it."""
    now = [0.0]

    def rest(_: float) -> None:
        now[0] += 1.0

    monkeypatch.setattr("pipelines.metering.patience.time.monotonic", lambda: now[0])
    monkeypatch.setattr("pipelines.metering.patience.time.sleep", rest)
    return now


def failing(times: int) -> tuple[list[int], Callable[[], str]]:
    calls: list[int] = []

    def call() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "try again", retriable=True))
        return "done"

    return calls, call


def test_a_call_is_made_again_until_it_succeeds(clock: list[float]) -> None:
    waits: list[str | None] = []
    _, call = failing(500)
    assert Patience(waits.append)(call) == "done"
    assert waits[-1] is None


def test_a_call_that_never_ends_is_given_up_in_the_time_it_has(clock: list[float]) -> None:
    calls, call = failing(10**9)
    with pytest.raises(KafkaException, match="try again"):
        Patience(lambda _: None)(call, 20.0)
    assert len(calls) == 22
