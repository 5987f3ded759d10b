"""The rows of RATE's table, other than the windows, whose encoding is the account's own."""

from typing import Any

import msgspec


class Position(msgspec.Struct, array_like=True):
    """How far a partition's sources are applied. Part of every write, so rows and position cannot disagree."""

    outbox: int = 0
    """Number of the last outbox row."""
    transfers: int = 0
    """Number of the last transfer to another partition."""
    applied: dict[str, int] = {}
    """Offset behind the last record of each topic that is applied as a whole."""
    parts: bytes = b""
    """Which deltas of the metered-usage record after that are applied: a bit each, lowest first."""


class Terms(msgspec.Struct, array_like=True):
    """What RATE itself must know of a contract."""

    version: int
    customer: str
    aliases: list[str]
    clock: str
    catalogue: str
    usage_thresholds: list[str]
    """Thresholds whose value is a quantity and has no currency."""


class Pending(msgspec.Struct, array_like=True):
    """A version of a document that holds from a later time."""

    effective_ms: int
    version: int
    body: str


class AccountRow(msgspec.Struct, array_like=True):
    """An account as it is stored."""

    clock: str = "wall"
    now_ms: int = 0
    """The account's time."""
    due_ms: int | None = None
    """When its clock next changes something."""
    contracts: dict[str, Terms] = {}
    catalogues: dict[str, int] = {}
    """Version of each catalogue that the account knows."""
    pending: dict[str, list[Pending]] = {}
    """Future versions of its contracts by contract id."""
    snapshot: bytes = b""
    """Without catalogues, which the accounts of a partition share."""
    generation: int = 0
    """The generation with which it exchanged windows last."""
    turns: list[int] = []
    """Records of contract-changes that told it to do something about that generation, and which it has followed."""


class CatalogueRow(msgspec.Struct, array_like=True):
    """The version of a catalogue that holds, those to come, and those that some account still stands on."""

    version: int
    recorded_ms: int
    body: str
    pending: list[Pending] = []
    earlier: dict[int, str] = {}
    """Bodies by version, until every account knows the one that holds."""


class SweepRow(msgspec.Struct, array_like=True):
    """A catalogue that is being told to the accounts one after the other."""

    after: bytes
    """Key of the last account that knows it."""
    offset: int
    """Record of contract-changes that started it; −1: time did."""


class OutboxRow(msgspec.Struct, array_like=True):
    """What a write made known and may not be on the topics yet."""

    roots: list[str] = []
    """Accounts whose whole result is published again if the worker stops before it has published this."""
    gone: list[dict[str, Any]] = []
    """Invoices and lines that are no more: values of rated-line-items without revision and amounts."""
    gone_balances: list[dict[str, Any]] = []
    crossings: list[dict[str, Any]] = []
    transfers: list[dict[str, Any]] = []


encode = msgspec.msgpack.Encoder().encode
decode_position = msgspec.msgpack.Decoder(Position).decode
decode_account = msgspec.msgpack.Decoder(AccountRow).decode
decode_catalogue = msgspec.msgpack.Decoder(CatalogueRow).decode
decode_sweep = msgspec.msgpack.Decoder(SweepRow).decode
decode_outbox = msgspec.msgpack.Decoder(OutboxRow).decode
