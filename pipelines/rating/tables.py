"""The table that holds all of RATE's state: a Faust table over RocksDB, written in whole batches.

Faust's own table writes locally first and sends each row to the changelog by itself, so that after a crash rows of one record may be
there and others not, and the local store may be ahead of the changelog. Here all rows of a write are one Kafka record batch, which the log takes as a
whole or not at all; the local store gets them, with the changelog's offset, only when the changelog has them. So it always holds a
beginning of the changelog. Recovery, assignment and the place of the files are Faust's.

The changelog is also the lock of a partition. Every row names its writer's claim, whose number is one higher than that of the writer before. An owner
whose write does not stand directly behind its last one has been overtaken, or met a stale writer (one that was stopped while the partition was
given away, say): it gives up, and the next recovery passes over the rows of lower claims. So it does with rows that do not stand where their writer
believed, whatever their claim: they were made from a state that was not the newest. What was written meanwhile is written again then,
so that compaction, which knows nothing of claims, keeps the right rows.
"""

import gc
import logging
import shutil
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import faust
import rocksdict
from faust.stores import rocksdb
from faust.types import TP

from pipelines.damage import opened

log = logging.getLogger("taximeter.rate")

TABLE: Final = "state"
WRITE_BUFFER_BYTES: Final = 4 << 20
BLOCK_CACHE_BYTES: Final = 64 << 20
OPEN_FILES: Final = 256
STALE_S: Final = 12 * 3600
"""Local state that was not in use for so long is thrown away: the changelog may have forgotten by then what was deleted."""
DELETE_RETENTION_MS: Final = 7 * 86_400_000
MESSAGE_BYTES: Final = 16 << 20
CHANGELOG: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MESSAGE_BYTES),
    "delete.retention.ms": str(DELETE_RETENTION_MS),
    "min.compaction.lag.ms": "600000",
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.3",
}
"""How the changelog topic is kept."""


CLAIM: Final = struct.Struct(">Q8s")
PLACE: Final = struct.Struct(">qI")
HEADER: Final = "claim"
PLACED: Final = "place"
"""Header of a row: the offset at which its writer expected the first row of the batch, and which row of it this is."""


class Claim(NamedTuple):
    """Who writes: the number counts a partition's owners, the rest tells two of one number apart, of whom the first holds."""

    number: int
    writer: bytes

    def headers(self, behind: int, rows: int) -> list[list[tuple[str, bytes]]]:
        """Of the rows of a batch that its writer expects at the offset `behind`."""
        claim = (HEADER, CLAIM.pack(self.number, self.writer))
        return [[claim, (PLACED, PLACE.pack(behind, row))] for row in range(rows)]


