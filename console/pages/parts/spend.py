"""Charts of what customers spend by day: asked for together, and kept for a while, the longer the longer they took to read."""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from console.days import Days, Running, days_of
from console.gathering import Gathering
from console.pages.parts.chart import chart
from console.pages.parts.states import empty
from console.pages.parts.text import Html
from console.reading import Warehouse

TIMES: Final = 50
"""A chart is kept for so many times what reading it took: where there is little usage it follows at once."""
KEPT_S: Final = 30.0
"""And for so long at most."""
KEPT: Final = 300
"""Charts, of some ten kilobytes each."""


class Wanted:
    """A chart of a running invoice. The same one as another of the same invoice, while documents stay as they are and nothing has another price."""

    def __init__(self, running: Running, names: Mapping[str, str], changes: int) -> None:
        """`names`: of products by id. `changes`: how often documents had changed."""
        self.running = running
        self.names = names
        invoice = running.invoice
        self._key = invoice.id, changes, tuple((line.id, line.unit_price) for line in invoice.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wanted) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


class Charts:
    """For one event loop."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._gathering: Gathering[Wanted, Html] = Gathering(self._drawn)
        self._kept: OrderedDict[Wanted, tuple[float, Html]] = OrderedDict()

    async def ask(self, wanted: Wanted) -> Html:
        """Raises UnavailableError."""
        until, kept = self._kept.get(wanted, (0.0, Html("")))
        return kept if time.monotonic() < until else await self._gathering.ask(wanted)

    def _drawn(self, asked: Sequence[Wanted]) -> Mapping[Wanted, Html]:
        began = time.monotonic()
        days = days_of(self._warehouse, [each.running for each in asked])
        found = {each: spend_chart(each, some) for each, some in zip(asked, days, strict=True)}
        now = time.monotonic()
        for each, drawn in found.items():
            self._kept.pop(each, None)  # and with it the account as it was
            self._kept[each] = (now + min(KEPT_S, TIMES * (now - began)), drawn)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def spend_chart(wanted: Wanted, days: Days) -> Html:
    if not days:
        return nothing()
    invoice = wanted.running.invoice
    return chart(days, invoice.starting_ms, invoice.ending_ms, wanted.names, invoice.currency)


def nothing() -> Html:
    return empty("Nothing spent in this period", "Each product gets a colour once it is used.")
