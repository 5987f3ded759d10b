"""One partition as it runs, without Kafka: usage that waits for a document is kept out when it is much, and keeps nothing else out."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from pipelines.rating.runner import LINE_BYTES, Runner
from pipelines.rating.step import Input, Write
from pipelines.rating.tables import Claim
from pipelines.topology import CONTRACT_CHANGES, METERED_USAGE
from tests.property.rating.test_step import CATALOGUE, contract
from tests.property.rating.world import Table, World, delta

PATIENCE_S = 10.0


class Store:
    """The local store of one partition."""

    def __init__(self) -> None:
        self._rows = Table()

    def claim(self, _number: int) -> Claim:
        return Claim(0, b"")

    def disputed(self, _number: int) -> dict[bytes, bytes]:
        return {}

    def held_offset(self, _number: int) -> None:
        return None

    def get_row(self, _number: int, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(self, _number: int, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._rows.scan(prefix, after)

    def write(self, _number: int, rows: dict[bytes, bytes | None], _offset: int, _claim: Claim) -> None:
        self._rows.take(rows)


class Shell:
    """What a runner needs of the worker; what it asks of the client is kept."""

    def __init__(self) -> None:
        self.store = Store()
        self.table = SimpleNamespace(store=self.store)
        self.settings = SimpleNamespace(rate_memory_mb=100, partitions=1)
        self.counts: Counter[str] = Counter()
        self.partitions: dict[int, Runner] = {}
        self.held: list[bool] = []
        self.consumer = SimpleNamespace(hold=lambda *_: self.held.append(True), let_in=lambda *_: self.held.append(False), settled=lambda *_: 0)
        self.output = self
        self.settled: dict[str, int] = {}
        self.published = asyncio.Event()

    def decoded(self, message: Any) -> Input:
        found: Input = message.record
        return found

    async def write(self, _number: int, rows: dict[bytes, bytes | None], _claim: Claim, behind: int) -> tuple[int, int]:
        return behind, behind + len(rows) - 1

    async def publish(self, _number: int, _write: Write) -> None:
        """Nobody reads it."""

    def settle(self, topic: str, _number: int, offset: int) -> None:
        self.settled[topic] = offset
        self.published.set()

    def ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or AssertionError

    async def until_settled(self, topic: str, offset: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.settled.get(topic, 0) < offset:
                self.published.clear()
                await self.published.wait()


def message(record: Input, size: int = 100) -> Any:
    return SimpleNamespace(topic=record.topic, offset=record.offset, value=bytes(size), record=record)


def usage(offset: int, documents: int) -> Input:
    """A record that knows so many documents."""
    record = {"kind": "metered", "documents": documents, "deltas": [delta("ann", "calls", "1") for _ in range(2_000)]}
    return Input(METERED_USAGE.name, offset, 1_760_000_000_000, record)


def test_usage_that_waits_for_a_document_is_kept_out_and_keeps_no_document_out() -> None:
    asyncio.run(much_usage_and_then_its_documents())


async def much_usage_and_then_its_documents() -> None:
    world = World(1, 0)
    world.publish(CATALOGUE.format(price="0.01"), *(contract(f"c{number}") for number in range(300)), contract("ann"))
    documents = world.topics[CONTRACT_CHANGES.name][0]
    shell = Shell()
    runner = shell.partitions[0] = Runner(shell, 0, 1)  # type: ignore[arg-type]
    try:
        # given: much usage whose documents have not come
        records = [usage(offset, len(documents)) for offset in range(20)]
        async with asyncio.timeout(PATIENCE_S):
            for record in records:
                await runner.take(message(record, LINE_BYTES // 5))
        assert shell.held
        assert all(shell.held)
        # when: the documents come, more than a line
        async with asyncio.timeout(PATIENCE_S):
            for record in documents:
                await runner.take(message(record))
        # then: they are applied, in few writes; and so is the usage, of which more is let in
        await shell.until_settled(CONTRACT_CHANGES.name, len(documents))
        await shell.until_settled(METERED_USAGE.name, len(records))
        assert shell.held[-1] is False
        assert shell.counts["writes"] < len(documents) / 4
    finally:
        await runner.stop()
