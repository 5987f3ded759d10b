"""`taximeter backup`: copy everything that a stack has."""

import json
from pathlib import Path
from typing import Any

import click

EXAMPLE = """\b
Examples:
  taximeter backup /backups/monday
  taximeter backup /backups/tuesday --since /backups/monday     # equal files are linked
"""


@click.command("backup", short_help="Copy everything that a stack has.", epilog=EXAMPLE)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the stack (TAXIMETER_DATA).")
@click.option("--since", type=click.Path(file_okay=False, exists=True, path_type=Path), help="A former backup.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, data: Path | None, since: Path | None, as_json: bool) -> None:
    """Copy the folder of the embedded stack to FOLDER: topics, documents, state and warehouse, as of one moment.

    A stack that runs is stopped in order, copied, and started again, whatever happens on the way. Producers keep their events meanwhile. A stack on servers
    that run elsewhere is backed up there: see docs/how-to/back-up.md.
    """
    from pipelines.local import backups, running
    from pipelines.settings import Settings
    from taximeter.progressing import Work

    settings = Settings(data=data.absolute()) if data else Settings()
    if settings.kafka is not None:
        raise click.UsageError("backup copies an embedded stack, and TAXIMETER_KAFKA names a Kafka that runs elsewhere: back that up with its own means")
    book = running.found(settings.data)
    if book is not None:
        running.ended(settings.data, lambda text: click.echo(text, err=True))
    try:
        with Work(f"backing up {settings.data}", "bytes", quiet=as_json) as work:
            manifest = backups.make(
                settings.data, folder.absolute(), since.absolute() if since else None, lambda done, whole: work.advance(done - work.count, done / max(1, whole))
            )
    finally:
        if book is not None:
            running.detached(settings.model_copy(update={"workers": _workers(book)}))
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "files": len(manifest.files), "bytes": manifest.size, "restarted": book is not None}))
        return
    again = "; the stack runs again" if book is not None else ""
    click.echo(f"{folder}: {len(manifest.files):,} files, {manifest.size:,} bytes{again}")


def _workers(book: dict[str, Any]) -> int:
    return max(1, len([row for row in book["stages"] if str(row["name"]).startswith("meter-")]))
