"""`taximeter play`: a case through the running pipeline."""

from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  taximeter up --detach
  taximeter play tests/cases/files/october-demo-edit.yaml
  taximeter play tests/cases/files/*.yaml --json
"""


@click.command("play", short_help="The same case through the running pipeline.", epilog=EXAMPLE)
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASE…")
@click.option("--zero", is_flag=True, help="Show invoices and lines that come to zero too.")
@click.option("--json", "as_json", is_flag=True, help="The shape of docs/documents; of several cases a list.")
def command(cases: tuple[Path, ...], zero: bool, as_json: bool) -> None:
    """Send the documents and the usage of CASE through the running pipeline and print what the warehouse shows then.

    They go under fresh names and a fresh test clock, so a case can be played again, beside others, and in a stack that is in use. The
    result, digest included, is that of `taximeter rate`. A case that is refused ends with status 2, and nothing of it is published.
    """
    from taximeter.commands.results import load, write
    from taximeter.deployment import running
    from taximeter.play.player import Player

    read = load(cases)
    player = Player(running())
    try:
        write([(case, player.play(case)) for case in read], zero=zero, as_json=as_json)
    finally:
        player.close()
