"""Messages to webhooks: order, pauses, the end of patience."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.alerting.step import GONE, HOUR_MS, PATIENCE_MS, PAUSES_MS, Delivery, Outcome, after, again, heads


def delivery(webhook: str = "w", customer: str = "c", sequence: int = 1, **more: Any) -> Delivery:
    return Delivery(webhook, f"{customer}-{sequence}", customer, sequence, "{}", 0, 0, 0)._replace(**more)


def test_a_success_ends_it() -> None:
    done = after(delivery(), Outcome(204, "204"), 5)

    assert (done.state, done.attempts, done.version, done.changed_ms) == ("delivered", 1, 2, 5)


def test_failures_pause_longer_and_longer_and_end_after_48_hours() -> None:
    now_ms, each, pauses = 0, delivery(), []
    while each.state == "pending":
        each = after(each, Outcome(500, "500"), now_ms)
        if each.state == "pending":
            pauses.append(each.due_ms - now_ms)
            now_ms = each.due_ms

    assert each.state == "dead"
    assert now_ms == PATIENCE_MS
    assert pauses[: len(PAUSES_MS)] == list(PAUSES_MS)
    assert max(pauses) == 8 * HOUR_MS


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    assert after(delivery(), Outcome(GONE, "410"), 5).state == "dead"


def test_a_dead_letter_gets_48_hours_anew() -> None:
    anew = again(delivery(state="dead", attempts=20, version=21), 7)

    assert (anew.state, anew.attempts, anew.version, anew.created_ms, anew.due_ms) == ("pending", 0, 22, 7, 7)
    assert after(anew, Outcome(0, "no answer"), PATIENCE_MS).state == "pending"


@given(
    st.lists(
        st.builds(
            delivery,
            webhook=st.sampled_from("ab"),
            customer=st.sampled_from("xyz"),
            sequence=st.integers(0, 50),
            state=st.sampled_from(("pending", "delivered", "dead")),
        ),
        unique_by=lambda each: (each.webhook, each.customer, each.sequence),
        max_size=30,
    )
)
def test_each_lane_has_one_head_and_nothing_pending_stands_before_it(deliveries: list[Delivery]) -> None:
    found = heads(deliveries)

    assert len({each.lane for each in found}) == len(found) == len({each.lane for each in deliveries if each.state == "pending"})
    for head in found:
        assert not [each for each in deliveries if each.lane == head.lane and each.state == "pending" and each.sequence < head.sequence]


@given(status=st.integers(300, 599), now_ms=st.integers(0, PATIENCE_MS - 1), attempts=st.integers(0, 40), jitter=st.floats(-1, 1))
def test_the_next_attempt_is_ahead_and_inside_the_48_hours(status: int, now_ms: int, attempts: int, jitter: float) -> None:
    tried = after(delivery(attempts=attempts), Outcome(status, "x"), now_ms, jitter)

    assert tried.state == ("dead" if status == GONE else "pending")
    assert status == GONE or now_ms < tried.due_ms <= PATIENCE_MS
