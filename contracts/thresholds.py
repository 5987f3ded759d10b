"""States of thresholds: ok or in alarm, re-armed when the value comes back or a period starts, continued at every `repeat`."""

from decimal import Decimal
from typing import Literal

from contracts.contract import Threshold
from contracts.facts import ThresholdFact
from contracts.money import EXACT

__all__ = ["move", "passed"]


def passed(threshold: Threshold, value: Decimal) -> int:
    """How many steps a value has passed: 1 at `at`, one more at every further `repeat`. Balances fall to a threshold, the others rise."""
    falling = threshold.measure in ("balance", "balance_percent")
    beyond = EXACT.subtract(threshold.at, value) if falling else EXACT.subtract(value, threshold.at)
    if beyond < 0:
        return 0
    return 1 + (int(EXACT.divide_int(beyond, threshold.repeat)) if threshold.repeat else 0)


def move(threshold: Threshold, state: ThresholdFact, value: Decimal, period: int) -> list[Literal["ok", "in_alarm"]]:
    """Bring a state up to a value read in the billing period that starts at `period`; the changes come back in order."""
    changes: list[Literal["ok", "in_alarm"]] = []
    if state.period != period:
        state.period = period
        if state.steps and threshold.measure not in ("balance", "balance_percent"):
            state.steps = 0
            changes.append("ok")
    steps = passed(threshold, value)
    if steps == 0 and state.steps:
        changes.append("ok")
    changes += ["in_alarm"] * (steps - state.steps)
    state.steps = steps
    return changes
