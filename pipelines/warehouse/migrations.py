"""Migrations: numbered SQL files, applied once each and in order, recognised by their checksum.

    python -m pipelines.warehouse.migrations [--dry-run]

Every statement of a file can be repeated (`IF NOT EXISTS`, `OR REPLACE`), so a migration that was cut off is simply run again. A file
that was applied must never change: what it says is history. A change is a new file.
"""

import hashlib
import re
import sys
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from contracts.errors import TaximeterError

Run = Callable[[str], str]
"""Runs one statement and gives its rows as tab-separated text."""

FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
HISTORY = """CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32 COMMENT 'Number of the file',
    name String COMMENT 'Name of the file',
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied'
)
ENGINE = MergeTree ORDER BY number COMMENT 'Which migrations were applied'"""


class MigrationError(TaximeterError):
    """The files and the warehouse do not agree; nothing was changed."""


class Migration(NamedTuple):
    number: int
    name: str
    checksum: str
    statements: tuple[str, ...]


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """All migrations in order (of `schemas/clickhouse` unless another folder is named). Raise MigrationError for gaps and repeats."""
    found = []
    for file in (folder or resources.files("schemas") / "clickhouse").iterdir():
        matched = FILE.match(file.name)
        if not matched:
            continue
        text = file.read_text(encoding="utf-8")
        found.append(Migration(int(matched.group(1)), file.name, hashlib.sha256(text.encode()).hexdigest(), _statements(text)))
    found.sort()
    for place, migration in enumerate(found, start=1):
        if migration.number != place:
            raise MigrationError(f"{migration.name}: migrations are numbered 0001, 0002, … without a gap or a repeat; {place:04} was expected here")
    return found


def migrate(run: Run, database: str, *, dry_run: bool = False, folder: Traversable | None = None) -> list[Migration]:
    """Apply what is missing in `database` and give it; with `dry_run` only tell. Raise MigrationError when an applied file has changed."""
    run(f"USE {database}")
    files = migrations(folder)
    applied = _applied(run)
    _check(files, applied)
    missing = [migration for migration in files if migration.number not in applied]
    if dry_run:
        return missing
    if missing:
        run(HISTORY)
    for migration in missing:
        for statement in migration.statements:
            run(statement)
        run(f"INSERT INTO schema_migrations (number, name, checksum) VALUES ({migration.number}, '{migration.name}', '{migration.checksum}')")
    return missing


def _applied(run: Run) -> dict[int, tuple[str, str]]:
    if run("EXISTS TABLE schema_migrations").strip() == "0":
        return {}
    rows = run("SELECT DISTINCT number, name, checksum FROM schema_migrations ORDER BY number").splitlines()
    return {int(number): (name, checksum) for number, name, checksum in (row.split("\t") for row in rows)}


def _check(files: list[Migration], applied: dict[int, tuple[str, str]]) -> None:
    by_number = {migration.number: migration for migration in files}
    for number, (name, checksum) in sorted(applied.items()):
        migration = by_number.get(number)
        if migration is None:
            raise MigrationError(
                f"{name}: was applied to this warehouse, but there is no such file here: this program is older than the warehouse. "
                "Install the version that made it, or a newer one"
            )
        if migration.checksum != checksum:
            raise MigrationError(
                f"schemas/clickhouse/{migration.name}: has changed since it was applied (checksum {migration.checksum[:12]}, applied {checksum[:12]}). "
                f"Restore the file as it was (`git checkout` its released version), and put the change into a new file {len(files) + 1:04}_….sql"
            )


def _statements(text: str) -> tuple[str, ...]:
    """Statements end with `;` at the end of a line."""
    parts = (part.strip() for part in re.split(r";[ \t]*(?:\n|\Z)", text))
    return tuple(part for part in parts if re.sub(r"--[^\n]*", "", part).strip())


def main(arguments: list[str]) -> int:
    """Migrate the ClickHouse that the settings name."""
    from pipelines.settings import Settings  # noqa: PLC0415 - the settings are this program's alone
    from pipelines.warehouse.client import connect  # noqa: PLC0415 - the settings are this program's alone

    client = connect(Settings())
    try:
        missing = migrate(lambda sql: client.raw_query(sql).decode(), client.database or "taximeter", dry_run="--dry-run" in arguments)
    except MigrationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    verb = "would apply" if "--dry-run" in arguments else "applied"
    for migration in missing:
        print(f"{verb} {migration.name} ({len(migration.statements)} statements)")  # noqa: T201
    if not missing:
        print("up to date")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
