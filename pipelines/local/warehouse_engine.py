"""The embedded engine: one chdb path in this process, a connection for each request or session.

A connection is cheap (under a millisecond) and holds its own current database and settings, so a request that sets something can not
be seen by another. Connections run in parallel (measured: an aggregate of seven seconds does not delay a neighbour by a millisecond),
and chdb lets go of the interpreter lock while it works, so requests run on threads.
"""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from chdb import _chdb

from pipelines.local.stages import STORING
from pipelines.local.warehouse_errors import WarehouseError

IN_ORDER = "max_threads = 1, input_format_parallel_parsing = 0"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


class Output(NamedTuple):
    """What a statement gave: bytes in its format and what it read and wrote."""

    body: bytes
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0


MERGES_LAST: Final = "os_threads_nice_value_merge_mutate=19"
"""Of the server, told with the first connection: nobody waits for a merge, and one of some seconds would stand in the way of what decides (decision 0204)."""
QUESTIONS_LATE: Final = f"os_threads_nice_value_query={STORING}"
"""Of every connection: the niceness of the process would end with the first question that has one of its own."""
NICENESS: Final = os.getpriority(os.PRIO_PROCESS, 0)
"""Of this process, as it was started."""


@contextmanager
def yielding() -> Iterator[None]:
    """Leave the thread that enters with the niceness of its process at least: a question with one of its own leaves none, and what is done next would go before all."""
    try:
        yield
    finally:
        if os.getpriority(os.PRIO_PROCESS, 0) < NICENESS:  # never less than it has: that takes privileges
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


class Connection:
    """One conversation with the engine. Not for two threads at once."""

    def __init__(self, path: str) -> None:
        self._chdb: Any = _chdb.connect(path)  # type: ignore[attr-defined]  # a compiled module without declarations
        self._temporary: set[str] = set()

    def use(self, database: str) -> None:
        """Raise UNKNOWN_DATABASE when there is none of that name."""
        self.query(f"USE {quoted_name(database)}")

    def set(self, settings: Mapping[str, str]) -> None:
        """Settings for all that follows on this connection."""
        for name, value in settings.items():
            if not NAME.match(name):
                raise WarehouseError("BAD_ARGUMENTS", f"The name of a setting has letters, digits and _ only, and is not {name!r}")
            self.query(f"SET {name} = {quoted_text(value)}")

    def query(self, sql: str, output_format: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Output:
        """Run one statement to its end. Raise RuntimeError with the engine's message."""
        with yielding():
            result = self._chdb.query(sql, output_format, params=dict(parameters or {}))
        return Output(
            result.bytes(),
            result.storage_rows_read() or result.rows_read(),
            result.storage_bytes_read() or result.bytes_read(),
            result.rows_written(),
            result.bytes_written(),
            int(result.elapsed() * 1e9),
        )

    def insert(self, statement: str, input_format: str, data: bytes) -> Output:
        """Insert encoded rows. All that the format's blocks hold is on disk when this returns."""
        with yielding():
            handle = self._chdb.send_insert(statement, input_format)
            try:
                self._chdb.insert_append(handle, data)
            except Exception:
                self._chdb.insert_cancel(handle)
                raise
            result = self._chdb.insert_done(handle)
        return Output(b"", 0, 0, result.rows_written(), result.bytes_written(), int(result.elapsed() * 1e9))

    def kind(self, sql: str) -> tuple[str, int]:
        """Class of the statement by the engine's own parser (READ_ONLY, MUTATING, CONTROL …) and how many statements there are."""
        found = self._chdb.classify_query(sql)
        return found["query_class"].name, int(found["statement_count"])

    def close(self) -> None:
        self._chdb.close()


class Engine:
    """Owner of the chdb folder. One for a process: chdb itself allows no second path."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = f"{path}?{MERGES_LAST}&{QUESTIONS_LATE}"
        self._keep = Connection(self._path)  # chdb shuts the engine down with its last connection
        self._opening = threading.Lock()
        self._answers = path.parent / "answers"
        shutil.rmtree(self._answers, ignore_errors=True)
        self._answers.mkdir()
        version, timezone = self._keep.query("SELECT version(), timezone()").body.decode().rstrip("\n").split("\t")
        self.version: str = version
        self.timezone: str = timezone

    def connect(self) -> Connection:
        with self._opening:
            return Connection(self._path)

    def converted(self, rows: bytes, have: str, want: str) -> bytes:
        """The same rows, names and types in another format."""
        connection = self.connect()
        with tempfile.NamedTemporaryFile(dir=self._answers, suffix=".bin") as file:
            file.write(rows)
            file.flush()
            try:
                return connection.query(f"SELECT * FROM file({quoted_text(file.name)}, {have}) SETTINGS {IN_ORDER}", want).body if rows else b""
            finally:
                connection.close()

    def close(self) -> None:
        self._keep.close()


def quoted_text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(value: str) -> str:
    """A quoted identifier."""
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"
