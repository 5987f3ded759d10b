"""What is verified together: a family's documents, its ids and what is shown of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from contracts.catalogue import Catalogue
from contracts.counting import owners
from contracts.result import Balance, Invoice
from contracts.usage import Delta
from pipelines.document_log import Documents
from pipelines.replay.generations import KIND as REPLAY
from pipelines.warehouse.reads import balances_of, invoices_of
from pipelines.warehouse.rebuild import FamilyInputs, RecordedDocument, documents_of

REVISIONS: Final = """
SELECT max(toUnixTimestamp64Milli(as_of)), max(revision) FROM (
  SELECT as_of, revision FROM invoice_revisions WHERE customer IN {customers:Array(String)}
  UNION ALL SELECT as_of, revision FROM line_revisions WHERE customer IN {customers:Array(String)}
  UNION ALL SELECT as_of, revision FROM balance_revisions WHERE customer IN {customers:Array(String)})"""

CLOCKS: Final = """
SELECT customer, max(toUnixTimestamp64Milli(as_of)) FROM (
  SELECT customer, as_of FROM invoice_revisions WHERE customer IN {customers:Array(String)}
  UNION ALL SELECT customer, as_of FROM line_revisions WHERE customer IN {customers:Array(String)}
  UNION ALL SELECT customer, as_of FROM balance_revisions WHERE customer IN {customers:Array(String)}) GROUP BY customer"""


class Family(NamedTuple):
    """A root customer with all contracts and ids of its family."""

    root: str
    customers: tuple[str, ...]
    """Those that have contracts: invoices are theirs."""
    ids: tuple[str, ...]
    """Under which usage arrives: customers and aliases."""


class Shown(NamedTuple):
    """What the warehouse shows of a family."""

    now_ms: int
    """The family's clock."""
    revision: int
    invoices: tuple[Invoice, ...]
    balances: tuple[Balance, ...]


class Terms(NamedTuple):
    """What is needed to fold a family, but its usage."""

    documents: tuple[RecordedDocument, ...]
    acted: bool
    """Somebody has voided, regenerated or finalized an invoice: the arrival of usage matters to the instant."""

    def fold(self, root: str, deltas: tuple[Delta, ...], now_ms: int) -> tuple[tuple[Invoice, ...], tuple[Balance, ...]]:
        """Invoices and balances of the family with its clock at `now_ms`."""
        result = FamilyInputs(root, self.documents, deltas).quiet().replay().result(now_ms)
        return result.invoices, result.balances


def families(present: Documents, only: Iterable[str] = ()) -> list[Family]:
    """The families with contracts; `only` those to which one of these ids belongs."""
    customers: dict[str, set[str]] = {}
    ids: dict[str, set[str]] = {}
    for known in present.contracts.values():
        contract = known.contract
        root = present.families.root(contract.customer)
        customers.setdefault(root, set()).add(contract.customer)
        ids.setdefault(root, {root}).update((contract.customer, *contract.aliases))
    wanted = {present.families.root(each) for each in only}
    return [Family(root, tuple(sorted(customers[root])), tuple(sorted(ids[root]))) for root in sorted(customers) if not wanted or root in wanted]


def filters_of(present: Documents) -> Mapping[str, frozenset[str]]:
    """Property to the ids whose contracts filter usage by it."""
    return owners(present.families).filters


def kinds_of(catalogues: Iterable[Catalogue]) -> dict[tuple[str, str], str]:
    """How each (catalogue, product) aggregates."""
    found: dict[tuple[str, str], str] = {}
    for catalogue in catalogues:
        for name, product in catalogue.products.items():
            metric = catalogue.metrics.get(product.metric or "")
            if metric is not None:
                found[catalogue.id, name] = metric.aggregation
    return found


def terms_of(client: Client, family: Family) -> Terms:
    # What is counted from raw events is as every generation would have it: there is nothing to exchange.
    documents = tuple(each for each in documents_of(client, family.root) if each.kind != REPLAY)
    return Terms(documents, any(each.kind == "action" for each in documents))


def clocks_of(client: Client, families: Sequence[Family]) -> dict[str, int]:
    """The clock of each family's account as far as the warehouse has it, by root."""
    customers = [customer for family in families for customer in family.customers]
    rows: Any = client.query(CLOCKS, parameters={"customers": customers}).result_rows
    found: dict[str, int] = dict(rows)
    return {family.root: max((found.get(customer, 0) for customer in family.customers), default=0) for family in families}


def shown(client: Client, family: Family) -> Shown:
    rows: list[Any] = list(client.query(REVISIONS, parameters={"customers": list(family.customers)}).result_rows)
    now_ms, revision = rows[0]
    invoices = tuple(invoice for customer in family.customers for invoice in invoices_of(client, customer))
    balances = tuple(balance for customer in family.customers for balance in balances_of(client, customer))
    return Shown(now_ms, revision, invoices, balances)
