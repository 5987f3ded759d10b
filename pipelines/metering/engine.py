"""The embedded ClickHouse engine, one a process and one thread of it, with a scratch file in memory through which batches enter."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from chdb.session import Session

MEMORY_LIMIT: Final = 1 << 31
"""Bytes that one statement may take: an event that claims to be longer is an error of that statement, not the end of the process."""


class EngineError(Exception):
    """The engine refused a statement; the message is its own."""


class Engine:
    """Statements in, bytes out."""

    def __init__(self) -> None:
        self._session: Any = Session()  # type: ignore[no-untyped-call]
        self.scratch = _memory()
        self.run("SET max_threads = 1")
        self.run(f"SET max_memory_usage = {MEMORY_LIMIT}")
        self.run("CREATE DATABASE IF NOT EXISTS meter ENGINE = Memory")

    def run(self, sql: str) -> None:
        self.query(sql, "Null")

    def query(self, sql: str, form: str) -> bytes:
        """The result of `sql` in ClickHouse format `form`. Raises EngineError."""
        try:
            result = self._session.query(sql, form)
        except Exception as error:
            raise EngineError(str(error)) from error
        return bytes(result.bytes() or b"")

    def lines(self, sql: str) -> list[bytes]:
        """The rows of `sql`, each as a JSON array. Raises EngineError."""
        return self.query(sql, "JSONCompactEachRow").splitlines()

    def make(self, table: str, structure: str, kind: str, rows: Iterable[Mapping[str, object]]) -> None:
        """A table of that engine with these rows, in place of one that has the name. Raises EngineError."""
        self.run(f"DROP TABLE IF EXISTS {table}")
        self.run(f"CREATE TABLE {table} ({structure}) ENGINE = {kind}")
        text = "\n".join(json.dumps(row) for row in rows)
        if text:
            self.scratch.write_text(text, encoding="utf-8")
            self.run(f"INSERT INTO {table} SELECT * FROM file('{self.scratch}', 'JSONEachRow', '{structure}')")

    def close(self) -> None:
        self._session.close()
        if sys.platform != "linux":
            self.scratch.unlink(missing_ok=True)


def _memory() -> Path:
    """The path of a file in memory that is gone when the process is, however it ends; elsewhere than on Linux, a temporary file."""
    if sys.platform == "linux":
        return Path(f"/proc/self/fd/{os.memfd_create('taximeter-meter')}")
    handle, name = tempfile.mkstemp(prefix="taximeter-meter-")
    os.close(handle)
    return Path(name)


@cache
def engine() -> Engine:
    """The engine of this process."""
    return Engine()
