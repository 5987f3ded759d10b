"""`taximeter clock`: show or move a test clock."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from taximeter.deployment import Deployment

EXAMPLE = """\b
Examples:
  taximeter clock                                   # all clocks
  taximeter clock sandbox
  taximeter clock sandbox --to 2025-11-02T00:00:00Z
"""
PATIENCE_S = 60.0


@click.command("clock", short_help="Show or move a test clock.", epilog=EXAMPLE)
@click.argument("name", required=False)
@click.option("--to", "target", metavar="T", help="Move it there: RFC 3339, or a date at midnight UTC. It never goes back.")
@click.option("--wait", is_flag=True, help="With --to: return when the warehouse shows everything that follows from it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, target: str | None, wait: bool, as_json: bool) -> None:
    """Where the clock NAME stands. A contract with `clock: NAME` lives in that clock's time; `wall` is real time and moves by itself.

    Moving a clock makes due what lies between: invoices become final, grants start and expire, thresholds are looked at.
    """
    from contracts.timeline import iso
    from taximeter.deployment import running

    if target is not None and name is None:
        raise click.UsageError("--to needs the NAME of a test clock")
    stack = running()
    known = _known(stack, name) if target is None or name is None else {name: _move(stack, name, target, wait=wait)}
    if as_json:
        click.echo(json.dumps({clock: iso(now_ms) for clock, now_ms in sorted(known.items())}))
        return
    for clock, now_ms in sorted(known.items()):
        click.echo(f"{clock}: {iso(now_ms)}")


def _known(stack: "Deployment", name: str | None) -> dict[str, int]:
    from pipelines.clock import standings

    ticks = standings(stack.kafka, stack.codec)
    if name is None:
        return ticks
    if name not in ticks:
        raise click.ClickException(
            f"clock {name!r} has not ticked within the last day (known: {', '.join(sorted(ticks)) or 'none'}); `taximeter clock {name} --to T` moves it"
        )
    return {name: ticks[name]}


def _move(stack: "Deployment", name: str, target: str, *, wait: bool) -> int:
    from confluent_kafka import Producer

    from contracts.timeline import iso
    from pipelines.clock import WALL, ClockError, move, standings
    from pipelines.progress import Progress
    from pipelines.reach import reach
    from pipelines.topology import CLOCK
    from taximeter.commands.reading import instant_ms

    to_ms = instant_ms(target)
    now_ms = standings(stack.kafka, stack.codec).get(name)
    if name != WALL and now_ms is not None and to_ms < now_ms:
        raise click.UsageError(f"clock {name} stands at {iso(now_ms)} and never goes back; give a later time, or make contracts with another clock")
    producer = Producer(reach(stack.kafka))
    partitions = len(producer.list_topics(CLOCK.name, timeout=30).topics[CLOCK.name].partitions)
    # What was rated a moment ago may not be in the warehouse yet, and the tick may add nothing to it.
    progress = Progress(stack.kafka, before=True) if wait else None
    try:
        behind = move(producer, stack.codec, name, to_ms, partitions)
        if progress is not None:
            progress.sent(CLOCK.name, behind)
            progress.shown(PATIENCE_S)
    except ClockError as error:
        raise click.UsageError(str(error)) from error
    finally:
        if progress is not None:
            progress.close()
    return to_ms
