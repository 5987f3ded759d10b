"""Where the usage of an id goes: to which account of the partition, or on to another partition. Pure, used by the step."""

from typing import Final

from pipelines.rating import keys
from pipelines.rating.cells import Cells

KEPT: Final = 20_000
"""Ids whose way is known by heart."""


class Routes:
    """Not thread safe."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._roots: dict[str, str] = {}
        self._gone: dict[str, str | None] = {}
        self.changes = 0
        """How often a route has changed since the start: usage that is grouped by account is grouped anew then."""

    def root(self, customer: str) -> str:
        """The account of an id; of one that nobody knows its own."""
        found = self._roots.get(customer)
        if found is None:
            stored = _text(self._cells.read(keys.route(customer)))
            found = customer if stored is None else stored
            if len(self._roots) > KEPT:
                self._roots.clear()
            self._roots[customer] = found
        return found

    def lead(self, customer: str, root: str | None) -> None:
        """The usage of an id belongs to an account from now on; none: to its own."""
        self._roots.pop(customer, None)
        self._cells.write(keys.route(customer), _bytes(root))
        self.changes += 1

    def gone(self, customer: str) -> str | None:
        """The account in another partition to which the usage of an id is sent on; none: it is kept here."""
        if customer in self._gone:
            return self._gone[customer]
        found = _text(self._cells.read(keys.gone(customer)))
        if len(self._gone) > KEPT:
            self._gone.clear()
        self._gone[customer] = found
        return found

    def send_on(self, customer: str, root: str | None) -> None:
        """Where the usage of an id is sent on to; none: it is kept here."""
        if root is not None or self.gone(customer) is not None:
            self._gone.pop(customer, None)
            self._cells.write(keys.gone(customer), _bytes(root))


def _bytes(root: str | None) -> bytes | None:
    return None if root is None else root.encode("utf-8", "surrogatepass")


def _text(stored: bytes | None) -> str | None:
    return None if stored is None else stored.decode("utf-8", "surrogatepass")
