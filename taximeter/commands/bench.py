"""`taximeter bench`: the figures of the README, each with its reference measured in the same run."""

import json
from importlib import import_module
from typing import Any, Final

import click

BENCHES: Final = {
    "core": "Ratings and re-rates a second of the pricing core, beside naive Decimal arithmetic.",
    "meter": "Events a second through METER, beside a plain consume-decode-count loop.",
    "dedup": "Memory and disk of METER's store of ids, and what a batch costs it.",
    "rate": "Metered records a second through RATE.",
    "recovery": "RATE killed: how soon it has caught up, and how fast it rebuilds lost state.",
    "pipeline": "Events a second from the log to the warehouse.",
    "replay": "The past metered again while usage flows, killed on the way, cut over and back.",
    "query": "One customer's questions among ten million lines, in the warehouse.",
    "latency": "Event to threshold record, and edit to invoice.",
    "burst": "Twenty times the usage for a while: how long alerts take, and when they are as soon as before.",
    "soak": "An hour of steady usage: memory, latency, and every total at the end.",
    "console": "What people at open consoles wait for, and what they cost the pipeline; ingest over HTTP.",
    "holds": "How long the decision about a hold takes, beside a plain record that is acknowledged.",
}
EXAMPLE = """\b
Examples:
  taximeter bench meter
  taximeter bench latency --json
  taximeter bench core --option seconds=5
"""


@click.command("bench", short_help="Measure: core, meter, dedup, rate, pipeline, latency.", epilog=EXAMPLE)
@click.argument("name", type=click.Choice(list(BENCHES)))
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the bench, such as the size of its workload.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(name: str, options: tuple[str, ...], as_json: bool) -> None:
    """Run a fixed workload on this machine and print what was measured, beside a reference of the same run.

    \b
    core      ratings and re-rates a second of the pricing core
    meter     events a second through METER
    dedup     memory and disk of METER's store of ids, and what a batch costs it
    rate      metered records a second through RATE
    recovery  RATE killed: how soon it has caught up, how fast it rebuilds lost state
    pipeline  events a second from the log to the warehouse
    replay    the past metered again while usage flows, killed on the way, cut over and back
    query     one customer's questions among ten million lines
    latency   event to threshold record, and edit to invoice
    burst     twenty times the usage for a while, and when alerts are as soon as before
    soak      an hour of steady usage: memory, latency, and every total at the end
    console   people at open consoles while usage flows; ingest over HTTP
    holds     the decision about a hold, beside a plain record
    """
    given = dict(_option(each) for each in options)
    try:
        run = import_module(f"bench.{name}").run
    except ModuleNotFoundError as error:
        raise click.ClickException(f"bench {name} needs {error.name}, which is not installed") from error
    found: dict[str, Any] = run(**given)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    _show(found)


def _option(text: str) -> tuple[str, int | float | str]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise click.BadParameter(f"{text!r} is no option; write KEY=VALUE", param_hint="--option")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value


def _show(found: dict[str, Any]) -> None:
    from taximeter.commands.reading import console, number, table

    out = console()
    machine = found.get("machine", {})
    out.print(f"[bold]bench {found['bench']}[/] on {machine.get('cores')} cores, {machine.get('memory_gb')} GB, {machine.get('cpu')}")
    out.print("workload: " + ", ".join(f"{key} {value}" for key, value in found.get("workload", {}).items()), style="dim")
    shown = table("", [("figure", False), ("value", True), ("unit", False)])
    reference = found.get("reference")
    for figure in [*found.get("figures", []), *([reference | {"name": f"reference: {reference['name']}"}] if reference else [])]:
        value = figure["value"]
        shown.add_row(figure["name"], f"{value:,.2f}" if isinstance(value, float) else number(value), figure["unit"])
    out.print(shown)
    if found.get("ratio") is not None:
        out.print(f"ratio to the reference: [bold]{found['ratio']:.2f}[/]")
