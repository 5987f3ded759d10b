"""Partitions of RATE over dictionaries: records come in any order that their topics allow, workers crash anywhere, and what was published stays."""

import json
import random
from collections.abc import Iterator
from typing import Any

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import read_documents
from pipelines.document_log import Documents
from pipelines.edits import Edit, plan
from pipelines.partitioning import partition_of
from pipelines.rating.memory import ROOM
from pipelines.rating.step import Input, Partition, Write
from pipelines.topology import CLOCK, CONTRACT_CHANGES, METERED_USAGE

OCTOBER_MS = 1_759_276_800_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Table(dict[bytes, bytes]):
    """A partition's table."""

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(self):
            if key.startswith(prefix) and key > after:
                yield key, self[key]

    def take(self, rows: dict[bytes, bytes | None]) -> None:
        for key, value in rows.items():
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value


class World:
    """Topics as lists, a table and a worker for each partition, and what a reader of the results sees."""

    def __init__(self, partitions: int, seed: int, room: int = ROOM) -> None:
        """`room`: bytes of memory that the accounts of a partition may take."""
        self.room = room
        self.random = random.Random(seed)
        self.partitions = partitions
        self.topics: dict[str, list[list[Input]]] = {
            topic.name: [[] for _ in range(partitions)] for topic in (CONTRACT_CHANGES, METERED_USAGE, CLOCK)
        }
        self.documents = Documents()
        self.tables = [Table() for _ in range(partitions)]
        self.claims = [0] * partitions
        self.settled: list[dict[str, int]] = [{} for _ in range(partitions)]
        self.delivered: list[dict[str, int]] = [{} for _ in range(partitions)]
        self.last = [-1] * partitions
        """Offset of the last usage that each worker has been handed; -1: none yet."""
        self.workers: list[Partition] = []
        self.lines: dict[str, tuple[int, dict[str, Any]]] = {}
        self.invoices: dict[str, tuple[int, dict[str, Any]]] = {}
        self.balances: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self.crossings: dict[tuple[str, str, str, int, str], dict[str, Any]] = {}
        self.repeats = 0
        self.crashes = 0
        for number in range(partitions):
            self.workers.append(self._new(number))

    # -- what is sent ------------------------------------------------------------------------------------------------------------------

    def publish(self, *texts: str, at_ms: int = OCTOBER_MS, effective_ms: int | None = None) -> None:
        found = list(read_documents([(text, "text") for text in texts], None))
        catalogues = [each for each in found if isinstance(each, Catalogue)]
        contracts = [each for each in found if isinstance(each, Contract)]
        edit = Edit(catalogues, contracts, "", {"wall": at_ms, "october": at_ms}, effective_ms)
        for change in plan(edit, self.documents, self.partitions, "edit"):
            self.documents.record(change.value)
            self.append(CONTRACT_CHANGES.name, change.partition, change.value)

    def meter(self, *deltas: dict[str, Any], partition: int | None = None) -> None:
        by_partition: dict[int, list[dict[str, Any]]] = {}
        for each in deltas:
            by_partition.setdefault(partition_of(each["customer"], self.partitions) if partition is None else partition, []).append(each)
        for number, some in by_partition.items():
            behind = len(self.topics[CONTRACT_CHANGES.name][number])
            self.append(METERED_USAGE.name, number, {"kind": "metered", "documents": behind, "deltas": some})

    def act(self, action: str, customer: str, contract: str, starting_ms: int, at_ms: int) -> None:
        body = json.dumps({"action": action, "contract": contract, "starting_at": starting_ms})
        value = {"kind": "action", "id": contract, "root": None, "customer": customer, "recorded_at": at_ms, "version": 1, "body": body}
        self.append(CONTRACT_CHANGES.name, partition_of(customer, self.partitions), value)

    def tick(self, clock: str, now_ms: int) -> None:
        for number in range(self.partitions):
            self.append(CLOCK.name, number, {"clock": clock, "now": now_ms})

    def append(self, topic: str, partition: int, value: dict[str, Any]) -> None:
        place = self.topics[topic][partition]
        place.append(Input(topic, len(place), OCTOBER_MS, value))

    # -- what happens ------------------------------------------------------------------------------------------------------------------

    def run(self, *, crash: float = 0.0) -> None:
        """Until everything is settled. `crash`: how likely a worker dies at each of the points where it can."""
        while True:
            number = self.random.randrange(self.partitions)
            if not self._step(number, crash) and all(not self._step(each, 0.0) for each in range(self.partitions)):
                break
        for number in range(self.partitions):
            for topic, places in self.topics.items():
                assert self.settled[number].get(topic, 0) == len(places[number]), (topic, number)

    def go_on(self, steps: int, *, crash: float = 0.0) -> None:
        """For so many steps of some worker: much may be under way behind them."""
        for _ in range(steps):
            self._step(self.random.randrange(self.partitions), crash)

    def _step(self, number: int, crash: float) -> bool:
        """Deliver a few records or let the worker work; false when there is nothing to do."""
        open_topics = [topic for topic, places in self.topics.items() if self._next(number, topic) < len(places[number])]
        worker = self.workers[number]
        mark = worker.mark()
        read = self._next(number, METERED_USAGE.name)
        if mark is not None and read == len(self.topics[METERED_USAGE.name][number]) and worker.applied(METERED_USAGE.name) > self.last[number]:
            worker.release(mark)
        if open_topics and (self.random.random() < 0.6 or not worker.busy):
            for _ in range(self.random.randint(1, 4)):
                topic = self.random.choice(open_topics)
                at = self._next(number, topic)
                if at < len(self.topics[topic][number]):
                    worker.put(self.topics[topic][number][at])
                    if topic == METERED_USAGE.name:
                        self.last[number] = at
                    self.delivered[number][topic] = at + 1
            return True
        if not worker.busy:
            return False
        worker.work(watched=self.random.random() < 0.5)
        write = worker.take()
        if write is not None:
            self._commit(number, worker, write, crash)
        return True

    def _commit(self, number: int, worker: Partition, write: Write, crash: float) -> None:
        if self._crashes(crash):
            self._replace(number)
            return
        self.tables[number].take(write.rows)
        if self._crashes(crash):
            self._replace(number)
            return
        self._publish(write)
        if self._crashes(crash):
            self._replace(number)
            return
        for topic, offset in write.settled.items():
            assert offset >= self.settled[number].get(topic, 0)
            self.settled[number][topic] = offset
        if write.outbox is not None:
            worker.published(write.outbox)

    def _crashes(self, crash: float) -> bool:
        return self.random.random() < crash

    def _replace(self, number: int) -> None:
        self.crashes += 1
        self.workers[number] = self._new(number)

    def _new(self, number: int) -> Partition:
        self.claims[number] += 1
        self.delivered[number] = dict(self.settled[number])
        self.last[number] = -1
        return Partition(number, self.partitions, self.tables[number], self.claims[number], self.room)

    def _next(self, number: int, topic: str) -> int:
        return self.delivered[number].get(topic, 0)

    def _publish(self, write: Write) -> None:
        for batch in write.rated:
            for line in batch["lines"]:
                self._latest(self.lines, line["id"], batch["revision"], line)
            for invoice in batch["invoices"]:
                self._latest(self.invoices, invoice["id"], batch["revision"], invoice)
        for balance in write.balances:
            row = {name: value for name, value in balance.items() if name not in {"revision", "as_of"}}
            self._latest(self.balances, (balance["contract"], balance["id"]), balance["revision"], row)
        for crossing in write.crossings:
            key = (crossing["customer"], crossing["contract"], crossing["threshold"], crossing["crossing"], crossing["state"])
            if key in self.crossings:
                self.repeats += 1
                assert self.crossings[key] == crossing, "a crossing is a fact"
            self.crossings[key] = crossing
        for each in write.transfers:
            value = {name: field for name, field in each.items() if name != "root"}
            self.append(METERED_USAGE.name, partition_of(each["root"], self.partitions), value)

    @staticmethod
    def _latest(held: dict[Any, tuple[int, dict[str, Any]]], key: Any, revision: int, row: dict[str, Any]) -> None:
        before = held.get(key)
        if before is not None and before[0] == revision:
            assert before[1] == row, "one revision has one content"
        if before is None or before[0] <= revision:
            held[key] = (revision, row)

    # -- what is seen ------------------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        return {
            "lines": {key: row for key, (_, row) in self.lines.items() if not row["deleted"]},
            "invoices": {key: row for key, (_, row) in self.invoices.items() if row["status"] != "deleted"},
            "balances": {key: row for key, (_, row) in self.balances.items() if not row["deleted"]},
        }


def delta(
    customer: str, product: str, value: str, *, hour: int = 0, recorded_ms: int = OCTOBER_MS, sequence: int | None = None, catalogue: str = "calls"
) -> dict[str, Any]:
    window = OCTOBER_MS + hour * HOUR_MS
    return {
        "catalogue": catalogue,
        "product": product,
        "customer": customer,
        "group": {},
        "window_ms": window,
        "recorded_ms": recorded_ms,
        "first_ms": window,
        "events": 1,
        "value": value,
        "points": [],
        "members": [],
        "sequence": sequence,
    }
