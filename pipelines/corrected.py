"""Which raw events count: what the corrections in force say about those of usage-events."""

from typing import Any, Final, NamedTuple

from contracts.twins import SEPARATOR
from pipelines.replay.generations import Generations, reserved

COUNTS: Final = """(NOT startsWith(transaction_id, {separator:String}) OR arrayExists(start -> startsWith(transaction_id, start), {brought:Array(String)}))
 AND transaction_id NOT IN {left_out:Array(String)}"""
"""SQL over raw events, with the parameters of `Corrected.asked`."""


class Corrected(NamedTuple):
    """Corrections in force, all together."""

    left_out: frozenset[str] = frozenset()
    """Ids of events that do not count any more."""
    numbers: frozenset[int] = frozenset()
    """Corrections whose own events count."""

    def counts(self, transaction_id: str) -> bool:
        """Whether an event that was accepted counts."""
        if transaction_id in self.left_out:
            return False
        number = correction_of(transaction_id)
        return number is None or number in self.numbers

    def asked(self) -> dict[str, Any]:
        """Parameters of `COUNTS`."""
        return {"separator": SEPARATOR, "brought": [reserved(number) for number in sorted(self.numbers)], "left_out": sorted(self.left_out)}


def corrected(generations: Generations) -> Corrected:
    """What is in force now."""
    numbers = generations.in_force()
    return Corrected(frozenset(generations.left_out(numbers)), frozenset(numbers))


def correction_of(transaction_id: str) -> int | None:
    """The correction that has brought an event; none: a service did."""
    if not transaction_id.startswith(SEPARATOR):
        return None
    number = transaction_id.split(SEPARATOR, 2)[1]
    return int(number) if number.isdigit() else -1


def original_id(transaction_id: str) -> str:
    """The id that a service gave the event."""
    return transaction_id.rpartition(SEPARATOR)[2]
