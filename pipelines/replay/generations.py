"""Generations as the log tells them: what each is about, what it leaves out and adds, and how far it is.

Control records are contract-changes of kind `replay`, id `generation-N`; the body names the step:

    more       ids of events that it leaves out, before `begin` in the same transaction, on one partition
    begin      number, scope, corrections it rests on, how many ids `more` told
    cutover    its windows are billed; `metered`: how far metered-usage must be applied before, by partition
    back       those from before are billed again
    still      readers of the warehouse stand still: before a cutover and before the way back; changes nothing by itself
    close      what is not billed is forgotten
    abort      the same, before a cutover

All but `more` are on every partition.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from contracts.twins import SEPARATOR, Scope

__all__ = ["ID", "KIND", "Generation", "Generations", "Step", "Terms", "reserved"]

KIND: Final = "replay"
ID: Final = "generation-"
"""What the ids of control records begin with; the number follows."""
State = Literal["open", "live", "back", "closed", "aborted"]
"""open: metered beside; live: billed; back: was billed; closed: billed for good; aborted: never billed, or not any more."""


class Terms(msgspec.Struct, omit_defaults=True, kw_only=True):
    """On what a generation rests, as `begin` tells it."""

    corrections: list[int] = []
    """Corrections in force that it rests on."""
    correction: bool = False
    """It leaves out or adds events itself."""
    undoes: int | None = None
    left_out_count: int = 0
    """How many ids `more` has told."""
    added_count: int = 0
    catalogues: dict[str, int] = {}
    """Versions of the catalogues in its scope, under which all of it is metered."""
    note: str = ""
    rate: int = 0
    """Events of the past a second at most, over all METER workers; 0: as many as live usage leaves time for."""


class Step(Terms, omit_defaults=True):
    """The body of a control record; the terms are those of a `begin`."""

    step: Literal["more", "begin", "still", "cutover", "back", "close", "abort"]
    number: int
    scope: Scope | None = None
    """begin: what is metered again."""
    left_out: list[str] = []
    """more: transaction ids."""
    metered: dict[int, int] = {}
    """cutover, back, close: by partition the offset behind the last record of metered-usage that must be applied before."""
    clocks: dict[str, int] = {}
    """cutover, back: where each test clock stands."""


class Generation(Terms):
    """One of them, as far as the log tells."""

    number: int
    scope: Scope = Scope({})
    left_out: list[str] = []
    author: str = ""
    began_ms: int = 0
    steps: list[tuple[str, int]] = []
    """What was done with it, and when."""
    state: State | None = None
    """None: not begun yet."""

    @property
    def ready(self) -> bool:
        """All of it has arrived."""
        return self.state is not None and len(self.left_out) >= self.left_out_count

    @property
    def metered(self) -> bool:
        """METER meters its twins."""
        return self.ready and self.state in ("open", "live", "back")


class Generations:
    """All generations. Fed with control records in the order of each partition."""

    def __init__(self) -> None:
        self.by_number: dict[int, Generation] = {}
        self._seen: set[tuple[str, int]] = set()

    @property
    def changes(self) -> int:
        """Grows with every step."""
        return len(self._seen)

    def record(self, change: Mapping[str, Any]) -> bool:
        """Take a decoded contract_change of kind `replay`; whether it was news: a step comes once for each partition."""
        key = (change["id"], change["version"])
        if key in self._seen:
            return False
        self._seen.add(key)
        step = msgspec.json.decode(change["body"], type=Step)
        if step.step == "still":
            return False
        found = self.by_number.setdefault(step.number, Generation(step.number))
        if step.step == "more":
            found.left_out = [*found.left_out, *step.left_out]
            return True
        found.steps = sorted([*found.steps, (step.step, change["recorded_at"])], key=lambda each: each[1])
        if step.step == "begin":
            for name in Terms.__struct_fields__:
                setattr(found, name, getattr(step, name))
            found.scope = step.scope or Scope({})
            found.author, found.began_ms = change["author"], change["recorded_at"]
            found.state = "open"
        elif step.step == "cutover":
            found.state = "live"
        elif step.step == "back":
            found.state = "back"
        else:
            found.state = "closed" if found.state == "live" else "aborted"
        return True

    @property
    def current(self) -> Generation | None:
        """The one that is not closed; one at a time."""
        return next((each for each in self.by_number.values() if each.state in ("open", "live", "back")), None)

    @property
    def next_number(self) -> int:
        return max(self.by_number, default=0) + 1

    @property
    def corrected(self) -> bool:
        """Some generation has brought events of its own, or left some out: ids of its kind are on the log."""
        return any(each.correction for each in self.by_number.values())

    def brought(self) -> list[str]:
        """How the ids of events begin that corrections have brought."""
        return [reserved(number) for number, each in sorted(self.by_number.items()) if each.correction]

    def in_force(self) -> list[int]:
        """Numbers of the corrections whose events are billed now."""
        live = {each.number: each for each in self.by_number.values() if each.state in ("live", "closed")}
        undone = {each.undoes for each in live.values() if each.undoes is not None}
        return sorted(each.number for each in live.values() if each.correction and each.number not in undone)

    def rests_on(self, generation: Generation) -> list[int]:
        """Numbers of the corrections that its windows hold."""
        own = [generation.number] if generation.correction and generation.undoes is None else []
        return [*(each for each in generation.corrections if each != generation.undoes), *own]

    def left_out(self, numbers: Iterable[int]) -> list[str]:
        """Ids of events that do not count under these corrections."""
        return sorted({name for number in numbers for name in self.by_number[number].left_out})


def reserved(number: int, transaction_id: str = "") -> str:
    """The id under which an event that a correction brings is on usage-events; without an id what all of them begin with."""
    return f"{SEPARATOR}{number}{SEPARATOR}{transaction_id}"
