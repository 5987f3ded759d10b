"""A family's inputs from the warehouse, told again: what previews, explain and `invoice --as-of` fold.

Deltas of kind `transfer` are left out: they repeat windows that were metered elsewhere, and here all partitions are read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import TaximeterError
from contracts.offline import Ledger
from contracts.result import Result
from contracts.twins import SEPARATOR, Scope, add, exchange, number_of, original
from contracts.usage import Delta, Point
from contracts.windows import Aggregate, GroupKey, Windows
from pipelines.replay.generations import KIND as REPLAY
from pipelines.replay.generations import Step

ROOT: Final = """
SELECT root FROM document_records
WHERE kind = 'contract' AND (customer = {customer:String} OR has(JSONExtract(body, 'aliases', 'Array(String)'), {customer:String}))
ORDER BY customer = {customer:String} DESC, source_offset DESC LIMIT 1"""

DOCUMENTS: Final = """
WITH mine AS (SELECT * FROM document_records FINAL WHERE kind IN ('contract', 'action') AND root = {root:String})
SELECT kind, id, version, toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(effective_at), body
FROM document_records FINAL
WHERE source_partition IN (SELECT source_partition FROM mine)
 AND (kind IN ('contract', 'action') AND root = {root:String}
  OR kind = 'replay'
  OR kind = 'catalogue' AND id IN (SELECT JSONExtractString(body, 'catalogue') FROM mine WHERE kind = 'contract'))
ORDER BY source_offset
SETTINGS max_threads = 1"""

USAGE: Final = """
SELECT catalogue, product, customer, group, toUnixTimestamp64Milli(window_at), toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(first_at),
       events, value, points, members, sequence
FROM metered_usage_records FINAL WHERE customer IN {customers:Array(String)} AND kind != 'transfer'
 AND recorded_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
