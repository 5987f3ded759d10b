"""Which transaction ids were seen: a RocksDB of (hash of partition and id) → (offset of the first event, hash of its body).

The value is the first event's offset, so an event that is read again after a crash is recognised as itself and not as its duplicate:
it does not matter whether the store was written before, with or without the transaction that counted the event.

Ids live in generations, column families named by the time at which they were begun (wall clock of this process). Each is at least half
as old as the retention when the next one begins; one whose successor is older than the retention is dropped whole: no scan, and an id
is known for the retention at least and half as long again at most. A look-up asks every generation, four at most.

Beside the ids the store keeps how far it knows each partition: never further than what was committed. Where it knows less (state lost,
killed between commit and note, or this worker did not own the partition) those events are read again to learn their ids (`relearn.py`).
"""

import struct
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from rocksdict import BlockBasedOptions, DBCompressionType, Options, Rdict, WriteBatch

KEY_BYTES: Final = 16
VALUE: Final = struct.Struct("<qQ")
"""Offset of the first event with the id, hash of its body."""
_DAY_MS: Final = 86_400_000
_POSITION: Final = struct.Struct("<q")
_META: Final = "positions"
_TOPIC: Final = b"topic id"


class Entries(NamedTuple):
    """New ids: keys in order, and the values that belong to them."""

    keys: list[bytes]
    values: list[bytes]


class Memory(NamedTuple):
    """What the store holds in memory, in bytes."""

    tables: int
    """Filters and indexes of what is on disk: grows with the ids."""
    buffers: int
    """Ids that are not in tables yet: at most a few buffers."""
    cache: int
    """Blocks that were read: bounded."""
    buffered: int
    """Ids (not bytes) in the buffers."""


class Dedup:
    """The store of one worker; one process at a time may hold the folder. Not thread safe, but for a `put` that was announced by `expect`."""

    def __init__(self, folder: Path, retention_days: int, now_ms: int) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._retention_ms = retention_days * _DAY_MS
        path = str(folder)
        names = [name for name in Rdict.list_cf(path) if name != "default"] if (folder / "CURRENT").exists() else []
        self._db: Any = Rdict(path, options=_options(), column_families={name: _options() for name in names})
        if _META not in names:
            self._db.create_column_family(_META, options=_options())
        self._positions: Any = self._db.get_column_family(_META)
        self._positions_handle: Any = self._db.get_column_family_handle(_META)
        self._generations = sorted(int(name) for name in names if name != _META)
        self._families: dict[int, Any] = {each: self._db.get_column_family(str(each)) for each in self._generations}
        self._handle: Any = None
        self._complete = threading.Event()
        self._complete.set()
        self.rotate(now_ms)

    def rotate(self, now_ms: int) -> None:
        """Begin a generation when it is time, drop what is older than the retention."""
        self._complete.wait()
        if not self._generations or now_ms >= self._generations[-1] + self._retention_ms // 2:
            self._db.create_column_family(str(now_ms), options=_options())
            self._families[now_ms] = self._db.get_column_family(str(now_ms))
            self._generations.append(now_ms)
            self._handle = None
        while len(self._generations) > 1 and now_ms >= self._generations[1] + self._retention_ms:
            oldest = self._generations.pop(0)
            del self._families[oldest]
            self._db.drop_column_family(str(oldest))
        if self._handle is None:
            self._handle = self._db.get_column_family_handle(str(self._generations[-1]))

    def belong_to(self, topic_id: str, now_ms: int) -> None:
        """The store is about this topic. What it knows about an earlier one of the same name, whose offsets mean nothing now, is dropped."""
        known = self._positions.get(_TOPIC)
        if known == topic_id.encode():
            return
        if known is not None:
            for generation in self._generations:
                self._db.drop_column_family(str(generation))
            self._generations, self._families, self._handle = [], {}, None
            self._positions.delete_range(b"", b"\xff" * 9)
            self.rotate(now_ms)
        self._positions.put(_TOPIC, topic_id.encode())

    def position(self, partition: int) -> int | None:
        """The offset up to which the ids of `partition` are known; none: nothing is."""
        packed = self._positions.get(_POSITION.pack(partition))
        return None if packed is None else int(_POSITION.unpack(packed)[0])

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys`, none where one is not known. Keys in order are found three times as fast."""
        self._complete.wait()
        newest, *older = reversed(self._generations)
        found: list[bytes | None] = self._families[newest].get(keys)
        for generation in older:
            # The oldest one that knows an id has its first event.
            known: list[bytes | None] = self._families[generation].get(keys)
            if known.count(None) != len(known):
                found = [old if old is not None else new for old, new in zip(known, found, strict=True)]
        return found

    def forget(self, keys: Iterable[bytes]) -> None:
        """The ids are free again."""
        self._complete.wait()
        for key in keys:
            for generation in self._generations:
                del self._families[generation][key]

    def expect(self) -> None:
        """Another thread will `put`: until it has, whoever asks here waits."""
        self._complete.clear()

    def put(self, entries: Entries) -> None:
        """Remember new ids: all or none."""
        try:
            batch: Any = WriteBatch(raw_mode=True)
            batch.set_default_column_family(self._handle)
            deque(map(batch.put, entries.keys, entries.values), 0)
            self._db.write(batch)
        finally:
            self._complete.set()

    def know(self, positions: Mapping[int, int]) -> None:
        """Partitions are known up to these offsets."""
        batch: Any = WriteBatch(raw_mode=True)
        batch.set_default_column_family(self._positions_handle)
        for partition, offset in positions.items():
            batch.put(_POSITION.pack(partition), _POSITION.pack(offset))
        self._db.write(batch)

    def count(self) -> int:
        """Ids that are known, about: RocksDB's estimate."""
        return sum(int(family.property_int_value("rocksdb.estimate-num-keys") or 0) for family in self._families.values())

    def memory(self) -> Memory:
        """As RocksDB tells it."""

        def told(*names: str) -> int:
            return sum(int(family.property_int_value(f"rocksdb.{name}") or 0) for family in self._families.values() for name in names)

        return Memory(
            told("estimate-table-readers-mem"),
            told("cur-size-all-mem-tables"),
            told("block-cache-usage"),
            told("num-entries-active-mem-table", "num-entries-imm-mem-tables"),
        )

    def size(self) -> int:
        """Bytes on disk and in memory, about."""
        total = 0
        for family in self._families.values():
            for name in ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"):
                total += int(family.property_int_value(name) or 0)
        return total

    def close(self) -> None:
        self._families.clear()
        self._positions = self._positions_handle = self._handle = None
        self._db.close()


def _options() -> Any:
    options: Any = Options(raw_mode=True)
    options.create_if_missing(True)
    blocks: Any = BlockBasedOptions()
    blocks.set_bloom_filter(10, False)
    blocks.set_cache_index_and_filter_blocks(False)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(64 << 20)
    # Nearly every look-up is for an id that is not there: the filters answer those, in memory too. The keys are random and do not compress.
    options.set_memtable_prefix_bloom_ratio(0.2)
    options.set_memtable_whole_key_filtering(True)
    options.set_allow_concurrent_memtable_write(False)
    options.set_compression_type(DBCompressionType.none())
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    return options
