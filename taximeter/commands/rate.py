"""`taximeter rate`: the result of a case, offline."""

from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  taximeter rate tests/cases/files/october-demo-edit.yaml
  taximeter rate tests/cases/files/*.yaml --json
"""


@click.command("rate", short_help="The result of a case, offline.", epilog=EXAMPLE)
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASE…")
@click.option("--zero", is_flag=True, help="Show invoices and lines that come to zero too.")
@click.option("--json", "as_json", is_flag=True, help="The shape of docs/documents; of several cases a list.")
def command(cases: tuple[Path, ...], zero: bool, as_json: bool) -> None:
    """Rate the documents and the usage of CASE and print the result. Nothing runs for it and nothing is published.

    A case that is refused ends with status 2 and says why.
    """
    from taximeter.commands.results import load, rated, write

    write([(case, rated(case)) for case in load(cases)], zero=zero, as_json=as_json)
