"""What if: a past period rated again for many customers under other documents, from what the warehouse has. Nothing is published.

The other documents hold from the beginning, as if there had never been others of their ids. Where they meter otherwise, the usage is counted again
from the raw events; else the windows are those that are billed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from decimal import Decimal
from multiprocessing import get_context
from typing import Any, Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import TaximeterError
from contracts.result import Invoice
from pipelines.corrected import Corrected, corrected
from pipelines.document_log import Documents
from pipelines.metering.compile import meters
from pipelines.replay.generations import KIND as REPLAY
from pipelines.replay.recorded import generations_of
from pipelines.settings import Settings
from pipelines.verifying import raw
from pipelines.verifying.families import Family, clocks_of, filters_of
from pipelines.verifying.windows import deltas
from pipelines.warehouse.client import connect
from pipelines.warehouse.many import merged_inputs_of
from pipelines.warehouse.rebuild import FamilyInputs, RecordedDocument

TOGETHER: Final = 25
"""Families that a process takes at once."""


class UnknownCustomerError(TaximeterError):
    """A contract of the branch is of nobody who has one."""


class Branch(NamedTuple):
    """Other documents, by id."""

    catalogues: Mapping[str, Catalogue]
    contracts: Mapping[str, Contract]


class Revenue(NamedTuple):
    """What a customer pays for a product in the periods that were asked for. Amounts in the currency."""

    customer: str
    contract: str
    product: str
    """Or the kind of lines that are about no product, such as `minimum`."""
    currency: str
    before: Decimal
    after: Decimal


class Question(NamedTuple):
    """What all processes must know."""

    settings: Settings
    branch: Branch
    catalogues: Mapping[str, Catalogue]
    """All that there are, those of the branch in place of the present ones."""
    remetered: tuple[Catalogue, ...]
    """Those of the branch that meter otherwise than the present ones."""
    filters: Mapping[str, frozenset[str]]
    corrected: Corrected
    from_ms: int
    until_ms: int


def compared(
    settings: Settings,
    present: Documents,
    families: Sequence[Family],
    branch: Branch,
    period: tuple[int, int],
    jobs: int,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Iterator[Revenue]:
    """Revenue of usage invoices whose period starts in `period`, by customer and product. Raises UnknownCustomerError, clickhouse-connect's errors."""
    known = {name for each in present.contracts.values() for name in (each.contract.customer, *each.contract.aliases)}
    for contract in branch.contracts.values():
        if contract.id not in present.contracts and contract.customer not in known:
            raise UnknownCustomerError(f"contract {contract.id} is of customer {contract.customer}, who has no contract: there is nothing to compare it with")
    with closing(connect(settings)) as client:
        in_force = corrected(generations_of(client))
    after = branch.contracts.values()
    filters = {key: set(owners) for key, owners in filters_of(present).items()}
    for contract in after:
        for key in contract.usage_filter.where if contract.usage_filter else ():
            filters.setdefault(key, set()).update((contract.customer, *contract.aliases))
    changed = tuple(each for name, each in branch.catalogues.items() if name not in present.catalogues or meters(each) != meters(present.catalogues[name].catalogue))
    every = {name: known.catalogue for name, known in present.catalogues.items()} | dict(branch.catalogues)
    question = Question(settings, branch, every, changed, {key: frozenset(owners) for key, owners in filters.items()}, in_force, *period)
    portions = [tuple(families[start : start + TOGETHER]) for start in range(0, len(families), TOGETHER)]
    done = 0
    if jobs == 1 or len(portions) == 1:
        for portion in portions:
            yield from _portion(question, portion)
            done += len(portion)
            tell(done, len(families))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for portion, found in zip(portions, pool.map(_portion, [question] * len(portions), portions), strict=True):
            yield from found
            done += len(portion)
            tell(done, len(families))


def _portion(question: Question, families: Sequence[Family]) -> list[Revenue]:
    with closing(connect(question.settings)) as client:
        clocks = clocks_of(client, families)
        inputs = merged_inputs_of(client, [family.root for family in families], question.settings.window_minutes)
        branched = _branched(client, question, families, inputs)
        return [row for family in families for row in _family(question, inputs[family.root], branched[family.root], clocks[family.root])]


