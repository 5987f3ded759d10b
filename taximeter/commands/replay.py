"""`taximeter replay`: meter the past again beside what is billed, look at the difference, change over and back."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.replay.control import Replays
    from pipelines.replay.coverage import Metered
    from pipelines.replay.generations import Generation
    from pipelines.replay.planning import Asked

EXAMPLE = """\b
Examples:
  taximeter replay plan --product model-a-tokens --from 2025-10-01
  taximeter replay run --product model-a-tokens --from 2025-10-01 --note "input tokens count once"
  taximeter replay diff
  taximeter replay cutover && taximeter replay close       # or: back, abort
"""
PATIENCE_S = 86_400.0


@click.group("replay", short_help="Meter the past again, compare, change over, and back.", epilog=EXAMPLE)
def command() -> None:
    """A generation: usage metered again from the raw events, beside what is billed, under the documents of now.

    Begin one with `run`, see what would change with `diff`, bill it with `cutover`. Final invoices stay as they are (void one first to have it
    made again), and thresholds that have fired do not fire again. `back` undoes a cutover as long as the generation is not closed.
    """


def _scoped(function: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--customer", "customers", multiple=True, help="Only this customer, with all ids of its family. Several times for several."),
        click.option("--product", "products", multiple=True, help="Only this product."),
        click.option("--from", "first", metavar="TIME", help="Only windows from this event time on."),
        click.option("--until", "last", metavar="TIME", help="Only windows before this event time."),
        click.option("--arrived-from", metavar="TIME", help="Only windows in which events have that arrived from then on."),
        click.option("--arrived-until", metavar="TIME", help="Only windows in which events have that arrived before then."),
        click.option("--offsets", multiple=True, metavar="P:FROM-TO", help="Only windows in which events have of this stretch of usage-events."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("plan")
@_scoped
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(as_json: bool, **asked: Any) -> None:
    """What a replay would touch: customers, events, windows, disk, and final invoices that stay; and how long it takes, by a sample that is metered here."""
    from pipelines.replay import planning, timing

    with controlled() as replays, replays.stack.warehouse() as client:
        present = replays.present()
        scope = planning.scope_of(client, present, _asked(asked), replays.window_ms)
        found = planning.planned(client, present, scope, replays.ends())
        pace = timing.timed(replays.stack.settings, replays.stack.codec, present, replays.partitions, scope)
    found["seconds_at_least"] = None if pace is None else round(pace.seconds_for(found["events"]["to_read"]), 1)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, products in found["products"].items():
        click.echo(f"products    {', '.join(products)} (catalogue {name})")
    ids = found["customers"]["ids"]
    click.echo(
        f"customers   {found['customers']['families']:,} with contracts, {found['customers']['with_usage']:,} ids with usage ({ids if ids == 'all' else ', '.join(ids[:10])})"
    )
    click.echo(f"events      {found['events']['in_scope']:,} in scope, {found['events']['to_read']:,} to read")
    click.echo(f"windows     {found['windows']:,} hours of usage; about {found['disk_bytes'] / 1e6:,.1f} MB of state while the generation is open")
    if pace is not None:
        click.echo(f"time        {found['seconds_at_least']:,.0f} s at the least, as a sample of {pace.events:,} events took here; live usage goes first")
    finals = found["final_invoices_that_stay"]
    click.echo(f"final       {len(finals):,} invoices stay as they are" + (f": {', '.join(each['invoice'] for each in finals[:3])} …" if finals else ""))


@command.command("run")
@_scoped
@click.option("--note", default="", help="Why; it is kept in the log.")
@click.option("--author", default="", help="Who.")
@click.option("--rate", type=click.IntRange(min=1), help="Meter so many events of the past a second at most. Without it as many as live usage leaves time for.")
@click.option("--detach", is_flag=True, help="Return at once; METER goes on by itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(note: str, author: str, rate: int | None, detach: bool, as_json: bool, **asked: Any) -> None:
    """Begin a generation, or go on waiting for the one that is open, until all of the past is metered for it.

    It goes on without this command, and after any crash: METER works on it between the batches of live usage.
    """
    from pipelines.replay import planning

    with controlled() as replays:
        present = replays.present()
        if present.generations.current is None:
            with replays.stack.warehouse() as client:
                scope = planning.scope_of(client, present, _asked(asked), replays.window_ms)
            replays.begin(scope, note=note, author=author, rate=rate or 0)
        elif rate or any(asked.values()):
            raise click.ClickException(
                f"generation {present.generations.current.number} is open: without options `replay run` waits for it; cut it over, or abort it"
            )
        generation = replays.current()
        started = time.monotonic()
        if not detach:
            replays.wait(generation, _Bar(generation).show, PATIENCE_S)
        found = _status(replays, generation)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif detach:
        click.echo(f"generation {generation.number} is begun; `taximeter replay status` tells how far it is")
    else:
        click.echo(f"generation {generation.number} is complete, after {time.monotonic() - started:.1f} s; `taximeter replay diff` shows what would change")


@command.command("status")
@click.option("--all", "every", is_flag=True, help="Every generation there ever was.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(every: bool, as_json: bool) -> None:
    """The generation that is open, and how far it is."""
    with controlled() as replays:
        known = replays.present().generations
        chosen = list(known.by_number.values()) if every else [each for each in (known.current,) if each is not None]
        found = [_status(replays, each) for each in sorted(chosen, key=lambda each: each.number) if each.state is not None]
    if as_json:
        click.echo(json.dumps({"generations": found}, ensure_ascii=False))
        return
    if not found:
        click.echo("no generation is open" + ("" if every else "; --all shows those that were"))
    for each in found:
        left = "" if each["missing"] is None else ", complete" if each["complete"] else f", {each['missing']:,} offsets left to read"
        note = f" ({each['note']})" if each["note"] else ""
        click.echo(f"generation {each['number']}: {each['state']}{left}{note}")
        for step in each["steps"]:
            click.echo(f"  {step['at']}  {step['step']}")


@command.command("diff")
@click.option("--customer", "customers", multiple=True, help="Only this customer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and customer, in the shape of `apply --dry-run`.")
def diff(customers: tuple[str, ...], as_json: bool) -> None:
    """What a cutover would change, line by line; after a cutover, what `back` would."""
    from pipelines.replay.diff import affected, differences
    from pipelines.verifying.families import families
    from taximeter.commands.reading import console
    from taximeter.preview import shown

    count = 0
    with controlled() as replays:
        generation = replays.current()
        replays.shown()
        mine = affected(families(replays.present(), customers), generation)
        with replays.stack.warehouse() as client:
            for found in differences(client, generation, mine, replays.stack.settings.window_minutes):
                count += 1
                if as_json:
                    click.echo(json.dumps(found, ensure_ascii=False))
                else:
                    for part in shown({**found, "as_of": {"wall": found["as_of"]}}):
                        console().print(part)
    click.echo(f"{count} of {len(mine)} customers would change", err=as_json)


def _step(what: str, done: str, text: str) -> click.Command:
    @click.option("--author", default="", help="Who.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def change(author: str, as_json: bool) -> None:
        with controlled() as replays:
            generation = replays.current()
            replays.step(what, author, generation.number)
            took = replays.took_s
        if as_json:
            click.echo(json.dumps({"number": generation.number, "step": what, "seconds": round(took, 3)}))
        else:
            click.echo(f"generation {generation.number} {done}: the warehouse shows it, {took:.1f} s after it was told")

    change.__doc__ = text
    return click.command(what)(change)


for _each in (
    _step("cutover", "is billed", "Bill the open generation. On the log it is one transaction over all partitions."),
    _step("back", "is taken back", "Undo the cutover: what was billed before is billed again, with all usage that has come since."),
    _step("close", "is closed", "Keep what is billed for good, and forget what it has replaced."),
    _step("abort", "is aborted", "Forget the open generation; nothing that is billed changes."),
):
    command.add_command(_each)


@contextmanager
def controlled() -> "Iterator[Replays]":
    """The control of generations on the running stack."""
    from pipelines.deployment import running
    from pipelines.replay.control import Replays
    from taximeter.commands.reading import quiet

    quiet()
    made = Replays(running())
    try:
        yield made
    finally:
        made.close()


def _asked(options: dict[str, Any]) -> "Asked":
    from pipelines.replay.planning import Asked
    from taximeter.commands.reading import instant_ms

    first, last, arrived, behind = (
        instant_ms(text) if text else None for text in (options["first"], options["last"], options["arrived_from"], options["arrived_until"])
    )
    return Asked(options["customers"], options["products"], first, last, arrived, behind, [_stretch(text) for text in options["offsets"]])


def _stretch(text: str) -> tuple[int, int, int]:
    from pipelines.replay.telling import stretch_of

    try:
        return stretch_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _status(replays: "Replays", generation: "Generation") -> dict[str, Any]:
    from pipelines.replay.telling import told

    return told(generation, replays.progress(generation) if generation.metered else None)


class _Bar:
    """Progress on a terminal; elsewhere a line now and then."""

    def __init__(self, generation: "Generation") -> None:
        self._generation = generation
        self._most = 0
        self._started = time.monotonic()
        self._told = 0.0

    def show(self, found: "Metered") -> None:
        self._most = max(self._most, found.missing)
        now = time.monotonic()
        if not self._most or (now - self._told < (0.2 if sys.stderr.isatty() else 5.0) and found.missing):
            return
        self._told = now
        done = self._most - found.missing
        rate = done / max(now - self._started, 0.001)
        left = f", {found.missing / rate:.0f} s left" if rate and found.missing else ""
        text = f"generation {self._generation.number}: {done:,} of {self._most:,} offsets, {rate:,.0f}/s{left}"
        click.echo(f"\r\033[K{text}" if sys.stderr.isatty() else text, err=True, nl=not sys.stderr.isatty() or not found.missing)
