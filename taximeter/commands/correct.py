"""`taximeter correct`: events that were wrong."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taximeter.commands.replay import controlled

if TYPE_CHECKING:
    from contracts.case import UsageEvent
    from pipelines.replay.control import Replays
    from pipelines.replay.corrections import Correction
    from pipelines.replay.generations import Generation

EXAMPLE = """\b
Examples:
  taximeter correct remove t-1 t-2 --note "sent by the load test"
  taximeter correct amend t-3 --property tokens=120 --dry-run
  taximeter correct replace hour.jsonl --customer acme --from 2025-10-03T14:00:00Z --until 2025-10-03T15:00:00Z
  taximeter correct list && taximeter correct undo 4
"""


@click.group("correct", short_help="Amend, remove or replace events that were wrong; undo it.", epilog=EXAMPLE)
def command() -> None:
    """Usage that was wrong: another body for an event, no event, or other events for a range of time.

    The windows that are touched are metered again and billed at one moment, on all partitions or none. The log keeps what was, what is, who and
    why. Final invoices stay as they are.
    """


def _common(function: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--note", default="", help="Why; it is kept in the log."),
        click.option("--author", default="", help="Who."),
        click.option("--dry-run", is_flag=True, help="Only show the invoices that would change."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("remove")
@click.argument("transaction", nargs=-1, required=True)
@_common
def remove(transaction: tuple[str, ...], note: str, author: str, dry_run: bool, as_json: bool) -> None:
    """Events that should not count, by transaction id."""
    from pipelines.replay.corrections import Correction, events_named

    with controlled() as replays:
        with replays.stack.warehouse() as client:
            before = events_named(client, transaction)
        _apply(replays, Correction(before, (), note, author), dry_run, as_json)


@command.command("amend")
@click.argument("transaction")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="Another value for a property; NAME= removes it.")
@click.option("--customer", help="Another customer.")
@click.option("--timestamp", metavar="TIME", help="Another event time.")
@_common
def amend(transaction: str, properties: tuple[str, ...], customer: str | None, timestamp: str | None, note: str, author: str, dry_run: bool, as_json: bool) -> None:
    """Another body for the event with this transaction id; what is not named stays."""
    from pipelines.corrected import original_id
    from pipelines.replay.corrections import Correction, events_named
    from taximeter.commands.reading import instant_ms

    changed = dict(text.partition("=")[::2] for text in properties)
    if not (changed or customer or timestamp):
        raise click.UsageError("say what is to be another: --property, --customer or --timestamp")
    with controlled() as replays:
        with replays.stack.warehouse() as client:
            before = events_named(client, [transaction])
        after = []
        for each in before:
            body = {name: value for name, value in (each.properties | changed).items() if value or name not in changed}
            at_ms = instant_ms(timestamp) if timestamp else each.timestamp_ms
            after.append(each._replace(transaction_id=original_id(each.transaction_id), customer=customer or each.customer, timestamp_ms=at_ms, properties=body))
        _apply(replays, Correction(before, after, note, author), dry_run, as_json)


@command.command("replace")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--customer", "customers", multiple=True, required=True, help="Id under which the usage arrived. Several times for several.")
@click.option("--from", "first", required=True, metavar="TIME", help="Event times from then on.")
@click.option("--until", "last", required=True, metavar="TIME", help="Event times before then.")
@click.option("--event-type", "types", multiple=True, help="Only events of this type.")
@_common
def replace(
    file: Path, customers: tuple[str, ...], first: str, last: str, types: tuple[str, ...], note: str, author: str, dry_run: bool, as_json: bool
) -> None:
    """The events of FILE (as for `send`) instead of all that count in a range of time. They become billed together, at one moment."""
    from pipelines.replay.corrections import Correction, events_between
    from taximeter.commands.reading import instant_ms

    from_ms, until_ms = instant_ms(first), instant_ms(last)
    after = _read(file, set(customers), from_ms, until_ms, types)
    with controlled() as replays:
        with replays.stack.warehouse() as client:
            before = events_between(client, customers, from_ms, until_ms, types)
        _apply(replays, Correction(before, after, note or f"replaces {len(before)} events by those of {file.name}", author), dry_run, as_json)


@command.command("undo")
@click.argument("number", type=int)
@_common
def undo(number: int, note: str, author: str, dry_run: bool, as_json: bool) -> None:
    """Take the correction with this number back."""
    from pipelines.replay import corrections

    with controlled() as replays:
        _finish(replays, corrections.undo(replays, number, note, author), author, dry_run, as_json)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def listing(as_json: bool) -> None:
    """Every correction, with what it left out and brought."""
    from pipelines.replay.corrections import listed
    from taximeter.commands.reading import warehouse

    with warehouse() as client:
        found = listed(client)
    if as_json:
        click.echo(json.dumps({"corrections": found}, ensure_ascii=False))
        return
    for each in found:
        state = "in force" if each["in_force"] else f"undone by {each['undone_by']}" if each["undone_by"] else each["state"]
        click.echo(f"{each['number']}  {each['at']}  {state}  {each['author']}  {each['note']}")
        for sign, side in (("-", "left_out"), ("+", "brought")):
            for event in each[side]:
                click.echo(f"  {sign} {event['transaction_id']}  {event['customer']}  {event['timestamp']}  {json.dumps(event['properties'], ensure_ascii=False)}")


def _apply(replays: "Replays", correction: "Correction", dry_run: bool, as_json: bool) -> None:
    from pipelines.replay import corrections

    _finish(replays, corrections.begin(replays, correction), correction.author, dry_run, as_json)


def _finish(replays: "Replays", generation: "Generation", author: str, dry_run: bool, as_json: bool) -> None:
    """Show what changes, then bill it or forget it."""
    from pipelines.replay import corrections
    from pipelines.replay.diff import affected, differences
    from pipelines.verifying.families import families
    from taximeter.commands.reading import console
    from taximeter.preview import shown

    with replays.stack.warehouse() as client:
        mine = affected(families(replays.present()), generation)
        changes = list(differences(client, generation, mine, replays.stack.settings.window_minutes))
    if dry_run:
        replays.step("abort", author, generation.number)
    else:
        corrections.apply(replays, author)
    if as_json:
        click.echo(json.dumps({"number": generation.number, "applied": not dry_run, "changes": changes}, ensure_ascii=False))
        return
    for found in changes:
        for part in shown({**found, "as_of": {"wall": found["as_of"]}}):
            console().print(part)
    if not changes:
        click.echo("no invoice changes")
    click.echo("nothing was changed" if dry_run else f"correction {generation.number} is billed")


def _read(file: Path, customers: set[str], from_ms: int, until_ms: int, types: Sequence[str]) -> "list[UsageEvent]":
    from contracts.case import UsageEvent
    from pipelines.ingest.files import BadLine, FileError, events, format_of

    found: list[UsageEvent] = []
    try:
        with file.open("rb") as stream:
            for place, each in enumerate(events(stream, format_of(file.name)), start=1):
                if isinstance(each, BadLine):
                    raise click.ClickException(f"{file}:{each.place}: {each.problem}; nothing was done")
                inside = from_ms <= each.timestamp_ms < until_ms and each.customer in customers and (not types or each.event_type in types)
                if not inside:
                    raise click.ClickException(f"{file}:{place}: event {each.transaction_id!r} is not of the range that is replaced; nothing was done")
                recorded_ms = each.recorded_ms if each.recorded_ms is not None else each.timestamp_ms
                found.append(UsageEvent(each.transaction_id, each.customer, each.event_type, each.timestamp_ms, recorded_ms, dict(each.properties)))
    except FileError as error:
        raise click.UsageError(str(error)) from error
    return found


__all__: list[Any] = ["command"]
