"""`taximeter demo`: the October story on a stack of its own, from nothing."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taximeter.demo.run import Teller

EXAMPLE = """\b
Examples:
  taximeter demo
  taximeter demo --step                    # wait for Enter before each scene
  taximeter demo --stay                    # leave the stack up and look around
  taximeter demo --json --picture demo.svg
"""


@click.command("demo", short_help="The October story on the real pipeline, from nothing.", epilog=EXAMPLE)
@click.option("--json", "as_json", is_flag=True, help="Print what was read and measured as one JSON object; the story goes to standard error.")
@click.option("--stay", is_flag=True, help="Leave the stack up and say where to look.")
@click.option("--step", is_flag=True, help="Wait for Enter before each scene.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write what was shown as an SVG picture.")
def command(as_json: bool, stay: bool, step: bool, picture: Path | None) -> None:
    """Start the whole stack on a temporary folder and play a month of one customer on it.

    A catalogue and a contract are published, more than 200,000 usage events flow through Kafka, the bill grows in ClickHouse, the contract
    is edited, and the bill follows. What is shown was read from the warehouse or measured in this run; a figure that is not what the story must have ends it with status 1.
    """
    import signal

    from contracts.errors import TaximeterError
    from taximeter.demo.run import run

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is stopped in order
    try:
        figures = run(lambda names: _teller(names, as_json=as_json), _pause if step else lambda: None, stay=stay, picture=picture)
    except TaximeterError as error:
        click.echo(f"the demo failed: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(figures._asdict()))


def _teller(names: "Mapping[str, str]", *, as_json: bool) -> "Teller":
    """Pictures on a terminal, lines elsewhere; with --json standard output is the figures' alone."""
    from rich.console import Console

    from taximeter.demo.tellers import Log, Terminal

    console = Console(stderr=as_json, highlight=False)
    if console.is_terminal:
        return Terminal(console, names)
    return Log(lambda line: click.echo(line, err=as_json), names)


def _pause() -> None:
    click.pause("\n   press any key for the next scene", err=True)
