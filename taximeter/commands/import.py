# ruff: noqa: N999 - a command has the name of its module
"""`taximeter import`: contracts and prices from another system, and its invoices beside ours."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contracts.translation.comparing import Compared
    from taximeter.migration.systems import System

EXAMPLE = """\b
Examples:
  taximeter import metronome export/ --out migrated/
  taximeter import metronome export/ --out migrated/ --compare
  taximeter import stripe stripe/ --out migrated/ --usage events.jsonl --compare --json
  taximeter apply migrated/*.yaml migrated/contracts/*.yaml --dry-run
"""


@click.group("import", epilog=EXAMPLE)
def command() -> None:
    """Catalogue and contract documents from another system's API answers, saved as JSON files; and its invoices rated again and compared to the cent.

    What our documents cannot say is refused with file, object and field: the contracts that hang on it are not written, all others are. `--skip` leaves
    out an object or a field knowingly. Exit status: 0 all is there (and the same, with --compare), 1 invoices differ, 2 something was refused.
    """


def _common(function: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.argument("export", type=click.Path(exists=True, path_type=Path)),
        click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="A new or empty folder for the documents."),
        click.option("--compare", is_flag=True, help="Rate the contracts and compare with the invoices of the export."),
        click.option("--usage", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Usage events for --compare. Left out: the quantities on the invoices."),
        click.option("--skip", multiple=True, metavar="WHAT", help="Leave out an object (its id) or a field (its name), knowingly. Several times for several."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("metronome")
@_common
def metronome(export: Path, **options: Any) -> None:
    """Rate cards, products, metrics, customers, contracts and invoices of EXPORT: a folder (or a file) with answers of Metronome's API.

    \b
    taximeter import metronome export/ --out migrated/ --compare
    """
    from taximeter.migration.systems import metronome as system

    _import(system(), export, **options)


@command.command("stripe")
@click.option("--align", is_flag=True, help="Move begins and ends of subscriptions to the full hour they lie in.")
@_common
def stripe(export: Path, align: bool, **options: Any) -> None:
    """Prices, products, meters, and, where they are there, subscriptions, customers and invoices of EXPORT: a folder (or a file) with answers of Stripe's API.

    \b
    taximeter import stripe prices.json --out migrated/
    taximeter import stripe stripe/ --out migrated/ --align --compare
    """
    from taximeter.migration.systems import stripe as system

    _import(system(align=align), export, **options)


def _import(system: "System", export: Path, out: Path, compare: bool, usage: Path | None, skip: tuple[str, ...], as_json: bool) -> None:
    from contracts.errors import TaximeterError
    from taximeter.migration.files import read_export, read_usage, write_documents

    if usage is not None and not compare:
        raise click.UsageError("--usage is rated for a comparison; give --compare with it")
    rows: list[Compared] | None = None
    try:
        read = system.read(read_export(export, skip))
        files = write_documents(out, read.imported)
        if compare:
            rows = system.compare(read, None if usage is None else read_usage(usage))
    except TaximeterError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    from taximeter.migration import showing

    if as_json:
        click.echo(json.dumps(showing.imported_json(read.imported, str(out), rows), ensure_ascii=False))
    else:
        from taximeter.commands.reading import console

        screen = console()
        for each in showing.tables(read.imported.findings):
            screen.print(each)
        if rows is not None:
            screen.print(showing.compared_table(rows, read.names))
        screen.print(showing.summary(read.imported, len(files), str(out)))
    if read.imported.refused:
        sys.exit(2)
    if rows is not None and not all(each.same for each in rows):
        sys.exit(1)