class Store(rocksdb.Store):
    """One RocksDB for each partition, read and written by partition."""

    claim_key: Final = b"\xffclaim"
    disputed_key: Final = b"\xffdisputed"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cache = rocksdict.Cache(BLOCK_CACHE_BYTES)
        self._lock = threading.Lock()
        """Rows come from recoveries, on threads of their own, and from us: what is held and what is written next must agree."""

    def get_row(self, partition: int, key: bytes) -> bytes | None:
        found = self._db_for_partition(partition).get(key)
        return None if found is None else bytes(found)

    def held_offset(self, partition: int) -> int | None:
        """The changelog record up to which the local rows go."""
        found = self._db_for_partition(partition).get(self.offset_key)
        return None if found is None else int(found)

    def scan(self, partition: int, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix` and is greater than `after`, in order."""
        for key, value in self._db_for_partition(partition).items(from_key=max(prefix, after)):
            if not key.startswith(prefix):
                return
            if key > after:
                yield key, value

    def claim(self, partition: int) -> Claim:
        """The claim of the last rows that count."""
        found = self._db_for_partition(partition).get(self.claim_key)
        return Claim(*CLAIM.unpack(found)) if found else Claim(0, b"")

    def disputed(self, partition: int) -> dict[bytes, bytes | None]:
        """Rows that must be written again, as they should be: a stale writer has written too since they were."""
        prefix = self.disputed_key
        return {key[len(prefix) :]: self.get_row(partition, key[len(prefix) :]) for key, _ in self.scan(partition, prefix, b"")}

    def size(self) -> int:
        """Bytes on disk and in memory, about, of all partitions."""
        names = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")
        return sum(int(db.property_int_value(name) or 0) for db in tuple(self._dbs.values()) for name in names)

    def write(self, partition: int, rows: Mapping[bytes, bytes | None], offset: int, claim: Claim) -> None:
        """Rows that the changelog has, the offset of the last of them there, and who wrote them; none deletes."""
        with self._lock:
            self._write(partition, rows, offset, claim)

    def _write(self, partition: int, rows: Mapping[bytes, bytes | None], offset: int, claim: Claim, disputed: Iterable[bytes] = ()) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        for key in disputed:
            batch.put(self.disputed_key + key, b"1")
        batch.put(self.offset_key, str(offset).encode())
        batch.put(self.claim_key, CLAIM.pack(*claim))
        self._db_for_partition(partition).write(batch)

    def settle_disputes(self, partition: int) -> None:
        """The disputed rows have been written again."""
        db = self._db_for_partition(partition)
        for key, _ in list(self.scan(partition, self.disputed_key, b"")):
            db.delete(key)

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002
        """Nothing that Faust would have to go on from: it recovers nothing (`recovery.py`)."""
        return None

    def recover(self, partition: int, messages: Iterable[Any]) -> None:
        """Take rows of the changelog, in order, that stand directly behind those that are held, or are held already."""
        with self._lock:
            self._recover(partition, messages)

    def _recover(self, partition: int, messages: Iterable[Any]) -> None:
        held = self.held_offset(partition)
        last = -1 if held is None else held
        claim = self.claim(partition)
        rows: dict[bytes, bytes | None] = {}
        contested = any(True for _ in self.scan(partition, self.disputed_key, b""))
        disputed = set()
        told, writer = b"", claim
        for message in messages:
            if message.offset <= last:
                continue
            last = message.offset
            headers = dict(message.headers)
            if headers[HEADER] != told:
                told = headers[HEADER]
                writer = Claim(*CLAIM.unpack(told))
            stale = writer.number < claim.number or (writer.number == claim.number and writer.writer != claim.writer) or _misplaced(headers.get(PLACED), last)
            if stale:
                contested = True
                log.warning("%s[%d] offset %d: a row of a writer that did not own the partition any more is passed over", message.topic, partition, last)
            else:
                claim = writer
                rows[message.key] = message.value
            if contested:
                disputed.add(message.key)
        if last >= 0 and last != held:
            self._write(partition, rows, last, claim, disputed)

    def revoke_partitions(self, table: Any, tps: Iterable[TP]) -> None:  # noqa: ARG002
        for tp in tps:
            if tp.topic == self.table.changelog_topic.get_topic_name():
                self._close(tp.partition)

    async def stop(self) -> None:
        for partition in list(self._dbs):
            self._close(partition)
        gc.collect()

    def _close(self, partition: int) -> None:
        with self._lock:
            db = self._dbs.pop(partition, None)
            if db is not None:
                self._stamp(partition).touch()
                db.close()

    def _stamp(self, partition: int) -> Path:
        """Its age tells when the partition's state was last in use."""
        return self.partition_path(partition).with_suffix(".used")

    def stamp(self) -> None:
        """All open partitions are in use now."""
        for partition in tuple(self._dbs):
            self._stamp(partition).touch()

    def _open_for_partition(self, partition: int) -> Any:
        path, stamp = self.partition_path(partition), self._stamp(partition)
        if path.exists() and (not stamp.exists() or time.time() - stamp.stat().st_mtime > STALE_S):
            log.info("local state of partition %d is too old: it is read again from the changelog", partition)
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_max_open_files(OPEN_FILES)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(2)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        options.set_keep_log_file_num(2)
        tables = rocksdict.BlockBasedOptions()
        tables.set_block_cache(self._cache)
        tables.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(tables)
        db = opened(path, lambda: rocksdict.Rdict(str(path), options=options))
        stamp.touch()
        return db


def _misplaced(told: bytes | None, offset: int) -> bool:
    """Whether a row stands elsewhere than its writer expected; of rows of former releases nobody can tell."""
    if told is None:
        return False
    behind, row = PLACE.unpack(told)
    return bool(offset != behind + row)


class StateTable(faust.Table[bytes, bytes]):
    """The Faust table over `Store`."""

    def _new_store(self) -> Any:
        return Store(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            value_type=bytes,
            loop=self.loop,
            driver="rocksdict",
        )

    @property
    def store(self) -> Store:
        found: Any = self.data
        return found  # type: ignore[no-any-return]


class PartitionRows:
    """`cells.Rows` of one partition of the table."""

    def __init__(self, store: Store, partition: int) -> None:
        self._store = store
        self._partition = partition

    def get(self, key: bytes) -> bytes | None:
        return self._store.get_row(self._partition, key)

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return self._store.scan(self._partition, prefix, after)
