"""The pure part of RATE: the records of one partition, applied in order, become rows to write and results to publish.

Inputs wait in line (`documents`, `metered`, `tick`); `work` applies a bounded part of them; `take` gives what must be written, as one write, and
what may be published after it. Rows, position and the outbox are in the same write, so at every moment the table holds the state after
some prefix of what was applied: after a crash the records behind the position are applied again, to a state that has not seen them,
and what the outbox still names is published again. Nothing counts twice and no result is lost, whatever the sources' interleaving.

Order: contract-changes and metered-usage are applied as they arrive, but a metered record that METER made with knowledge of a document waits until
the document is applied. A tick is applied when whoever drives the step knows that all usage that arrived before it is (`mark`, `release`):
else an invoice could become final without usage that came in time.
"""

import heapq
import logging
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import TaximeterError
from contracts.timeline import FOREVER
from contracts.twins import Scope
from contracts.usage import Delta, Point
from pipelines.partitioning import partition_of
from pipelines.rating import emission, keys, moves, rows
from pipelines.rating.accounts import HeldAccount, currencies, terms_of
from pipelines.rating.beside import Beside
from pipelines.rating.cells import Cells, Rows
from pipelines.rating.rows import CatalogueRow, OutboxRow, Pending, Position, SweepRow
from pipelines.replay.generations import KIND as REPLAY
from pipelines.replay.generations import Step
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METERED_USAGE

log = logging.getLogger("taximeter.rate")

WRITE_BYTES: Final = 1_000_000
"""A write ends when about so much has changed: what one Kafka request carries well."""
WRITE_ACCOUNTS: Final = 64
"""And when so many accounts are touched: their results are worked out before anything is published, so more would be felt as delay."""
SWEPT_ACCOUNTS: Final = 8
"""Of these, so many may be idle accounts that a catalogue is told to."""
HELD_ACCOUNTS: Final = 4000
"""Accounts of a partition that stay in memory."""


class Input(NamedTuple):
    """A decoded record."""

    topic: str
    offset: int
    recorded_ms: int
    """Arrival of what it tells of (epoch milliseconds)."""
    value: dict[str, Any]

    @property
    def transfer(self) -> bytes:
        """What tells a transfer from every other one, and is the same when it comes again; empty for other records."""
        value = self.value
        if value.get("kind") != "transfer":
            return b""
        return b"%d %d" % (value["origin_partition"], value["origin_offset"])


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


