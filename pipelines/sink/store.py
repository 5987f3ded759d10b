"""SINK's inserts into ClickHouse, and what to do when one fails.

An insert is repeated until it is in, or until SINK is told to stop: a repeat is harmless (identities are computed), a loss is not.

Errors
StoppedError                 asked to stop while it waited; what was not inserted comes again from the topic
BadBlockError                the warehouse read the block and refused what is inside
"""

import logging
from collections.abc import Callable, Sequence

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from clickhouse_connect.driver.insert import InsertContext

from pipelines.sink.blocks import TABLE as USAGE_EVENT_RECORDS
from pipelines.sink.blocks import Block
from pipelines.sink.mappers import Row, Table

log = logging.getLogger("taximeter.sink")

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
SETTINGS = {"max_partitions_per_insert_block": 0, "async_insert": 0}
"""A batch may touch any number of months; and an insert that is answered must be in."""

OF_THE_WAREHOUSE = frozenset({16, 60, 76, 81, 159, 164, 192, 193, 202, 209, 210, 225, 236, 241, 242, 243, 252, 279, 394, 425, 439, 497, 516, 999})
"""Codes that speak of the warehouse and not of the rows: no table, no memory, no disk, read-only, too many parts, shutting down, …"""

MEND = {
    16: "run `python -m pipelines.warehouse.migrations`",
    60: "run `python -m pipelines.warehouse.migrations`",
    81: "run `python -m pipelines.warehouse.migrations`",
    193: "check the password in TAXIMETER_CLICKHOUSE",
    516: "check user and password in TAXIMETER_CLICKHOUSE",
    241: "give ClickHouse more memory",
    243: "free disk space",
    252: "merges are behind; it mends itself unless the disk is too slow",
}


class StoppedError(Exception):
    """Told to stop while waiting for the warehouse."""


class BadBlockError(Exception):
    """The content of a block was refused."""


class Store:
    """One client's inserts. Not thread safe: one for each consumer."""

    def __init__(self, connect: Callable[[], Client], wait: Callable[[float], bool]) -> None:
        """`wait(seconds)` passes time without losing the consumer's place; it gives False when SINK is to stop."""
        self._connect = connect
        self._wait = wait
        self._client: Client | None = None
        self._contexts: dict[Table, InsertContext] = {}
        self.waiting_for: str | None = None
        """The trouble that SINK waits for, or none."""

    def prepare(self, tables: Sequence[Table]) -> None:
        """Learn the tables' columns before the first row is in a hurry."""
        self._until_in(lambda client: [self._context(client, table) for table in tables])

    def rows(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows; returns when they are in."""
        self._until_in(lambda client: self._insert_rows(client, table, rows))

    def block(self, block: Block) -> None:
        """Insert an Avro file of usage events. Raise BadBlockError when the warehouse refuses what is in it."""
        self._until_in(lambda client: client.raw_insert(USAGE_EVENT_RECORDS, insert_block=bytes(block), fmt="Avro", settings=SETTINGS), may_be_bad=True)

    def call(self, what: Callable[[Client], object]) -> None:
        """Do something between two inserts; again and again while the warehouse does not answer."""
        self._until_in(what)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _insert_rows(self, client: Client, table: Table, rows: Sequence[Row]) -> None:
        context = self._context(client, table)
        context.data = rows
        client.insert(context=context)

    def _context(self, client: Client, table: Table) -> InsertContext:
        context = self._contexts.get(table)
        if context is None:
            context = self._contexts[table] = client.create_insert_context(table.name, list(table.columns), settings=SETTINGS)
        return context

    def _until_in(self, insert: Callable[[Client], object], *, may_be_bad: bool = False) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            try:
                if self._client is None:
                    self._client = self._connect()
                insert(self._client)
            except ClickHouseError as error:
                code = error.code if isinstance(error, DatabaseError) else None
                if may_be_bad and code is not None and code not in OF_THE_WAREHOUSE:
                    raise BadBlockError(str(error)) from error
                self._tell(error, code)
                self._forget()
            else:
                if self.waiting_for is not None:
                    log.warning("the warehouse takes rows again")
                    self.waiting_for = None
                return
            if not self._wait(wait_s):
                raise StoppedError
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _tell(self, error: Exception, code: int | None) -> None:
        """Say it once, not at every try."""
        what = f"code {code}" if code is not None else "no answer"
        if self.waiting_for == what:
            return
        self.waiting_for = what
        mend = MEND.get(code or 0, "is it running? `taximeter status` tells; TAXIMETER_CLICKHOUSE is its address")
        log.warning("the warehouse does not take rows (%s): %s; waiting, nothing is lost: %s", what, str(error).splitlines()[0][:300], mend)

    def _forget(self) -> None:
        """A new client next time: the server may be another one, with other columns."""
        if self._client is not None:
            self._client.close()
        self._client = None
        self._contexts.clear()
