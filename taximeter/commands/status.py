"""`taximeter status`: where the stack is and how its stages do."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

EXAMPLE = """\b
Examples:
  taximeter status
  taximeter status --json
"""
SILENT_S = 15.0
"""The supervisor writes every second; after so long without, what it last wrote is no news."""
COLUMNS = [("stage", False), ("pid", True), ("state", False), ("lag", True), ("last commit", True), ("restarts", True)]


@click.command("status", short_help="Where the stack is and how its stages do.", epilog=EXAMPLE)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the stack (TAXIMETER_DATA).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(data: Path | None, as_json: bool) -> None:
    """Addresses, and for each process whether it comes through: records that wait, and how long ago it committed last.

    States: starting, running, waiting (for a server that does not answer), learning or recovering (its state), stuck (has work and commits nothing), down. Exit 1 when nothing runs.
    """
    from pipelines.local import addresses
    from pipelines.settings import Settings

    folder = data.absolute() if data else Settings().data
    book = addresses.read(folder)
    if as_json:
        click.echo(json.dumps(shape(book)))
    elif book is None:
        click.echo(f"no stack is running on {folder}: start one with `taximeter up`")
    else:
        _print(book)
    sys.exit(0 if book else 1)


def shape(book: dict[str, Any] | None) -> dict[str, Any]:
    """The public shape: {"kafka", "clickhouse", "console", "stages": [{"name", "pid", "state", "lag", "last_commit_age_s"}]}."""
    from pipelines.local.addresses import without_password

    if book is None:
        return {"kafka": None, "clickhouse": None, "console": None, "stages": []}
    silent = time.time() - book["updated_at"] > SILENT_S
    stages = [
        {
            "name": row["name"],
            "pid": row["pid"],
            "state": "unknown" if silent else row["state"],
            "lag": row["lag"],
            "last_commit_age_s": row["last_commit_age_s"],
        }
        for row in book["stages"]
    ]
    clickhouse = book["clickhouse"] and without_password(book["clickhouse"])
    return {"kafka": book["kafka"], "clickhouse": clickhouse, "console": book["console"], "stages": stages}


def _print(book: dict[str, Any]) -> None:
    from taximeter.commands.reading import console, table

    told = shape(book)
    for name in ("kafka", "clickhouse", "console"):
        if told[name]:
            click.echo(f"{name:<11} {told[name]}")
    shown = table("", COLUMNS)
    notes = []
    for row, public in zip(book["stages"], told["stages"], strict=True):
        age = row["last_commit_age_s"]
        cells = [row["name"], row["pid"], public["state"], row["lag"], None if age is None else f"{age:.0f} s ago", row["restarts"] or None]
        shown.add_row(*["" if cell is None else str(cell) for cell in cells])
        if row["waiting_for"]:
            notes.append(f"{row['name']} waits: {row['waiting_for']}")
        if row["error"]:
            notes.append(f"{row['name']} was started again: {row['error']}")
    console().print(shown)
    for note in notes:
        click.echo(note)
