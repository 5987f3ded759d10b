"""One partition as it runs, without Kafka: usage that waits for documents is kept out when it is much, and keeps nothing else out."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.rating.runner import LINE_BYTES, MissedRecordError, Runner
from pipelines.rating.step import WRITE_ACCOUNTS, Input, Write
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


def usage(offset: int, documents: int, deltas: int) -> Input:
    """A record that knows so many documents."""
    record = {"kind": "metered", "documents": documents, "deltas": [delta("ann", "calls", "1") for _ in range(deltas)]}
    return Input(METERED_USAGE.name, offset, 1_760_000_000_000, record)


async def usage_and_then_its_documents(records: int, deltas: int, size: int) -> Shell:
    """So many records of usage, each of so many deltas and bytes; then the documents that they wait for. All are applied at the end."""
    world = World(1, 0)
    world.publish(CATALOGUE.format(price="0.01"), *(contract(f"c{number}") for number in range(300)), contract("ann"))
    documents = world.topics[CONTRACT_CHANGES.name][0]
    shell = Shell()
    runner = shell.partitions[0] = Runner(shell, 0, 1)  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(PATIENCE_S):
            for offset in range(records):
                await runner.take(message(usage(offset, len(documents), deltas), size))
        assert False not in shell.held
        async with asyncio.timeout(PATIENCE_S):
            for record in documents:
                await runner.take(message(record))
        await shell.until_settled(CONTRACT_CHANGES.name, len(documents))
        await shell.until_settled(METERED_USAGE.name, records)
        assert shell.counts["writes"] < len(documents) / 4
    finally:
        await runner.stop()
    return shell


def test_much_usage_that_waits_for_documents_is_kept_out_and_keeps_none_of_them_out() -> None:
    shell = asyncio.run(usage_and_then_its_documents(20, 2_000, LINE_BYTES // 5))
    assert shell.held[0] is True
    assert shell.held[-1] is False


def test_many_small_records_of_usage_keep_no_document_out() -> None:
    shell = asyncio.run(usage_and_then_its_documents(400, 1, 100))
    assert shell.held == []


def test_what_somebody_watches_does_not_rest_behind_what_takes_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given usage of more accounts than one write has, when a watched event comes while it is written, then it is applied right behind it."""

    class Slow(Shell):
        """Whose next write waits."""

        def __init__(self) -> None:
            super().__init__()
            self.waits, self.may = asyncio.Event(), asyncio.Event()
            self.may.set()

        async def write(self, number: int, rows: dict[bytes, bytes | None], claim: Claim, behind: int) -> tuple[int, int]:
            self.waits.set()
            await self.may.wait()
            return await super().write(number, rows, claim, behind)

    async def two_turns_and_an_event() -> None:
        customers = [f"c{number}" for number in range(WRITE_ACCOUNTS + 1)]
        world = World(1, 0)
        world.publish(CATALOGUE.format(price="0.01"), *(contract(each) for each in (*customers, "ann")))
        documents = world.topics[CONTRACT_CHANGES.name][0]
        shell = Slow()
        runner = shell.partitions[0] = Runner(shell, 0, 1)  # type: ignore[arg-type]
        try:
            for record in documents:
                await runner.take(message(record))
            await shell.until_settled(CONTRACT_CHANGES.name, len(documents))
            monkeypatch.setattr("pipelines.rating.runner.LEAST_REST_S", 3_600.0)
            shell.may.clear()
            shell.waits.clear()
            first = {"kind": "metered", "documents": len(documents), "deltas": [delta(each, "calls", "1") for each in customers]}
            await runner.take(message(Input(METERED_USAGE.name, 0, 1_760_000_000_000, first)))
            await shell.waits.wait()
            second = first | {"deltas": [delta("ann", "calls", "1", sequence=0)]}
            await runner.take(message(Input(METERED_USAGE.name, 1, 1_760_000_000_000, second)))
            shell.may.set()
            await shell.until_settled(METERED_USAGE.name, 2)
        finally:
            await runner.stop()

    asyncio.run(two_turns_and_an_event())


def test_the_first_record_must_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def others_come() -> None:
        shell = Shell()
        runner = shell.partitions[0] = Runner(shell, 0, 1)  # type: ignore[arg-type]
        try:
            rest = SimpleNamespace(topic=METERED_USAGE.name, offset=7, checksum=6)
            assert not runner.follows(rest)
            monkeypatch.setattr("pipelines.rating.runner.RESTS_S", -1.0)
            with pytest.raises(MissedRecordError, match="the first record was passed over"):
                runner.follows(rest)
        finally:
            await runner.stop()

    asyncio.run(others_come())
