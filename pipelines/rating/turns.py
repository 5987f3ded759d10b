"""How accounts follow a generation: each exchanges or forgets its windows once, the touched ones at once, idle ones by and by. Pure, used by the step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contracts.twins import Scope
from pipelines.rating import keys
from pipelines.rating.beside import Beside
from pipelines.rating.memory import Accounts
from pipelines.replay.generations import Step

WEIGHT: Final = 4_000_000
"""Bytes of the accounts that take their turn in one go, about: they are written as one batch, which has a limit."""


class Turns:
    """Not thread safe."""

    def __init__(self, number: int, beside: Beside, accounts: Accounts) -> None:
        """`number`: of the partition."""
        self._number = number
        self._beside = beside
        self._accounts = accounts

    def early(self, change: Mapping[str, Any], metered: int) -> bool:
        """Whether a step must wait: for usage that it names, or until the accounts have done what the step before told. `metered`: how far usage is applied."""
        return self._beside.working is not None or _step(change).metered.get(self._number, 0) > metered

    def take(self, change: Mapping[str, Any], offset: int) -> None:
        """A step of a generation was recorded."""
        step = _step(change)
        if step.step == "begin":
            self._beside.begin(step.number, step.scope or Scope({}))
        elif step.step in ("cutover", "back"):
            self._beside.tell("exchange", step.number, offset)
        elif step.step in ("close", "abort"):
            self._beside.tell("drop", step.number, offset)
        # Turns go over the rows as they are written, and those of the touched ones are yet to be.
        for root in list(self._accounts.touched):
            self._accounts.touch(root, 0)

    def run(self, full: Callable[[], bool]) -> None:
        """Let a few more accounts have their turn, until the write is `full`."""
        if self._beside.working is None or full():
            return
        found, all_of_them = self._beside.next_accounts()
        weight = 0
        for place, key in enumerate(found):
            if place and (full() or weight > WEIGHT):
                self._beside.went(found[place - 1])
                return
            weight += len(self._accounts.touch(keys.root_of(key), 0).row.snapshot)
        self._beside.went(None if all_of_them else found[-1])


def _step(change: Mapping[str, Any]) -> Step:
    return msgspec.json.decode(change["body"], type=Step)
