"""The rows of one partition as the step sees them: the table, and over it what has changed since the last write."""

from collections.abc import Iterator
from typing import Protocol

from pipelines.rating import keys


class Rows(Protocol):
    """A partition of the table as it was last written."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix` and is greater than `after`, in order of key."""


class Cells:
    """Reads through to the table and keeps changes until `take`. The `UsageStore` of all accounts of a partition."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._changes: dict[bytes, bytes | None] = {}
        self.weight = 0
        """About how many bytes have changed."""

    def read(self, key: bytes) -> bytes | None:
        if key in self._changes:
            return self._changes[key]
        return self._rows.get(key)

    def write(self, key: bytes, value: bytes | None) -> None:
        """None deletes."""
        before = self._changes.get(key)
        self.weight += len(value or b"") - len(before or b"") + (0 if key in self._changes else len(key) + 30)
        self._changes[key] = value

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """As `Rows.scan`, with the changes; not in order."""
        for key, value in self._rows.scan(prefix, after):
            if key not in self._changes:
                yield key, value
        for key, changed in list(self._changes.items()):
            if changed is not None and key.startswith(prefix) and key > after:
                yield key, changed

    def take(self) -> dict[bytes, bytes | None]:
        """The changes since the last call; the caller writes them before the next."""
        changes, self._changes, self.weight = self._changes, {}, 0
        return changes

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None:
        return self.read(keys.cell(customer, catalogue, product, day))

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None:
        self.write(keys.cell(customer, catalogue, product, day), cell)
