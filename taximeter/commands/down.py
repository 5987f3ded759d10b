"""`taximeter down`: stop the stack in order."""

from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  taximeter down
  taximeter down --data ./sandbox
"""


@click.command("down", short_help="Stop the stack, in order.", epilog=EXAMPLE)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the stack (TAXIMETER_DATA).")
def command(data: Path | None) -> None:
    """Each stage finishes what it has at hand, METER first and Kafka last. All data stays; `taximeter up` goes on from it."""
    from pipelines.local import running
    from pipelines.settings import Settings

    folder = data.absolute() if data else Settings().data
    stopped = running.ended(folder, click.echo)
    click.echo(f"the stack on {folder} has stopped; its data stays" if stopped else f"no stack is running on {folder}")