def _family(question: Question, inputs: FamilyInputs, branched: FamilyInputs, now_ms: int) -> list[Revenue]:
    sums: dict[tuple[str, str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for side, told in enumerate((inputs, branched)):
        for invoice in _asked(question, told.replay().result(now_ms).invoices):
            for line in invoice.lines:
                sums[invoice.customer, invoice.contract, line.product or line.kind, invoice.currency][side] += line.amount
    return [Revenue(*key, *pair) for key, pair in sorted(sums.items()) if any(pair)]


def _branched(client: Client, question: Question, families: Sequence[Family], inputs: Mapping[str, FamilyInputs]) -> dict[str, FamilyInputs]:
    """The same families under the documents of the branch, by root; their usage counted again where these meter otherwise."""
    found = {family.root: inputs[family.root]._replace(documents=_documents(question, family, inputs[family.root].documents)) for family in families}
    named = {root: {each.contract().catalogue for each in told.documents if each.kind == "contract"} for root, told in found.items()}
    other = {each.id for each in question.remetered}
    again = [family for family in families if not other.isdisjoint(named[family.root])]
    if again:
        catalogues = {
            each.id: each.catalogue() for family in again for each in found[family.root].documents if each.kind == "catalogue" and each.id in named[family.root]
        }
        ids = sorted({each for family in again for each in family.ids})
        window_ms = question.settings.window_minutes * 60_000
        counted = raw.counted(client, catalogues.values(), ids, question.filters, frozenset(), window_ms, question.corrected)
        for family in again:
            mine = [(place, slots) for place, slots in counted.items() if place.customer in family.ids and place.catalogue in named[family.root]]
            # All is counted again, as every generation would have it: there is nothing to exchange.
            documents = tuple(each for each in found[family.root].documents if each.kind != REPLAY)
            found[family.root] = FamilyInputs(family.root, documents, deltas(mine))
    return {root: each.quiet() for root, each in found.items()}


def _documents(question: Question, family: Family, present: Sequence[RecordedDocument]) -> tuple[RecordedDocument, ...]:
    """Those of the branch in place of the present ones; contracts of it that the family has not yet are there from its first contract on."""
    given = [_instead(question.branch, each) for each in present]
    ids = {(each.kind, each.id) for each in given}
    first = next((place for place, each in enumerate(given) if each.kind == "contract"), len(given))
    at_ms = given[first].at_ms if first < len(given) else 0
    fresh = [each for each in question.branch.contracts.values() if each.customer in family.ids and ("contract", each.id) not in ids]
    more = [RecordedDocument("contract", each.id, 1, at_ms, msgspec.json.encode(each).decode()) for each in fresh]
    named = {each.contract().catalogue for each in (*given, *more) if each.kind == "contract"}
    lacking = sorted(name for name in named if ("catalogue", name) not in ids)
    base = [RecordedDocument("catalogue", name, 1, given[0].at_ms if given else 0, msgspec.json.encode(question.catalogues[name]).decode()) for name in lacking]
    return (*base, *given[:first], *more, *given[first:])


def _instead(branch: Branch, document: RecordedDocument) -> RecordedDocument:
    other: Any = None
    if document.kind == "catalogue":
        other = branch.catalogues.get(document.id)
    elif document.kind == "contract":
        other = branch.contracts.get(document.id)
    return document if other is None else document._replace(body=msgspec.json.encode(other).decode())


def _asked(question: Question, invoices: Iterable[Invoice]) -> Iterator[Invoice]:
    for invoice in invoices:
        if invoice.kind in ("usage", "correction") and invoice.status != "void" and question.from_ms <= invoice.starting_ms < question.until_ms:
            yield invoice


def to_parquet(rows: Iterable[Revenue], path: str) -> int:
    """Write rows; how many. Amounts are decimal128(38, 6)."""
    import pyarrow as pa  # noqa: PLC0415 - a slow import that few need
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    given = list(rows)
    money = pa.decimal128(38, 6)
    texts = {name: pa.array([getattr(row, name) for row in given], pa.string()) for name in ("customer", "contract", "product", "currency")}
    amounts = {name: pa.array([getattr(row, name) for row in given], money) for name in ("before", "after")}
    amounts["difference"] = pa.array([row.after - row.before for row in given], money)
    parquet.write_table(pa.table(texts | amounts), path)
    return len(given)
