"""`taximeter sql`: query the warehouse."""

import json
import sys

import click

from taximeter.commands.reading import cell, console, settings_of, table, warehouse


@click.command("sql", short_help="Query the warehouse.")
@click.argument("statement")
@click.option("--json", "as_json", is_flag=True, help="One JSON list of objects; decimals are text, so nothing is lost.")
@click.option("--format", "format_name", metavar="NAME", help="Any output format of ClickHouse: CSVWithNames, Parquet, Vertical, …")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A value for {NAME:Type} in the statement.")
@click.option("--write", is_flag=True, help="Ask as the owner of the tables and not as the analyst who only reads.")
def command(statement: str, as_json: bool, format_name: str | None, given: tuple[str, ...], write: bool) -> None:
    """Query the warehouse. STATEMENT is ClickHouse SQL; `-` reads it from standard input.

    \b
    taximeter sql "SELECT product, sum(amount) FROM invoice_lines WHERE customer = 'acme' GROUP BY product"
    taximeter sql "SELECT * FROM usage_hourly" --format CSVWithNames > usage.csv
    taximeter sql - --set customer=acme --set month=2025-10-01 < docs/queries/invoice.sql
    """
    if statement == "-":
        statement = sys.stdin.read()
    statement = statement.strip().removesuffix(";")
    parameters = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--set")
        parameters[name] = value
    settings = settings_of()
    embedded = _is_embedded(settings.clickhouse)
    user, password = ("analyst", settings.analyst_password) if embedded and not write else (None, "")
    with warehouse(user=user, password=password) as client:
        if format_name is not None:
            sys.stdout.buffer.write(client.raw_query(statement, parameters, fmt=format_name))
            return
        if as_json:
            exact = {} if user else {"output_format_json_quote_decimals": 1, "output_format_json_quote_64bit_integers": 0}
            rows = client.raw_query(statement, parameters, fmt="JSONEachRow", settings=exact)
            click.echo(json.dumps([json.loads(line) for line in rows.splitlines()], ensure_ascii=False))
            return
        answer = client.query(statement, parameters)
    numeric = [kind.name.removeprefix("Nullable(").startswith(("Int", "UInt", "Decimal", "Float")) for kind in answer.column_types]
    shown = table("", list(zip(answer.column_names, numeric, strict=True)))
    for row in answer.result_rows:
        shown.add_row(*(cell(value) for value in row))
    out = console()
    out.print(shown)
    out.print(f"{len(answer.result_rows):,} rows", style="dim")


def _is_embedded(url: str | None) -> bool:
    """Whether it is the warehouse of the stack: only that one has an analyst for sure."""
    from pipelines.settings import Settings

    return Settings().clickhouse is None and url is not None