ORDER BY recorded_at, source_partition, source_offset, source_index"""

MERGED: Final = """
SELECT catalogue, product, customer, group, window, at_ms, min(first), sum(seen), sum(number), max(number), min(number), groupUniqArrayArray(points), groupUniqArrayArray(members)
FROM
(
  SELECT catalogue, product, customer, group, toUnixTimestamp64Milli(window_at) AS window, toUnixTimestamp64Milli(recorded_at) AS recorded,
         toUnixTimestamp64Milli(first_at) AS first, events AS seen, toDecimal256OrNull(value, 18) AS number, points, members,
         if(recorded < window + {window_ms:Int64}, window, intDiv(recorded, 900000) * 900000) AS at_ms
  FROM metered_usage_records FINAL WHERE customer IN {customers:Array(String)} AND kind != 'transfer'
   AND recorded_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
)
GROUP BY catalogue, product, customer, group, window, at_ms ORDER BY at_ms"""
"""What arrived inside its window, together: no invoice can be final by then. Later arrivals by the quarter hour. Eighteen decimals, as an account counts."""

FOREVER_MS: Final = 10_413_791_999_999  # 2299, where DateTime64 ends
WALL: Final = "wall"


class RecordedDocument(NamedTuple):
    """A version of a catalogue or contract, an action, or a step of a generation."""

    kind: str
    id: str
    version: int
    at_ms: int
    """From when it holds, in the time of the family's clock."""
    body: str

    def catalogue(self) -> Catalogue:
        return msgspec.json.decode(self.body, type=Catalogue, strict=False)

    def contract(self) -> Contract:
        return msgspec.json.decode(self.body, type=Contract, strict=False)

    def quiet(self) -> "RecordedDocument":
        """A contract without its thresholds; anything else as it is."""
        if self.kind != "contract":
            return self
        return self._replace(body=msgspec.json.encode(msgspec.structs.replace(self.contract(), thresholds=[])).decode())

    def action(self) -> Mapping[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


class FamilyInputs(NamedTuple):
    """Everything that a family's account was told, each in order of time."""

    root: str
    documents: tuple[RecordedDocument, ...]
    deltas: tuple[Delta, ...]

    def quiet(self) -> "FamilyInputs":
        """The same without thresholds: nobody asks for alerts, which are read behind every event."""
        return self._replace(documents=tuple(each.quiet() for each in self.documents))

    def replay(self, exchanges: "Exchanges | None" = None) -> Ledger:
        """A ledger that was told everything again: by time, documents before usage of the same instant. `exchanges`: to go on with afterwards."""
        ledger = Ledger()
        own = [each for each in self.deltas if SEPARATOR not in each.product]
        place = 0
        exchanges = exchanges or Exchanges(self)
        for document in self.documents:
            start = place
            while place < len(own) and own[place].recorded_ms < document.at_ms:
                place += 1
            if place > start:
                ledger.record_usage(own[start:place])
            if document.kind == REPLAY:
                exchanges.step(ledger, document)
            else:
                _record(ledger, document)
        ledger.record_usage(own[place:])
        return ledger

    def windows(self, ledger: Ledger) -> Iterator[tuple[str, str, str, GroupKey, int, Aggregate]]:
        """(customer id, catalogue, product, group, start, aggregate) of what the family's account bills."""
        account = ledger.account_of(self.root)
        if account is not None:
            windows = Windows(account.store)
            for customer, catalogue, product in sorted({(each.customer, each.catalogue, original(each.product)) for each in self.deltas}):
                for group, window, _, aggregate in windows.each((customer, catalogue, product), -FOREVER_MS, FOREVER_MS):
                    yield customer, catalogue, product, group, window, aggregate


class Exchanges:
    """The generations of a family, as they are told again. One for each ledger.

    Of every event both sets have one delta, so it does not matter on which side of an exchange an event is told, as long as what was metered
    again of the past is told before: all that there is, each time.
    """

    def __init__(self, inputs: FamilyInputs) -> None:
        self._inputs = inputs
        self.scopes: dict[int, Scope] = {}
        self._told: dict[int, int] = {}
        """How many of a generation's deltas are in its windows."""

    def step(self, ledger: Ledger, document: RecordedDocument) -> None:
        step = msgspec.json.decode(document.body, type=Step)
        if step.step == "begin":
            self.scopes[step.number] = step.scope or Scope({})
        elif step.step in ("cutover", "back") and step.number in self.scopes:
            self.exchange(ledger, step.number, document.at_ms, document.at_ms)

    def exchange(self, ledger: Ledger, number: int, at_ms: int, until_ms: int) -> None:
        """Twins' usage that was recorded before `until_ms` is in the windows, then they change places."""
        account = ledger.account_of(self._inputs.root)
        if account is None:
            return
        beside = [each for each in self._inputs.deltas if number_of(each.product) == number]
        start = self._told.get(number, 0)
        end = start + sum(each.recorded_ms < until_ms for each in beside[start:])
        self._told[number] = end
        ids = {self._inputs.root} | {each.customer for each in self._inputs.deltas}
        add(account.store, self.scopes[number], beside[start:end])
        if exchange(account.store, self.scopes[number], number, ids, account.is_fixed):
            account.reread(at_ms)


def root_of(client: Client, customer: str) -> str:
    """The root customer of the family to which a customer id or alias belongs."""
    rows = client.query(ROOT, parameters={"customer": customer}).result_rows
    return rows[0][0] if rows and rows[0][0] else customer


def family_inputs(client: Client, root: str, until_ms: int = FOREVER_MS, *, more: Iterable[str] = ()) -> FamilyInputs:
    """The documents of the family of `root`, the catalogues they name, and the usage under all its ids and `more`, as recorded by `until_ms`."""
    documents = [each for each in documents_of(client, root) if each.at_ms <= until_ms]
    contracts = [each.contract() for each in documents if each.kind == "contract"]
    ids = {root, *more} | {name for contract in contracts for name in (contract.customer, *contract.aliases)}
    return FamilyInputs(root, tuple(documents), _deltas(client, sorted(ids), until_ms))


def merged_inputs(client: Client, root: str, window_minutes: int, until_ms: int = FOREVER_MS, *, more: Iterable[str] = ()) -> FamilyInputs:
    """The same for those who ask for no alerts: usage by window, and no thresholds. A year of events is as quick to fold as its hours are many.

    Where somebody has finalized an invoice early, or a product has changed the way it aggregates, the usage is told one by one: then its order may matter.
    """
    documents = tuple(each for each in documents_of(client, root) if each.at_ms <= until_ms)
    contracts = [each.contract() for each in documents if each.kind == "contract"]
    ids = sorted({root, *more} | {name for contract in contracts for name in (contract.customer, *contract.aliases)})
    kinds = aggregations(each.catalogue() for each in documents if each.kind == "catalogue")
    exact = kinds is None or any(each.kind == "action" for each in documents)
    deltas = _deltas(client, ids, until_ms) if kinds is None or exact else merged_deltas(client, ids, until_ms, kinds, window_minutes * 60_000)
    return FamilyInputs(root, documents, deltas).quiet()


def result_as_of(client: Client, customer: str, as_of_ms: int) -> Result:
    """The result of the customer's family with its clock at `as_of_ms`, folded again from what was recorded by then."""
    return family_inputs(client, root_of(client, customer), as_of_ms).replay().result(as_of_ms)


def documents_of(client: Client, root: str) -> list[RecordedDocument]:
    """In the order in which they hold. As in RATE, a version that is overtaken before its time comes never holds."""
    return in_order(client.query(DOCUMENTS, parameters={"root": root}).result_rows)


def in_order(rows: Iterable[Sequence[Any]]) -> list[RecordedDocument]:
    """What holds of the documents of a family and the catalogues that it names: (kind, id, version, recorded, effective, body) in order of offset."""
    rows = list(rows)
    contracts = [msgspec.json.decode(body, type=Contract, strict=False) for kind, *_, body in rows if kind == "contract"]
    clock = contracts[0].clock if contracts else WALL
    wall = clock == WALL
    now_ms = min((recorded_ms for kind, _, _, recorded_ms, *_ in rows if kind not in ("catalogue", REPLAY)), default=0)
    found = []
    for kind, name, version, recorded_ms, effective_ms, body in rows:
        if kind == REPLAY:
            clocks = msgspec.json.decode(body, type=Step).clocks
            found.append(RecordedDocument(kind, name, version, recorded_ms if wall else clocks.get(clock, now_ms), body))
            continue
        if kind == "catalogue" and not wall:
            # Catalogues are recorded in wall time; an account on a test clock takes them where it stands.
            found.append(RecordedDocument(kind, name, version, now_ms, body))
            continue
        if kind != "catalogue":
            now_ms = max(now_ms, recorded_ms)
        found.append(RecordedDocument(kind, name, version, max(recorded_ms, effective_ms or 0), body))
    found.sort(key=lambda each: each.at_ms)
    newest: dict[tuple[str, str], int] = {}
    held = []
    for each in found:
        if each.kind in ("action", REPLAY) or newest.get((each.kind, each.id), 0) < each.version:
            newest[each.kind, each.id] = max(each.version, newest.get((each.kind, each.id), 0))
            held.append(each)
    return held


def _record(ledger: Ledger, document: RecordedDocument) -> None:
    # What could not be done then cannot be done now: RATE has told about it and gone on.
    with suppress(TaximeterError):
        _tell(ledger, document)


def _tell(ledger: Ledger, document: RecordedDocument) -> None:
    if document.kind == "catalogue":
        ledger.record_catalogue(document.catalogue(), document.at_ms)
    elif document.kind == "contract":
        ledger.record_contracts([document.contract()], document.at_ms)
    else:
        action = document.action()
        ledger.record_action(action["action"], action["contract"], action["starting_at"], document.at_ms)


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


def aggregations(catalogues: Iterable[Catalogue]) -> dict[tuple[str, str], str] | None:
    """How each product (catalogue, product) aggregates; none: one has changed it."""
    found: dict[tuple[str, str], str] = {}
    for catalogue in catalogues:
        for name, product in catalogue.products.items():
            metric = catalogue.metrics.get(product.metric or "")
            if metric is not None and found.setdefault((catalogue.id, name), metric.aggregation) != metric.aggregation:
                return None
    return found


def merged_deltas(client: Client, customers: list[str], until_ms: int, kinds: Mapping[tuple[str, str], str], window_ms: int) -> tuple[Delta, ...]:
    rows = client.query(MERGED, parameters={"customers": customers, "until_ms": until_ms, "window_ms": window_ms}).result_rows
    found = []
    for catalogue, product, customer, group, window, at_ms, first_ms, events, total, highest, lowest, points, members in rows:
        kind = kinds.get((catalogue, original(product)), "count")
        value = {"sum": total, "max": highest, "min": lowest}.get(kind)
        told = [Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in points]
        kept = (max(told),) if kind == "latest" and told else tuple(sorted(told))
        found.append(Delta(catalogue, product, customer, dict(group), window, at_ms, first_ms, events, value, kept, frozenset(members)))
    return tuple(found)
