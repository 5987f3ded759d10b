"""The catalogues of a partition: the version of each that holds, those to come, and those that some account still stands on. Pure, used by the step."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from contracts.catalogue import Catalogue
from pipelines.rating import keys, rows
from pipelines.rating.accounts import HeldAccount
from pipelines.rating.cells import Cells, Rows
from pipelines.rating.rows import CatalogueRow, Pending


class Catalogues:
    """Not thread safe."""

    def __init__(self, cells: Cells, table: Rows) -> None:
        self._cells = cells
        self._rows = {key[1:].decode(): rows.decode_catalogue(value) for key, value in table.scan(keys.CATALOGUES)}
        self._begun = 0
        """How many versions have begun to hold since the start."""
        self._decoded = {name: {version: _decode(body) for version, body in _bodies(row).items()} for name, row in self._rows.items()}

    @property
    def versions(self) -> Mapping[str, Mapping[int, Catalogue]]:
        """By id and version: all that an account may know."""
        return self._decoded

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def row(self, name: str) -> CatalogueRow:
        return self._rows[name]

    def holding(self) -> dict[str, Catalogue]:
        """The version of each that holds."""
        return {name: self._decoded[name][row.version] for name, row in self._rows.items()}

    def postponed(self, change: Mapping[str, Any], now_ms: int) -> bool:
        """Whether nothing changes now: the version is known, or holds from a later time and is kept until then."""
        known = self._rows.get(change["id"])
        if known is None:
            return False
        version, effective_ms = change["version"], change["effective_at"]
        if known.version >= version:
            return True
        if effective_ms is None or effective_ms <= max(change["recorded_at"], now_ms):
            return False
        known.pending.append(Pending(effective_ms, version, change["body"]))
        self._keep(change["id"])
        return True

    def due(self, now_ms: int) -> list[tuple[str, Pending]]:
        """The versions whose time has come, of each catalogue the highest."""
        found = []
        for name, row in self._rows.items():
            ripe = [each for each in row.pending if each.effective_ms <= now_ms]
            if ripe:
                found.append((name, max(ripe, key=lambda each: each.version)))
        return found

    def hold(self, name: str, version: int, recorded_ms: int, body: str) -> None:
        """A version begins to hold."""
        row = CatalogueRow(version, recorded_ms, body)
        before = self._rows.get(name)
        if before is not None:
            row.pending = [each for each in before.pending if each.version > version]
            row.earlier = before.earlier | {before.version: before.body}
        self._rows[name] = row
        self._begun += 1
        self._decoded.setdefault(name, {})[version] = _decode(body)
        self._keep(name)

    def tell(self, account: HeldAccount, names: Iterable[str]) -> None:
        """Let an account know what holds of the named catalogues, those that it knows and those of its contracts."""
        if account.told == self._begun and all(name in account.row.catalogues for name in names):
            return
        account.told = self._begun
        for name in {*names, *account.row.catalogues, *(terms.catalogue for terms in account.row.contracts.values())}:
            held = self._rows.get(name)
            if held is not None:
                account.catalogue(name, held, self._decoded[name][held.version])

    def known_by_all(self, name: str) -> None:
        """No account stands on an earlier version any more."""
        row = self._rows[name]
        row.earlier.clear()
        self._decoded[name] = {row.version: self._decoded[name][row.version]}
        self._keep(name)

    def _keep(self, name: str) -> None:
        self._cells.write(keys.catalogue(name), rows.encode(self._rows[name]))


def _bodies(row: CatalogueRow) -> dict[int, str]:
    return row.earlier | {row.version: row.body}


def _decode(body: str) -> Catalogue:
    return msgspec.json.decode(body, type=Catalogue, strict=False)
