"""`taximeter rate`: the result of a case, offline."""

import json
import sys
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
    from contracts.errors import DocumentError, TaximeterError
    from contracts.offline import rate
    from contracts.rendering import result_json
    from pipelines.documents import load_case

    found = []
    for path in cases:
        try:
            case = load_case(path)
            results = rate(case)
        except DocumentError:
            raise
        except TaximeterError as error:
            raise DocumentError([f"{path}: {error}"]) from error
        if as_json:
            shown = [result_json(result) for result in results]
            found.append({"readings": shown} if case.readings else shown[0])
        else:
            from taximeter.commands.results import show

            show(case, results, zero=zero)
    if as_json:
        json.dump(found if len(cases) > 1 else found[0], sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
