"""An account's inputs from the warehouse: what previews, explain and `invoice --as-of` fold again.

Deltas of kind `transfer` are left out: they repeat windows that were metered elsewhere, and here all partitions are read.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client

from contracts.account import Account
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.result import Result
from contracts.usage import Delta, Point
from contracts.families import roots

DOCUMENTS = """
SELECT kind, id, version, toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms, any(body), min(source_partition), min(source_offset) AS place
FROM document_records WHERE kind IN ('catalogue', 'contract', 'action')
GROUP BY kind, id, version, edit ORDER BY recorded_ms, kind = 'contract', place"""

USAGE = """
SELECT catalogue, product, customer, group, toUnixTimestamp64Milli(window_at), toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(first_at),
       events, value, points, members, sequence
FROM metered_usage_records FINAL WHERE customer IN {customers:Array(String)} AND kind != 'transfer'
 AND recorded_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
ORDER BY recorded_at, source_partition, source_offset, source_index"""

FOREVER_MS = 10_413_791_999_999  # 2299, where DateTime64 ends


class RecordedDocument(NamedTuple):
    """A version of a catalogue or contract, or an action, in the order of recording."""

    kind: str
    id: str
    version: int
    recorded_ms: int
    body: bytes

    def catalogue(self) -> Catalogue:
        return msgspec.json.decode(self.body, type=Catalogue, strict=False)

    def contract(self) -> Contract:
        return msgspec.json.decode(self.body, type=Contract, strict=False)

    def action(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.body, type=dict[str, Any]))


class AccountInputs(NamedTuple):
    """Everything that an account was told, in the order in which it was recorded."""

    root: str
    documents: tuple[RecordedDocument, ...]
    deltas: tuple[Delta, ...]


def root_of(client: Client, customer: str) -> str:
    """The root customer of the family to which a customer id or alias belongs."""
    return roots(_latest(_documents(client, FOREVER_MS))).get(customer, customer)


def account_inputs(client: Client, root: str, until_ms: int = FOREVER_MS) -> AccountInputs:
    """The documents of the family of `root`, the catalogues they name, and the usage under all its ids, as recorded by `until_ms`."""
    everything = _documents(client, until_ms)
    latest = _latest(everything)
    owners = roots(latest)
    ids = {root} | {name for name, owner in owners.items() if owner == root}
    mine = {name for name, contract in latest.items() if owners.get(contract.customer, contract.customer) == root}
    catalogues = {latest[name].catalogue for name in mine}
    wanted = {"catalogue": catalogues, "contract": mine}
    documents = tuple(each for each in everything if each.id in wanted.get(each.kind, mine))
    return AccountInputs(root, documents, _deltas(client, sorted(ids), until_ms))


def tell(account: Account, inputs: AccountInputs) -> None:
    """Replay the inputs into a fresh account: by time of recording, documents before usage of the same instant."""
    waiting = list(reversed(inputs.deltas))
    for document in inputs.documents:
        earlier = []
        while waiting and waiting[-1].recorded_ms < document.recorded_ms:
            earlier.append(waiting.pop())
        if earlier:
            account.record_usage(earlier)
        _record(account, document)
    if waiting:
        account.record_usage(reversed(waiting))


def _record(account: Account, document: RecordedDocument) -> None:
    if document.kind == "catalogue":
        account.record_catalogue(document.catalogue(), document.recorded_ms)
    elif document.kind == "contract":
        account.record_contract(document.contract(), document.recorded_ms)
    else:
        action = document.action()
        account.record_action(action["action"], action["contract"], action["starting_at"], document.recorded_ms)


def _documents(client: Client, until_ms: int) -> list[RecordedDocument]:
    rows = client.query(DOCUMENTS).result_rows
    return [RecordedDocument(kind, name, version, recorded, body.encode()) for kind, name, version, recorded, body, _, _ in rows if recorded <= until_ms]


def _latest(documents: Iterable[RecordedDocument]) -> Mapping[str, Contract]:
    newest: dict[str, RecordedDocument] = {}
    for document in documents:
        if document.kind == "contract" and (document.id not in newest or newest[document.id].version < document.version):
            newest[document.id] = document
    return {name: document.contract() for name, document in newest.items()}


def _deltas(client: Client, customers: list[str], until_ms: int) -> tuple[Delta, ...]:
    rows = client.query(USAGE, parameters={"customers": customers, "until_ms": until_ms}).result_rows
    return tuple(
        Delta(
            catalogue,
            product,
            customer,
            dict(group),
            window_ms,
            recorded_ms,
            first_ms,
            events,
            None if value is None else Decimal(value),
            tuple(Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in points),
            frozenset(members),
            sequence,
        )
        for catalogue, product, customer, group, window_ms, recorded_ms, first_ms, events, value, points, members, sequence in rows
    )


def result_as_of(client: Client, customer: str, as_of_ms: int) -> Result:
    """The result of the customer's account with its clock at `as_of_ms`, folded again from what was recorded by then."""
    inputs = account_inputs(client, root_of(client, customer), as_of_ms)
    account = Account(inputs.root, Windows())
    tell(account, inputs)
    account.advance(as_of_ms)
    return account.result()


class Windows:
    """An account's windows in memory (`contracts.account.UsageStore`)."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str, int], bytes] = {}

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None:
        return self._cells.get((customer, catalogue, product, day))

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None:
        self._cells[customer, catalogue, product, day] = cell
