"""`taximeter explain`: how a line came about."""

import json

import click

EXAMPLE = """\b
Examples:
  taximeter invoice acme --period 2025-10 --json      # shows the ids of lines
  taximeter explain 73001cedeb7a22ff0b765c16
  taximeter explain 73001cedeb7a22ff0b765c16 --events 1000 --json
"""


@click.command("explain", short_help="How a line came about.", epilog=EXAMPLE)
@click.argument("line")
@click.option("--events", default=20, show_default=True, type=click.IntRange(0, 1_000_000), help="Show so many of the events behind it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(line: str, events: int, as_json: bool) -> None:
    """The derivation of LINE, by its id: metering windows and running quantity, the version of the rate, winning and losing overrides,
    tier arithmetic and rounding, draws of commits and credits, and the ids of the usage events behind it.
    """
    from pipelines.explaining import explained
    from taximeter.commands.reading import console, instant, table, warehouse

    with warehouse() as client:
        found = explained(client, line, events=events)
    if as_json:
        click.echo(json.dumps(found.json(), ensure_ascii=False))
        return
    click.echo(found.explanation.text())
    if found.events:
        more = f" (of {found.event_count:,})" if found.event_count > len(found.events) else ""
        shown = table(f"{len(found.events):,} events{more}", [("transaction", False), ("customer", False), ("at", False), ("properties", False)])
        for each in found.events:
            properties = ", ".join(f"{key}={value}" for key, value in sorted(each.properties.items()))
            shown.add_row(each.transaction_id, each.customer, instant(each.timestamp_ms), properties)
        console().print(shown)
