"""`taximeter restore`: a stack from a backup."""

import json
import time
from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  taximeter restore /backups/monday --data /srv/taximeter && taximeter up --data /srv/taximeter
"""


@click.command("restore", short_help="A stack from a backup.", epilog=EXAMPLE)
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder for the stack: empty, or not there (TAXIMETER_DATA).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, data: Path | None, as_json: bool) -> None:
    """Put the backup FOLDER into the folder of a stack, and start it with `taximeter up` then.

    Every file is compared with what the backup says of it; the folder appears when all are right. Nothing is ever written over. The stack goes on from the moment of
    the backup: what was accepted after it is not in it, so have producers send that again; what the backup knows counts once.
    """
    from pipelines.local import backups
    from pipelines.settings import Settings
    from taximeter.progressing import Work

    target = (data or Settings().data).absolute()
    with Work(f"restoring {folder}", "bytes", quiet=as_json) as work:
        manifest = backups.restore(folder.absolute(), target, lambda done, whole: work.advance(done - work.count, done / max(1, whole)))
    if as_json:
        click.echo(json.dumps({"data": str(target), "files": len(manifest.files), "bytes": manifest.size, "made_at": manifest.made_at}))
        return
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.made_at))
    click.echo(f"{target}: {len(manifest.files):,} files as of {made}; `taximeter up` goes on from there")
