"""Twins: windows of a product that are metered again beside those that are billed, and how the two change places.

A generation's usage of a product has the name `twin(product, number)`. An account does not look at it; it lies in windows of its own until
`exchange` puts it where the product's windows are, and those where it was. Doing it again undoes it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from contracts.usage import Delta
from contracts.windows import DAY, IN_TIME, Address, Aggregate, Cell, GroupKey, Slot, UsageStore, Windows

__all__ = ["SEPARATOR", "Scope", "add", "drop", "exchange", "number_of", "original", "twin"]

SEPARATOR: Final = "\x1f"
"""Stands in no product's name."""

Fixed = Callable[[str, str, Mapping[str, str], int], bool]
"""Whether a window (customer id, catalogue, group, start) is on an invoice that does not change any more."""


class Scope(msgspec.Struct, frozen=True):
    """What a generation is about."""

    products: dict[str, dict[str, str]]
    """By catalogue: product and how it aggregates."""
    customers: list[str] = []
    """Ids under which usage arrives; none: all."""
    from_ms: int | None = None
    """Windows that start in [from, until); none: open."""
    until_ms: int | None = None

    def has(self, customer: str, catalogue: str, product: str, window_ms: int) -> bool:
        """Whether a window of the product (not of its twin) is meant."""
        return (
            product in self.products.get(catalogue, {})
            and (not self.customers or customer in self.customers)
            and (self.from_ms is None or window_ms >= self.from_ms)
            and (self.until_ms is None or window_ms < self.until_ms)
        )


def twin(product: str, number: int) -> str:
    return f"{product}{SEPARATOR}{number}"


def original(product: str) -> str:
    """The product whose twin this is; a product itself."""
    return product.partition(SEPARATOR)[0]


def number_of(product: str) -> int | None:
    """The generation of a twin; none: it is none."""
    number = product.partition(SEPARATOR)[2]
    return int(number) if number else None


def add(store: UsageStore, scope: Scope, deltas: Iterable[Delta]) -> None:
    """Keep usage of twins."""
    windows = Windows(store)
    for delta in deltas:
        kind = scope.products.get(delta.catalogue, {}).get(original(delta.product))
        if kind is not None:
            windows.add(kind, delta, IN_TIME)
    windows.flush()


def exchange(store: UsageStore, scope: Scope, number: int, ids: Iterable[str], fixed: Fixed) -> bool:
    """Windows of these ids and their twins change places, but for those that are `fixed` or in part billed by another period. Whether any did."""
    changed = False
    windows = Windows(store)
    for customer in sorted(ids):
        if scope.customers and customer not in scope.customers:
            continue
        for catalogue, products in sorted(scope.products.items()):
            for product in sorted(products):
                one, other = (customer, catalogue, product), (customer, catalogue, twin(product, number))
                for day in sorted({*windows.days(one), *windows.days(other)}):
                    if _outside(scope, day):
                        continue
                    cells = windows.cell(one, day), windows.cell(other, day)
                    after = _exchanged(*cells, _staying(scope, one, fixed))
                    if after != cells:
                        changed = True
                        windows.replace(one, day, after[0])
                        windows.replace(other, day, after[1])
    windows.flush()
    return changed


def drop(store: UsageStore, scope: Scope, number: int, ids: Iterable[str]) -> None:
    """Forget the twins' windows of these ids."""
    windows = Windows(store)
    for customer in sorted(ids):
        for catalogue, products in sorted(scope.products.items()):
            for product in sorted(products):
                address = (customer, catalogue, twin(product, number))
                for day in list(windows.days(address)):
                    windows.replace(address, day, {})
    windows.flush()


def _outside(scope: Scope, day: int) -> bool:
    return (scope.from_ms is not None and (day + 1) * DAY <= scope.from_ms) or (scope.until_ms is not None and day * DAY >= scope.until_ms)


def _staying(scope: Scope, address: Address, fixed: Fixed) -> Callable[[GroupKey, int], bool]:
    customer, catalogue, product = address

    def stays(key: GroupKey, window: int) -> bool:
        return not scope.has(customer, catalogue, product, window) or fixed(customer, catalogue, dict(key), window)

    return stays


def _exchanged(one: Cell, other: Cell, stays: Callable[[GroupKey, int], bool]) -> tuple[Cell, Cell]:
    first: Cell = {}
    second: Cell = {}
    for key in {*one, *other}:
        mine, theirs = one.get(key, {}), other.get(key, {})
        # Late usage that a later period bills stays with it, and so does the rest of its window.
        apart = {window for window, tag in {*mine, *theirs} if tag != IN_TIME}
        still = {window for window, _ in {*mine, *theirs} if window in apart or stays(key, window)}
        for slots, here, there in ((mine, first, second), (theirs, second, first)):
            for slot, aggregate in slots.items():
                _put(here if slot[0] in still else there, key, slot, aggregate)
    return first, second


def _put(cell: Cell, key: GroupKey, slot: Slot, aggregate: Aggregate) -> None:
    cell.setdefault(key, {})[slot] = aggregate
