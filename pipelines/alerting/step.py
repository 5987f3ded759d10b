"""What is to be done with a message to a webhook: pure.

Messages of one customer to one webhook are delivered in order: as long as one waits for its next attempt, those behind it wait too. Attempts go on
with growing pauses for 48 hours; then the message is a dead letter, and the next one's turn comes.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

State = Literal["pending", "delivered", "dead", "cleared"]

SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600 * SECOND_MS
PATIENCE_MS: Final = 48 * HOUR_MS
PAUSES_MS: Final = tuple(seconds * SECOND_MS for seconds in (5, 30, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800))
"""After the first failure, the second, …; the last one repeats."""
GONE: Final = 410
"""The receiver says that it wants no more: no further attempt at this message."""


class Delivery(NamedTuple):
    """How it stands with one message to one webhook."""

    webhook: str
    message: str
    customer: str
    sequence: int
    body: str
    created_ms: int
    due_ms: int
    changed_ms: int
    state: State = "pending"
    attempts: int = 0
    version: int = 1
    result: str = ""

    @property
    def key(self) -> str:
        return f"{self.webhook}/{self.message}"

    @property
    def lane(self) -> tuple[str, str]:
        """Messages of one lane are in order."""
        return self.webhook, self.customer


class Outcome(NamedTuple):
    """Of one attempt: the status of the answer, 0 when there was none; and what to tell people."""

    status: int
    said: str


def heads(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """The first pending message of each lane."""
    first: dict[tuple[str, str], Delivery] = {}
    for each in deliveries:
        if each.state == "pending" and (each.lane not in first or each.sequence < first[each.lane].sequence):
            first[each.lane] = each
    return list(first.values())


def after(delivery: Delivery, outcome: Outcome, now_ms: int, jitter: float = 0.0) -> Delivery:
    """The delivery after an attempt. `jitter` (-1 to 1) moves the next attempt by up to a tenth of the pause."""
    attempts = delivery.attempts + 1
    tried = delivery._replace(attempts=attempts, version=delivery.version + 1, changed_ms=now_ms, result=outcome.said)
    if 200 <= outcome.status < 300:
        return tried._replace(state="delivered")
    pause_ms = PAUSES_MS[min(attempts, len(PAUSES_MS)) - 1]
    due_ms = now_ms + pause_ms + int(pause_ms * jitter / 10)
    deadline_ms = delivery.created_ms + PATIENCE_MS
    if outcome.status == GONE or now_ms >= deadline_ms:
        return tried._replace(state="dead")
    return tried._replace(due_ms=min(due_ms, deadline_ms))


def again(delivery: Delivery, now_ms: int) -> Delivery:
    """The same message, to be delivered anew: it has 48 hours again, and stands where it stood in its lane."""
    return delivery._replace(state="pending", attempts=0, version=delivery.version + 1, created_ms=now_ms, due_ms=now_ms, changed_ms=now_ms)
