"""`taximeter export`: views of the warehouse as Parquet files."""

import json
from pathlib import Path
from typing import Final

import click

EXAMPLE = """\b
Examples:
  taximeter export october --period 2025-10
  taximeter export autumn --period 2025-09-15/2025-12-01
  taximeter export acme --period 2025 --customer acme --view invoices --view invoice_lines
"""
VIEWS: Final = {
    "invoices": "starting_at",
    "invoice_lines": "starting_at",
    "balances": None,
    "alerts": "at",
    "rejected_events": "recorded_at",
    "usage_events": "timestamp",
    "usage_hourly": "hour",
    "documents": "recorded_at",
}
"""Each view, and the time that says which period a row belongs to; balances are as they are now."""


@click.command("export", short_help="Views of the warehouse as Parquet files.", epilog=EXAMPLE)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--period", help="A month (2025-10), a year (2025), a day (2025-10-15) or a start and an end (2025-10-15/2025-11-01), UTC. Left out: everything.")
@click.option("--customer", help="Only this one.")
@click.option("--view", "names", multiple=True, type=click.Choice(list(VIEWS)), help="Only these. Left out: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, period: str | None, customer: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """Write FOLDER/VIEW.parquet for each view: the rows that hold, of a period and of a customer.

    Amounts are decimals in the files, times are UTC. A file appears when it is whole, in place of a former one. Memory does not grow with the rows.
    """
    from taximeter.commands.reading import period_ms, warehouse

    bounds = period_ms(period) if period else None
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    with warehouse() as client:
        for name in names or VIEWS:
            where, parameters = _where(VIEWS[name], bounds, customer)
            target = folder / f"{name}.parquet"
            draft = folder / f".{name}.parquet.part"
            with draft.open("wb") as file, client.raw_stream(f"SELECT * FROM {name}{where}", parameters=parameters, fmt="Parquet") as stream:
                for chunk in iter(lambda stream=stream: stream.read(1_000_000), b""):  # type: ignore[misc]
                    file.write(chunk)
            draft.replace(target)
            told.append({"view": name, "file": str(target), "rows": _rows(target), "bytes": target.stat().st_size})
    if as_json:
        click.echo(json.dumps(told))
        return
    for each in told:
        click.echo(f"{each['file']}: {each['rows']:,} rows, {each['bytes']:,} bytes")


def _where(column: str | None, bounds: tuple[int, int] | None, customer: str | None) -> tuple[str, dict[str, object]]:
    conditions, parameters = [], dict[str, object]()
    if bounds is not None and column is not None:
        conditions.append(f"{column} >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC') AND {column} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')")
        parameters |= {"start": bounds[0], "end": bounds[1]}
    if customer is not None:
        conditions.append("customer = {customer:String}")
        parameters["customer"] = customer
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    count: int = pq.read_metadata(path).num_rows
    return count