class Partition:
    """State machine of one partition. Not thread safe."""

    def __init__(self, number: int, partitions: int, table: Rows, claim: int) -> None:
        """`claim`: higher than that of every earlier owner of the partition. It is the upper half of every revision."""
        self.number = number
        self._partitions = partitions
        self._cells = Cells(table)
        stored = table.get(keys.POSITION)
        self._position = rows.decode_position(stored) if stored else Position()
        self._revision = claim << 32
        self._accounts: OrderedDict[str, HeldAccount] = OrderedDict()
        self._touched: dict[str, HeldAccount] = {}
        self._roots: dict[str, str] = {}
        self._line: list[Input] = []
        self._coming: deque[tuple[int, str, int]] = deque()
        """Ticks that wait for the usage before them: offset, clock, time."""
        self._ticks: dict[str, tuple[int, int]] = {}
        """Clock to (time, offset of the tick) that can be applied: of several the last counts."""
        self._clocks: dict[str, int] = {}
        self._settled: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._pending = OutboxRow()
        self._unlearn = False
        self._published: list[bytes] = []
        self._catalogues = {key[1:].decode(): rows.decode_catalogue(value) for key, value in table.scan(keys.CATALOGUES)}
        self._versions = {name: _versions(row) for name, row in self._catalogues.items()}
        self._sweeps = {key[1:].decode(): rows.decode_sweep(value) for key, value in table.scan(keys.SWEEPS)}
        self._beside = Beside(self._cells, table)
        self._due: dict[str, list[tuple[int, str]]] = {}
        self._scheduled: dict[str, int] = {}
        for key, value in table.scan(keys.ACCOUNTS):
            row = rows.decode_account(value)
            self._schedule(keys.root_of(key), row.clock, row.due_ms)
        self._resume(table)
        self.refused = 0
        """Records that could not be applied since the start."""

    def put(self, record: Input) -> None:
        """Stand in line. What is applied already is settled at once, after what is under way."""
        if record.topic == CLOCK.name:
            self._coming.append((record.offset, record.value["clock"], record.value["now"]))
        elif record.offset < self.applied(record.topic):
            self._settle(record.topic, record.offset + 1)
        else:
            self._line.append(record)

    def mark(self) -> int | None:
        """The last tick that waits; none: no tick does."""
        return self._coming[-1][0] if self._coming else None

    def release(self, mark: int) -> None:
        """All usage that arrived before the tick `mark` is applied: the ticks up to it can be."""
        while self._coming and self._coming[0][0] <= mark:
            offset, clock, now = self._coming.popleft()
            self._ticks[clock] = (max(self._ticks.get(clock, (0, 0))[0], now), offset)

    def applied(self, topic: str) -> int:
        """Offset behind the last record of a topic that is applied as a whole."""
        return self._position.applied.get(topic, 0)

    @property
    def busy(self) -> bool:
        """There is something that `work` can do, or that `take` has to give."""
        return bool(self._touched or self._ticks or self._sweeps or self._beside.working or self._cells.weight or self._settleable() or self._next() is not None)

    @property
    def waiting(self) -> int:
        """Records in line."""
        return len(self._line)

    def work(self) -> None:
        """Apply a bounded part of what waits."""
        while not self._full():
            place = self._next()
            if place is None:
                break
            record = self._line[place]
            if self._apply(record):
                del self._line[place]
                self._position.applied[record.topic] = record.offset + 1
                self._settle(record.topic, record.offset + 1)
        self._run_clocks()
        self._run_sweeps()
        self._run_turns()

    def take(self) -> Write | None:
        """What the work since the last call has changed; none: nothing. The caller writes it before the next `work`."""
        write = self._write()
        settled = self._settleable()
        if write is None and not settled:
            return None
        self._reported |= settled
        return (write or Write({}, [], [], [], [], None, {}))._replace(settled=settled)

    def published(self, outbox: bytes) -> None:
        """Everything of that write is on the topics."""
        self._published.append(outbox)

    @property
    def leftovers(self) -> bool:
        """Outbox rows wait to be deleted with the next write."""
        return bool(self._published)

    def tidy(self) -> dict[bytes, bytes | None]:
        """Rows to delete when there is nothing else to write."""
        for key in self._published:
            self._cells.write(key, None)
        self._published.clear()
        return self._cells.take()

    # -- what is applied ---------------------------------------------------------------------------------------------------------------

    def _full(self) -> bool:
        return self._unlearn or self._cells.weight >= WRITE_BYTES or len(self._touched) >= WRITE_ACCOUNTS

    def _next(self) -> int | None:
        """Place in line of the next record that can be applied."""
        if not self._line:
            return None
        held_back = documents_wait = False
        for place, record in enumerate(self._line):
            if record.topic == CONTRACT_CHANGES.name:
                documents_wait = documents_wait or self._early(record)
                if not documents_wait:
                    return place
                continue
            if not held_back:
                if record.value["documents"] <= self.applied(CONTRACT_CHANGES.name) and self._understood(record):
                    return place
                held_back = True
        return None

    def _early(self, record: Input) -> bool:
        """A step of a generation that must wait: for usage that it names, or until the accounts have done what the step before told."""
        if record.value["kind"] != REPLAY:
            return False
        step = msgspec.json.decode(record.value["body"], type=Step)
        return self._beside.working is not None or step.metered.get(self.number, 0) > self.applied(METERED_USAGE.name)

    def _understood(self, record: Input) -> bool:
        """A transfer comes from a partition that may have known a catalogue earlier than this one."""
        return not record.transfer or all(each["catalogue"] in self._catalogues for each in record.value["deltas"])

    def _apply(self, record: Input) -> bool:
        """True when the record is applied as a whole."""
        if record.topic == METERED_USAGE.name:
            return self._metered(record)
        change = record.value
        kind = change["kind"]
        try:
            if kind == "catalogue":
                self._catalogue(change, record)
            elif kind == "contract":
                self._contract(change, record)
            elif kind == "move":
                self._move(change)
            elif kind == REPLAY:
                self._step(change, record.offset)
            elif kind == "action":
                body = msgspec.json.decode(change["body"])
                account = self._touch(change["root"] or change["customer"], record.recorded_ms)
                account.action(body["action"], body["contract"], body["starting_at"], change["recorded_at"])
        except TaximeterError as error:
            self.refused += 1
            log.error(  # noqa: TRY400 - it is about a document, not about code
                "%s %s (offset %d of %s[%d]) is not applied: %s", kind, change["id"], record.offset, record.topic, self.number, error
            )
        return True

    def _catalogue(self, change: Mapping[str, Any], record: Input) -> None:
        name, version, recorded_ms = change["id"], change["version"], change["recorded_at"]
        known = self._catalogues.get(name)
        if known is not None and known.version >= version:
            return
        effective_ms = change["effective_at"]
        if effective_ms is not None and effective_ms > max(recorded_ms, self._clocks.get("wall", 0)) and known is not None:
            known.pending.append(Pending(effective_ms, version, change["body"]))
            self._cells.write(keys.catalogue(name), rows.encode(known))
            return
        self._hold(name, version, recorded_ms, change["body"], record.offset)

    def _hold(self, name: str, version: int, recorded_ms: int, body: str, offset: int) -> None:
        """A version of a catalogue begins to hold: accounts get to know it when they are touched, idle ones by and by."""
        row = CatalogueRow(version, recorded_ms, body)
        before = self._catalogues.get(name)
        if before is not None:
            row.pending = [each for each in before.pending if each.version > version]
            row.earlier = before.earlier | {before.version: before.body}
        self._catalogues[name] = row
        self._versions.setdefault(name, {})[version] = _decoded(body)
        self._cells.write(keys.catalogue(name), rows.encode(row))
        earlier = self._sweeps.get(name)
        self._sweeps[name] = SweepRow(keys.ACCOUNTS, earlier.offset if earlier and earlier.offset >= 0 else offset)
        self._cells.write(keys.sweep(name), rows.encode(self._sweeps[name]))
        for root, account in self._touched.items():
            # The sweep goes over the rows as they are written, and these are yet to be.
            if name in account.row.catalogues:
                self._touch(root, recorded_ms)

    def _contract(self, change: Mapping[str, Any], record: Input) -> None:
        contract = msgspec.json.decode(change["body"], type=Contract, strict=False)
        root = change["root"] or contract.customer
        account = self._touch(root, record.recorded_ms, contract.catalogue)
        before = account.row.contracts.get(contract.id)
        if account.contract(contract.id, terms_of(contract, change["version"]), change["body"], change["recorded_at"], change["effective_at"]):
            left = set(before.aliases) if before else set()
            ids = {each for terms in account.row.contracts.values() for each in (terms.customer, *terms.aliases)}
            for each in left - ids:
                self._route(each, None)
            for each in (contract.customer, *contract.aliases):
                self._route(each, root)
                self._gone(each, None)

    def _step(self, change: Mapping[str, Any], offset: int) -> None:
        """A step of a generation."""
        step = msgspec.json.decode(change["body"], type=Step)
        if step.step == "begin":
            self._beside.begin(step.number, step.scope or Scope({}))
        elif step.step in ("cutover", "back"):
            self._beside.tell("exchange", step.number, offset)
        elif step.step in ("close", "abort"):
            self._beside.tell("drop", step.number, offset)
        # Turns go over the rows as they are written, and those of the touched ones are yet to be.
        for root in list(self._touched):
            self._touch(root, 0)

    def _run_turns(self) -> None:
        """Let a few more accounts exchange or forget the windows of a generation."""
        if self._beside.working is None or self._full():
            return
        found = self._beside.next_accounts()
        last: bytes | None = None
        for key in found:
            if self._full():
                break
            self._touch(keys.root_of(key), 0)
            last = key
        self._beside.went(last)

    def _route(self, customer: str, root: str | None) -> None:
        self._roots.pop(customer, None)
        self._cells.write(keys.route(customer), None if root is None else root.encode("utf-8", "surrogatepass"))

    def _gone(self, customer: str, root: str | None) -> None:
        """Where the usage of an id is sent on to; none: it is kept here."""
        if root is not None or self._cells.read(keys.gone(customer)) is not None:
            self._cells.write(keys.gone(customer), None if root is None else root.encode("utf-8", "surrogatepass"))

    def _move(self, change: Mapping[str, Any]) -> None:
        """The usage of an id belongs to another root from now on: told to the partition where it was and to that where it will be."""
        customer, root = change["id"], change["root"]
        # Accounts know windows by heart: those of the id change hands now, so all are read anew after this write.
        self._unlearn = True
        if customer != root:
            self._forget(customer)
        if partition_of(root, self._partitions) == self.number:
            self._route(customer, None if customer == root else root)
            self._gone(customer, None)
            return
        self._route(customer, None)
        self._gone(customer, root)
        found = sorted(self._cells.scan(keys.cells(customer)))
        for deltas in moves.portions(found, change["recorded_at"]):
            self._transfer(root, deltas)
        for key, _ in found:
            self._cells.write(key, None)

    def _forget(self, root: str) -> None:
        """The account that only kept the usage of an id: its windows stay."""
        stored = self._cells.read(keys.account(root))
        held = self._accounts.get(root)
        if held.empty if held else stored is not None and not rows.decode_account(stored).contracts:
            self._accounts.pop(root, None)
            self._touched.pop(root, None)
            self._cells.write(keys.account(root), None)
            self._remember()

    def _transfer(self, root: str, deltas: list[dict[str, Any]]) -> None:
        self._position.transfers += 1
        head = {"kind": "transfer", "origin_partition": self.number, "origin_offset": self._position.transfers, "documents": -1}
        self._pending.transfers.append(head | {"root": root, "deltas": deltas})

    def _metered(self, record: Input) -> bool:
        """Apply a metered record, account by account; false when the write is full before its end."""
        value = record.value
        transfer = record.transfer
        if transfer and self._cells.read(keys.transfer(transfer)) is not None:
            return True
        parts = int.from_bytes(self._position.parts, "little")
        groups: dict[str, list[int]] = {}
        for place, each in enumerate(value["deltas"]):
            if not parts >> place & 1:
                groups.setdefault(self._root(each["customer"]), []).append(place)
        for root, places in groups.items():
            if self._full():
                self._position.parts = parts.to_bytes((parts.bit_length() + 7) // 8, "little")
                return False
            self._usage(root, [value["deltas"][place] for place in places], record.recorded_ms, FOREVER if transfer else value["documents"])
            for place in places:
                parts |= 1 << place
        self._position.parts = b""
        if transfer:
            self._cells.write(keys.transfer(transfer), b"1")
        return True

    def _usage(self, root: str, deltas: list[dict[str, Any]], recorded_ms: int, documents: int) -> None:
        """`documents`: how far METER knew contract-changes; usage that was applied once already has the names of now."""
        away = {each["customer"]: self._cells.read(keys.gone(each["customer"])) for each in deltas}
        here = [each for each in deltas if away[each["customer"]] is None]
        if here:
            own, beside = self._beside.apart(map(_delta, here))
            known = own or self._cells.read(keys.account(root)) is not None
            if beside and known and not self._beside.exchanged:
                self._beside.keep(beside)
                beside = []
            if own or beside:
                account = self._touch(root, recorded_ms, *{each["catalogue"] for each in here})
                own, beside = self._beside.renamed(account, own, beside, documents)
                if own:
                    account.usage(own)
                self._beside.keep(beside)
        for customer, to in away.items():
            if to is not None:
                sent = [each for each in deltas if each["customer"] == customer]
                self._transfer(to.decode("utf-8", "surrogatepass"), sent)

    def _root(self, customer: str) -> str:
        found = self._roots.get(customer)
        if found is None:
            stored = self._cells.read(keys.route(customer))
            found = customer if stored is None else stored.decode("utf-8", "surrogatepass")
            if len(self._roots) > HELD_ACCOUNTS:
                self._roots.clear()
            self._roots[customer] = found
        return found

    # -- time --------------------------------------------------------------------------------------------------------------------------

    def _run_clocks(self) -> None:
        for clock, (now, offset) in list(self._ticks.items()):
            self._clocks[clock] = max(self._clocks.get(clock, 0), now)
            if clock == "wall":
                self._open_catalogues(now)
            heap = self._due.get(clock, [])
            while heap and heap[0][0] <= now:
                if self._full():
                    return
                due_ms, root = heapq.heappop(heap)
                if self._scheduled.get(root) == due_ms:
                    del self._scheduled[root]
                    self._touch(root, due_ms).advance(now)
            del self._ticks[clock]
            self._settle(CLOCK.name, offset + 1)

    def _open_catalogues(self, now: int) -> None:
        """Catalogue versions whose time has come."""
        for name, row in list(self._catalogues.items()):
            due = [each for each in row.pending if each.effective_ms <= now]
            if due:
                highest = max(due, key=lambda each: each.version)
                self._hold(name, highest.version, highest.effective_ms, highest.body, -1)

    def _run_sweeps(self) -> None:
        """Tell new catalogues to a few more accounts."""
        for name, sweep in list(self._sweeps.items()):
            holds, began = self._catalogues[name], sweep.after
            for count, (key, value) in enumerate(self._cells.scan(keys.ACCOUNTS, sweep.after)):
                if count >= SWEPT_ACCOUNTS or self._full():
                    if sweep.after != began:
                        self._cells.write(keys.sweep(name), rows.encode(sweep))
                    break
                row = rows.decode_account(value)
                if row.catalogues.get(name, holds.version) < holds.version:
                    self._touch(keys.root_of(key), holds.recorded_ms)
                sweep.after = key
            else:
                del self._sweeps[name]
                self._cells.write(keys.sweep(name), None)
                holds.earlier.clear()
                self._versions[name] = {holds.version: self._versions[name][holds.version]}
                self._cells.write(keys.catalogue(name), rows.encode(holds))

    # -- accounts ----------------------------------------------------------------------------------------------------------------------

    def _held(self, root: str) -> HeldAccount:
        account = self._accounts.get(root)
        if account is None:
            account = self._accounts[root] = HeldAccount(root, self._cells.read(keys.account(root)), self._cells, self._versions)
        self._accounts.move_to_end(root)
        return account

    def _touch(self, root: str, recorded_ms: int, *names: str) -> HeldAccount:
        """The account, ready for input: it knows the present catalogues, those of its contracts and the named ones."""
        account = self._held(root)
        account.recorded_ms = max(account.recorded_ms, recorded_ms)
        self._touched[root] = account
        self._beside.turn(account)
        for name in {*names, *account.row.catalogues, *(terms.catalogue for terms in account.row.contracts.values())}:
            held = self._catalogues.get(name)
            if held is not None:
                account.catalogue(name, held, self._versions[name][held.version])
        return account

    def _schedule(self, root: str, clock: str, due_ms: int | None) -> None:
        if due_ms is not None and self._scheduled.get(root) != due_ms:
            self._scheduled[root] = due_ms
            heapq.heappush(self._due.setdefault(clock, []), (due_ms, root))

    def _remember(self) -> None:
        """There is something to write although no account is touched."""
        self._cells.write(keys.POSITION, b"")

    # -- results -----------------------------------------------------------------------------------------------------------------------

    def _resume(self, table: Rows) -> None:
        """Take over what an earlier owner wrote and may not have published."""
        for key, value in table.scan(keys.OUTBOX):
            left = rows.decode_outbox(value)
            for root in left.roots:
                account = self._held(root)
                account.doubtful = True
                if account.known:
                    self._touched[root] = account
            self._pending.gone += left.gone
            self._pending.gone_balances += left.gone_balances
            self._pending.crossings += left.crossings
            self._pending.transfers += left.transfers
            self._published.append(key)
        self._remember()

    def _write(self) -> Write | None:
        touched, self._touched = self._touched, {}
        pending, self._pending = self._pending, OutboxRow()
        rated: list[dict[str, Any]] = []
        balances: list[dict[str, Any]] = []
        if touched or pending.gone or pending.transfers:
            self._revision += 1
        present: set[str] = set()
        for root, account in touched.items():
            rated += self._collect(root, account, pending, balances, present)
        if not touched and not pending.transfers and not self._cells.weight:
            return None
        rated += self._buried(pending, present)
        balances += [
            emission.buried(each, *emission.BALANCE_MONEY) | {"revision": self._revision}
            for each in pending.gone_balances
            if _balance_name(each) not in present
        ]
        outbox = None
        if rated or balances or pending.crossings or pending.transfers:
            pending.roots = list(touched)
            self._position.outbox += 1
            outbox = keys.outbox(self._position.outbox)
            self._cells.write(outbox, rows.encode(pending))
        for key in self._published:
            self._cells.write(key, None)
        self._published.clear()
        self._cells.write(keys.POSITION, rows.encode(self._position))
        if self._unlearn:
            self._accounts.clear()
            self._unlearn = False
        while len(self._accounts) > HELD_ACCOUNTS:
            self._accounts.popitem(last=False)
        return Write(self._cells.take(), rated, balances, pending.crossings, pending.transfers, outbox, {})

    def _collect(
        self, root: str, account: HeldAccount, pending: OutboxRow, balances: list[dict[str, Any]], present: set[str]
    ) -> Iterable[dict[str, Any]]:
        """Compare an account with what was last published of it, and store it."""
        after = account.result()
        money = currencies(account, {name: self._versions[name][row.version] for name, row in self._catalogues.items()})
        found = emission.difference(account.shown, after, money, whole=account.doubtful)
        account.shown, account.doubtful = after, False
        now_ms = account.row.now_ms
        head = {"customer": root, "recorded_at": account.recorded_ms or now_ms, "as_of": now_ms}
        account.recorded_ms = 0
        revised = {"revision": self._revision, "as_of": now_ms}
        balances += [each | revised for each in found.balances]
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
        self._schedule(root, account.row.clock, account.row.due_ms)
        standing = self._clocks.get(account.row.clock, 0)
        if account.row.due_ms is not None and account.row.due_ms <= standing and now_ms < standing:
            self._ticks.setdefault(account.row.clock, (standing, -1))
        return emission.batches(head | {"revision": self._revision}, found.invoices, found.lines)

    def _buried(self, pending: OutboxRow, present: set[str]) -> Iterable[dict[str, Any]]:
        """What is no more as it is published, without what has come back since it was written down."""
        for batch in pending.gone:
            invoices = [emission.buried(each, "total") for each in batch["invoices"] if each["id"] not in present]
            lines = [emission.buried(each, "amount") for each in batch["lines"] if each["id"] not in present]
            if invoices or lines:
                yield batch | {"revision": self._revision, "invoices": invoices, "lines": lines}

    def _settle(self, topic: str, offset: int) -> None:
        self._settled[topic] = max(self._settled.get(topic, 0), offset)

    def _settleable(self) -> dict[str, int]:
        """What is done by topic; a catalogue is when every account knows it."""
        running = [sweep.offset for sweep in self._sweeps.values() if sweep.offset >= 0]
        if self._beside.working is not None:
            running.append(self._beside.working.offset)
        found = dict(self._settled)
        if running and CONTRACT_CHANGES.name in found:
            found[CONTRACT_CHANGES.name] = min(found[CONTRACT_CHANGES.name], *running)
        ticks = [offset for _, offset in self._ticks.values() if offset >= 0]
        if ticks and CLOCK.name in found:
            found[CLOCK.name] = min(found[CLOCK.name], *ticks)
        return {topic: offset for topic, offset in found.items() if offset > self._reported.get(topic, -1)}


def _balance_name(row: Mapping[str, Any]) -> str:
    return f"{row['contract']} {row['id']}"


def _versions(row: CatalogueRow) -> dict[int, Catalogue]:
    return {version: _decoded(body) for version, body in (row.earlier | {row.version: row.body}).items()}


def _decoded(body: str) -> Catalogue:
    return msgspec.json.decode(body, type=Catalogue, strict=False)


def _delta(each: Mapping[str, Any]) -> Delta:
    """A UsageDelta of the wire as the pricing core takes it."""
    value = each["value"]
    return Delta(
        each["catalogue"],
        each["product"],
        each["customer"],
        each["group"],
        each["window_ms"],
        each["recorded_ms"],
        each["first_ms"],
        each["events"],
        None if value is None else Decimal(value),
        tuple(Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in each["points"]),
        frozenset(each["members"]),
        each["sequence"],
    )
