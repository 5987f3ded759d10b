"""Windows of customer ids that change hands. Pure, used by the step.

What an account has billed of an id's usage stays billed when the id leaves: the account keeps the windows of the id as they are, with what tells who
bills them, while their sums go along with the id. When the id comes back it brings those sums and what was used since; the account takes its own
windows up again and counts of what comes only what it does not have.
"""

from collections.abc import Iterable

from contracts.scales import raw_value
from contracts.twins import SEPARATOR, original
from contracts.usage import Delta
from contracts.windows import DAY, IN_TIME, Aggregate, Cell, decode_cell, encode_cell, group_key, merge
from pipelines.rating import keys, moves
from pipelines.rating.catalogues import Catalogues
from pipelines.rating.cells import Cells
from pipelines.rating.memory import Accounts
from pipelines.rating.usage import Send


class Hands:
    """Not thread safe."""

    def __init__(self, cells: Cells, accounts: Accounts, catalogues: Catalogues, send: Send) -> None:
        self._cells = cells
        self._accounts = accounts
        self._catalogues = catalogues
        self._send = send

    def leave(self, customer: str, root: str) -> None:
        """An id leaves the account of `root`, which keeps what it has of it."""
        for key, _ in list(self._cells.scan(keys.left(root, customer))):
            self._cells.write(key, None)
        for key, body in list(self._cells.scan(keys.cells(customer))):
            if SEPARATOR not in keys.cell_parts(key)[2]:
                self._cells.write(keys.left_cell(root, key), body)

    def join(self, customer: str, root: str, recorded_ms: int) -> None:
        """An id comes to the account of `root`. Windows that lie here are handed over like others, unless they have been nobody's and are the root's own."""
        kept = list(self._cells.scan(keys.left(root, customer)))
        here = list(self._cells.scan(keys.cells(customer)))
        if not kept and (not here or (customer == root and not any(_billed(key, body) for key, body in here))):
            return
        self._accounts.outdated = True
        self._hand_over(root, here, recorded_ms)
        for key, body in kept:
            own = keys.own_cell(root, key)
            self._cells.write(own, body)
            self._await(own, body)
            self._cells.write(key, None)

    def send(self, customer: str, root: str, recorded_ms: int) -> None:
        """Send the windows of an id to the partition of `root`."""
        self._hand_over(root, list(self._cells.scan(keys.cells(customer))), recorded_ms)

    def _hand_over(self, root: str, cells: Iterable[tuple[bytes, bytes]], recorded_ms: int) -> None:
        found = sorted(cells)
        for deltas in moves.portions(found, recorded_ms, self._kind):
            self._send(root, deltas)
        for key, _ in found:
            self._cells.write(key, None)

    def arrived(self, deltas: Iterable[Delta]) -> list[Delta]:
        """Usage that was handed over, without what the account that it was handed to has kept of it."""
        return [left for each in deltas if (left := self._new(each)) is not None]

    def _await(self, key: bytes, body: bytes) -> None:
        """Note what is going to come again."""
        customer, catalogue, product, day = keys.cell_parts(key)
        if day < 0:
            return
        kind = self._kind(catalogue, product)
        place = keys.awaited(customer, catalogue, product, day)
        known = self._cells.read(place)
        noted: Cell = decode_cell(known) if known else {}
        for group, slots in decode_cell(body).items():
            for (window, _), aggregate in slots.items():
                held = noted.setdefault(group, {})
                held[window, IN_TIME] = merge(kind, held.get((window, IN_TIME)), aggregate)
        self._cells.write(place, encode_cell(noted))

    def _new(self, delta: Delta) -> Delta | None:
        """What is new of it; none: nothing."""
        place = keys.awaited(delta.customer, delta.catalogue, delta.product, delta.window_ms // DAY)
        known = self._cells.read(place)
        if known is None:
            return delta
        noted, group, slot = decode_cell(known), group_key(delta.group), (delta.window_ms, IN_TIME)
        held = noted.get(group, {}).pop(slot, None)
        if held is None:
            return delta
        if held.points or held.members:
            # They come in portions, and twice they count once: only the number of events must not be taken off again.
            noted[group][slot] = Aggregate(0, held.first_ms, None, held.points, held.members)
        elif not noted[group]:
            del noted[group]
        self._cells.write(place, encode_cell(noted) if noted else None)
        return _less(self._kind(delta.catalogue, delta.product), delta, held)

    def _kind(self, catalogue: str, product: str) -> str:
        """How the product aggregates."""
        versions = self._catalogues.versions[catalogue]
        for _, document in sorted(versions.items(), reverse=True):
            found = document.products.get(original(product))
            if found is not None and found.metric is not None:
                return document.metrics[found.metric].aggregation
        raise AssertionError(f"catalogue {catalogue} has no metered product {product}, of which there are windows")


def _billed(key: bytes, body: bytes) -> bool:
    """Somebody has said of a window who bills it."""
    return keys.cell_parts(key)[3] >= 0 and any(tag != IN_TIME for slots in decode_cell(body).values() for _, tag in slots)


def _less(kind: str, delta: Delta, held: Aggregate) -> Delta | None:
    events = delta.events - held.events
    value = delta.value
    if kind == "sum" and value is not None and held.value is not None:
        value -= raw_value(held.value)
    known = set(delta.points) <= set(held.points) and delta.members <= held.members
    if events == 0 and known and (kind != "sum" or not value):
        return None
    return delta._replace(events=events, value=value)
