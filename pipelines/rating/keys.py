"""Keys of RATE's rows: computed, never looked for. One table holds all of a partition's state, so that what one record changes is one write.

The first byte tells the kind. Ids stand behind their length, so no id can be the beginning of another's key.
"""

import struct
from functools import lru_cache
from typing import Final

_LENGTH: Final = struct.Struct(">I")
_DAY: Final = struct.Struct(">q")

POSITION: Final = b"p"
"""How far the sources are applied."""
ACCOUNTS: Final = b"a"
CELLS: Final = b"c"
CATALOGUES: Final = b"k"
ROUTES: Final = b"i"
GONE: Final = b"m"
SWEEPS: Final = b"s"
OUTBOX: Final = b"o"
TRANSFERS: Final = b"x"
GENERATION: Final = b"g"
"""The generation that was begun last."""


@lru_cache(maxsize=10_000)
def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return _LENGTH.pack(len(raw)) + raw


def account(root: str) -> bytes:
    """The account of a root customer."""
    return ACCOUNTS + root.encode("utf-8", "surrogatepass")


def root_of(key: bytes) -> str:
    """The root customer of an account's key."""
    return key[1:].decode("utf-8", "surrogatepass")


def cell(customer: str, catalogue: str, product: str, day: int) -> bytes:
    """Windows of a customer id, product and UTC day (−1: the list of days)."""
    return CELLS + _text(customer) + _text(catalogue) + _text(product) + _DAY.pack(day)


def cells(customer: str) -> bytes:
    """What the keys of all cells of a customer id begin with."""
    return CELLS + _text(customer)


def cell_parts(key: bytes) -> tuple[str, str, str, int]:
    """Customer id, catalogue, product and day of a cell's key."""
    parts, at = [], 1
    for _ in range(3):
        (length,) = _LENGTH.unpack_from(key, at)
        at += _LENGTH.size
        parts.append(key[at : at + length].decode("utf-8", "surrogatepass"))
        at += length
    return parts[0], parts[1], parts[2], int(_DAY.unpack_from(key, at)[0])


def catalogue(name: str) -> bytes:
    """A catalogue's versions."""
    return CATALOGUES + name.encode()


def route(customer: str) -> bytes:
    """The root customer that an id belongs to."""
    return ROUTES + customer.encode("utf-8", "surrogatepass")


def gone(customer: str) -> bytes:
    """Where an id went that moved to another partition."""
    return GONE + customer.encode("utf-8", "surrogatepass")


def sweep(name: str) -> bytes:
    """A catalogue's way through the accounts."""
    return SWEEPS + name.encode()


def outbox(number: int) -> bytes:
    """Results that may not have been published yet."""
    return OUTBOX + _DAY.pack(number)


def transfer(identity: bytes) -> bytes:
    """A transfer that has been applied."""
    return TRANSFERS + identity
