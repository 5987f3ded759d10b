"""Whether the embedded warehouse has room on its disk. With less than `keep_free_mb` nothing is inserted and nothing is merged.

The embedded engine reserves room before it writes, which is not enough where others write on the same disk: measured with chdb 4.4, a disk that fills
while a part is being written or merged leaves a part that can not be read, and no error. So we stop well before.
"""

import logging
import shutil
from pathlib import Path
from typing import Final

from pipelines.local.warehouse_engine import Engine
from pipelines.local.warehouse_errors import WarehouseError

log = logging.getLogger("taximeter.warehouse")

MEGABYTE: Final = 1_000_000


class Room:
    """Looked at by whoever serves, asked before each insert."""

    def __init__(self, engine: Engine, folder: Path, least_mb: int) -> None:
        self._engine = engine
        self._folder = folder
        self._least_bytes = least_mb * MEGABYTE
        self.short = False
        self._free = 0

    def look(self) -> None:
        """Stop merges when room has become short, let them go on when it is there again."""
        self._free = shutil.disk_usage(self._folder).free
        short = self._free < self._least_bytes
        if short == self.short:
            return
        self.short = short
        connection = self._engine.connect()
        try:
            connection.query("SYSTEM STOP MERGES" if short else "SYSTEM START MERGES")
        finally:
            connection.close()
        log.warning("%s", f"{self.told()}: nothing is inserted or merged until there is room" if short else "the disk has room again: going on")

    def told(self) -> str:
        return f"{self._free // MEGABYTE} MB are free on the disk of {self._folder}, and {self._least_bytes // MEGABYTE} MB are kept free"

    def check(self) -> None:
        """Raise NOT_ENOUGH_SPACE when an insert has to wait."""
        if self.short:
            raise WarehouseError("NOT_ENOUGH_SPACE", f"{self.told()}: make room, or lower TAXIMETER_KEEP_FREE_MB")
