"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere. Always on standard error."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_S: Final = 2.0
"""Between two lines where there is no terminal."""
LOOK_S: Final = 0.1


class Work:
    """Counts `unit`s; what is done of the whole is told as a share between 0 and 1, where that is known."""

    def __init__(self, what: str, unit: str, *, quiet: bool = False) -> None:
        self._what = what
        self._unit = unit
        self._quiet = quiet
        self._bar: Progress | None = None
        self._began = self._told = time.monotonic()
        self.count = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Units a second since the beginning."""
        return self.count / self.seconds if self.seconds > 0 else 0.0

    def advance(self, count: int, share: float | None = None) -> None:
        """`count` more are done; `share` of everything by now."""
        self.count += count
        now = time.monotonic()
        if self._quiet or now - self._told < (LOOK_S if self._bar else LINE_S):
            return
        self._told = now
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=share or 0, total=1 if share else None, said=self._said())
        else:
            left = f", about {self.seconds * (1 - share) / share:,.0f} s left" if share else ""
            print(f"{self._what}: {self._said()}{left}", file=sys.stderr, flush=True)

    def _said(self) -> str:
        return f"{self.count:,} {self._unit}, {self.rate:,.0f}/s"

    def __enter__(self) -> "Work":
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task(self._what, total=None, said="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
