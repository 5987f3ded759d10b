"""What readers see stands still: the views show copies of the tables until the row written last in `reader_stills` says that it is over.

A copy is links to the parts as they are, so it takes milliseconds. A still ends by itself when nobody prolongs it: readers are never left behind for good.
"""

import time
from typing import Any, Final

from clickhouse_connect.driver.client import Client

COPIES: Final = {"invoice_revisions": "invoice_stills", "line_revisions": "line_stills", "balance_revisions": "balance_stills"}
HELD_S: Final = 20
"""How long a still lasts that nobody prolongs."""

PARTS: Final = """
SELECT table, groupUniqArray(partition_id) FROM system.parts WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND active GROUP BY table"""
BEGUN: Final = "SELECT count() FROM reader_stills WHERE generation = {generation:UInt64} AND step = {step:UInt64}"


class Still:
    """One of them, told from the others by the control record that asked for it. Every call may raise clickhouse-connect's errors."""

    def __init__(self, client: Client, generation: int, step: int) -> None:
        self._client = client
        self._generation = generation
        self._step = step
        self._prolonged = time.monotonic()

    def begin(self) -> None:
        """Copy what there is and show that; nothing may be inserted meanwhile. Doing it again changes nothing, also when it is over."""
        if self.begun():
            return
        rows: Any = self._client.query(PARTS, parameters={"tables": [*COPIES, *COPIES.values()]}).result_rows
        parts: dict[str, list[str]] = dict(rows)
        for table, copy in COPIES.items():
            # What an earlier still has left is replaced: somebody waits for each statement.
            for part in parts.get(table, ()):
                self._client.command(f"ALTER TABLE {copy} REPLACE PARTITION ID '{part}' FROM {table}")
            for part in set(parts.get(copy, ())).difference(parts.get(table, ())):
                self._client.command(f"ALTER TABLE {copy} DROP PARTITION ID '{part}'")
        self._until(HELD_S)

    def begun(self) -> bool:
        """Whether it was ever begun."""
        return bool(self._client.query(BEGUN, parameters={"generation": self._generation, "step": self._step}).result_rows[0][0])

    def prolong(self) -> None:
        """It is needed for longer; cheap to call often."""
        if time.monotonic() - self._prolonged > HELD_S / 4:
            self._until(HELD_S)
            self._prolonged = time.monotonic()

    def end(self) -> None:
        """Show the tables again: all that changed meanwhile, at once. The copies stay for who is reading them."""
        self._until(0)

    def _until(self, seconds: int) -> None:
        self._client.command(
            f"INSERT INTO reader_stills (generation, step, until) SELECT {self._generation}, {self._step}, now64(3) + toIntervalSecond({seconds})"
        )


def forget(client: Client) -> None:
    """Let go of the copies. Raises clickhouse-connect's errors."""
    for copy in COPIES.values():
        client.command(f"TRUNCATE TABLE {copy}")
