"""`taximeter whatif`: a past period under other documents."""

import json
import os
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.document_log import Documents
    from pipelines.replay.whatif import Branch, Revenue

MOST = 40
WIDTH = 30


@click.command("whatif", short_help="A past period rated under other documents: revenue by customer and product.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--period", required=True, metavar="2025-10", help="Invoices whose period starts in this month, year, day, or between two (2025-10-15/2025-11-01).")
@click.option("--customer", "customers", multiple=True, help="Only this customer. Several times for several.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a row for each customer and product to this Parquet file.")
@click.option("--jobs", type=click.IntRange(1), help="Processes that rate; left out: one for each core, four at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[Path, ...], period: str, customers: tuple[str, ...], out: Path | None, jobs: int | None, as_json: bool) -> None:
    """What a past period would have brought under the catalogues and contracts of FILES, as if they had held from the beginning.
    Nothing is published. Other definitions of metrics are counted from the raw events.

    \b
    taximeter whatif cheaper.yaml --period 2025-10
    taximeter whatif branch/*.yaml --period 2025 --out revenue.parquet
    """
    from pipelines.deployment import running
    from pipelines.document_log import DocumentLog
    from pipelines.replay.whatif import compared, to_parquet
    from pipelines.verifying.families import families
    from taximeter.commands.reading import period_ms, quiet

    quiet()
    stack = running()
    log = DocumentLog(stack.kafka, stack.codec)
    try:
        present = log.catch_up()
    finally:
        log.close()
    branch = _branch(files, stack.settings.window_minutes, present)
    mine = families(present, customers)
    tell = _tell if sys.stderr.isatty() and not as_json else lambda *_: None
    rows = list(compared(stack.settings, present, mine, branch, period_ms(period), jobs or min(4, os.cpu_count() or 1), tell))
    if out is not None:
        to_parquet(rows, str(out))
    if as_json:
        click.echo(json.dumps({"period": period, "customers": len(mine), "rows": [_json(row) for row in rows], "totals": _totals(rows)}, ensure_ascii=False))
    else:
        _show(rows, len(mine))
    if out is not None and not as_json:
        click.echo(f"{len(rows):,} rows are in {out}")


def _branch(files: tuple[Path, ...], window_minutes: int, present: "Documents") -> "Branch":
    from contracts.catalogue import Catalogue
    from contracts.contract import Contract
    from contracts.loading import Known
    from pipelines.documents import load_documents
    from pipelines.replay.whatif import Branch

    known = Known({name: each.catalogue for name, each in present.catalogues.items()}, {name: each.contract for name, each in present.contracts.items()})
    given = load_documents(*files, known=known, window_minutes=window_minutes)
    catalogues = {each.id: each for each in given if isinstance(each, Catalogue)}
    return Branch(catalogues, {each.id: each for each in given if isinstance(each, Contract)})


def _json(row: "Revenue") -> dict[str, str]:
    texts = {name: getattr(row, name) for name in ("customer", "contract", "product", "currency")}
    return texts | {"before": format(row.before, "f"), "after": format(row.after, "f"), "difference": format(row.after - row.before, "f")}


def _totals(rows: "list[Revenue]") -> dict[str, dict[str, str]]:
    """By currency."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        sums[row.currency][0] += row.before
        sums[row.currency][1] += row.after
    return {currency: {"before": format(one, "f"), "after": format(two, "f"), "difference": format(two - one, "f")} for currency, (one, two) in sums.items()}


def _show(rows: "list[Revenue]", customers: int) -> None:
    """Sums by product, then the customers that differ most, each with a bar."""
    from taximeter.commands.reading import console, table

    out = console()
    for title, name in (("by product", "product"), ("by customer", "customer")):
        sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for row in rows:
            pair = sums[getattr(row, name), row.currency]
            pair[0] += row.before
            pair[1] += row.after
        ranked = sorted(sums.items(), key=lambda each: (-abs(each[1][1] - each[1][0]), each[0]))
        most = max((abs(after - before) for _, (before, after) in ranked), default=Decimal(0)) or Decimal(1)
        made = table(title, [(name, False), ("before", True), ("after", True), ("difference", True), ("", False)])
        for (key, currency), (before, after) in ranked[:MOST]:
            gone = after - before
            bar = "█" * int(abs(gone) * WIDTH / most)
            made.add_row(key, f"{before:,f} {currency}", f"{after:,f}", f"{gone:+,f}", f"[{'green' if gone > 0 else 'red'}]{bar}[/]")
        out.print(made)
        if len(ranked) > MOST:
            out.print(f"and {len(ranked) - MOST:,} more; --out writes them all")
    for currency, total in _totals(rows).items():
        out.print(f"[bold]{customers:,} customers: {Decimal(total['before']):,f} → {Decimal(total['after']):,f} {currency} ({Decimal(total['difference']):+,f})[/]")


def _tell(done: int, of: int) -> None:
    click.echo(f"\r\033[Krating {done:,} of {of:,} families{'' if done < of else chr(10)}", err=True, nl=False)
