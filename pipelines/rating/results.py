"""What a turn of the step has to show: the rows to write, the results to publish behind them, and the outbox that keeps both together.

Rows, position and outbox are one write. What an outbox row names is published again by the next owner, until the row is deleted. Pure, used by the step.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from contracts.catalogue import Catalogue
from pipelines.rating import emission, keys, rows
from pipelines.rating.accounts import HeldAccount, currencies
from pipelines.rating.catalogues import Catalogues
from pipelines.rating.cells import Cells, Rows
from pipelines.rating.clocks import Clocks
from pipelines.rating.memory import Accounts
from pipelines.rating.rows import OutboxRow, Position


class Write(NamedTuple):
    """What one turn of the step did."""

    rows: dict[bytes, bytes | None]
    """To be written as a whole before anything is published; none deletes."""
    rated: list[dict[str, Any]]
    balances: list[dict[str, Any]]
    crossings: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    """metered-usage records for other partitions, with the customer whose partition it is under `root`."""
    outbox: bytes | None
    """Row to forget (`published`) when all of this is on the topics."""
    settled: dict[str, int]
    """Offset behind the last record of each topic that needs nothing more once this is published."""
    awaited: bool = False
    """Somebody did something, and looks at it now: an edit, say."""


class Turn(NamedTuple):
    """Results as they are gathered."""

    revision: int
    pending: OutboxRow
    rated: list[dict[str, Any]]
    balances: list[dict[str, Any]]
    catalogues: Mapping[str, Catalogue]
    """Those that hold."""
    present: set[str]
    """Ids of invoices, lines and balances that are there: what was buried under such a name has come back."""


class Results:
    """Not thread safe."""

    def __init__(self, number: int, cells: Cells, position: Position, accounts: Accounts, catalogues: Catalogues, clocks: Clocks, claim: int) -> None:
        """`number`: of the partition. `claim`: the upper half of every revision."""
        self._number = number
        self._cells = cells
        self._position = position
        self._accounts = accounts
        self._catalogues = catalogues
        self._clocks = clocks
        self._revision = claim << 32
        self._pending = OutboxRow()
        self._published: list[bytes] = []

    def resume(self, table: Rows) -> None:
        """Take over what an earlier owner wrote and may not have published."""
        for key, value in table.scan(keys.OUTBOX):
            left = rows.decode_outbox(value)
            for root in left.roots:
                account = self._accounts.get(root)
                account.doubtful = True
                if account.known:
                    self._accounts.look_at(account)
            self._pending.gone += left.gone
            self._pending.gone_balances += left.gone_balances
            self._pending.crossings += left.crossings
            self._pending.transfers += left.transfers
            self._published.append(key)
        # There is something to write although no account may be touched.
        self._cells.write(keys.POSITION, b"")

    def send(self, root: str, deltas: list[dict[str, Any]]) -> None:
        """Send usage to the partition of a root customer, with the next write."""
        self._position.transfers += 1
        head = {"kind": "transfer", "origin_partition": self._number, "origin_offset": self._position.transfers, "documents": -1}
        self._pending.transfers.append(head | {"root": root, "deltas": deltas})

    def write(self) -> Write | None:
        """Everything since the last call; none: there is nothing."""
        touched = self._accounts.take()
        pending, self._pending = self._pending, OutboxRow()
        if touched or pending.gone or pending.transfers:
            self._revision += 1
        turn = Turn(self._revision, pending, [], [], self._catalogues.holding(), set())
        for root, account in touched.items():
            self._collect(root, account, turn)
        if not touched and not pending.transfers and not self._cells.weight:
            return None
        turn.rated.extend(_buried(turn))
        turn.balances.extend(
            emission.buried(each, *emission.BALANCE_MONEY) | {"revision": turn.revision}
            for each in pending.gone_balances
            if _balance_name(each) not in turn.present
        )
        outbox = None
        if turn.rated or turn.balances or pending.crossings or pending.transfers:
            pending.roots = list(touched)
            self._position.outbox += 1
            outbox = keys.outbox(self._position.outbox)
            self._cells.write(outbox, rows.encode(pending))
        self._forget_published()
        self._cells.write(keys.POSITION, rows.encode(self._position))
        self._accounts.written(touched.values())
        return Write(self._cells.take(), turn.rated, turn.balances, pending.crossings, pending.transfers, outbox, {})

    def published(self, outbox: bytes) -> None:
        """Everything of that write is on the topics."""
        self._published.append(outbox)

    @property
    def leftovers(self) -> bool:
        """Outbox rows wait to be deleted with the next write."""
        return bool(self._published)

    def tidy(self) -> dict[bytes, bytes | None]:
        """Rows to delete when there is nothing else to write."""
        self._forget_published()
        return self._cells.take()

    def _forget_published(self) -> None:
        for key in self._published:
            self._cells.write(key, None)
        self._published.clear()

    def _collect(self, root: str, account: HeldAccount, turn: Turn) -> None:
        """Compare an account with what was last published of it, and store it."""
        pending, present = turn.pending, turn.present
        after = account.result()
        money = currencies(account, turn.catalogues)
        found = emission.difference(account.shown, after, money, whole=account.doubtful)
        account.shown, account.doubtful = after, False
        now_ms = account.row.now_ms
        head = {"customer": root, "recorded_at": account.recorded_ms or now_ms, "as_of": now_ms}
        account.recorded_ms = 0
        revised = {"revision": turn.revision, "as_of": now_ms}
        turn.balances.extend(each | revised for each in found.balances)
        if pending.gone or found.gone_lines or found.gone_invoices:
            present.update(invoice.id for invoice in after.invoices)
            present.update(line.id for invoice in after.invoices for line in invoice.lines)
        present.update(f"{each.contract} {each.id}" for each in after.balances)
        if found.gone_lines or found.gone_invoices:
            pending.gone += list(emission.batches(head, found.gone_invoices, found.gone_lines))
        pending.gone_balances += [each | {"as_of": now_ms} for each in found.gone_balances]
        for alert in account.alerts():
            terms = account.row.contracts.get(alert.contract)
            quantity = terms is not None and alert.threshold in terms.usage_thresholds
            pending.crossings.append(emission.crossing(alert, "" if quantity else money.get(alert.contract, "")))
        self._cells.write(keys.account(root), account.stored())
        self._clocks.schedule(root, account.row)
        turn.rated.extend(emission.batches(head | {"revision": turn.revision}, found.invoices, found.lines))


def _buried(turn: Turn) -> Iterable[dict[str, Any]]:
    """What is no more as it is published, without what has come back since it was written down."""
    for batch in turn.pending.gone:
        invoices = [emission.buried(each, "total") for each in batch["invoices"] if each["id"] not in turn.present]
        lines = [emission.buried(each, "amount") for each in batch["lines"] if each["id"] not in turn.present]
        if invoices or lines:
            yield batch | {"revision": turn.revision, "invoices": invoices, "lines": lines}


def _balance_name(row: Mapping[str, Any]) -> str:
    return f"{row['contract']} {row['id']}"
