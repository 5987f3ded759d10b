"""`taximeter rejects`: usage events that did not count, with reasons; mended or not, send them again."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taximeter.commands.reading import console, instant, settings_of, table, warehouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from pipelines.warehouse.reads import RejectedEvent
    from schemas.codec import Codec

LOOK_S = 0.25
OVERLAP_MS = 10_000
MOST_SHOWN = 1_000
COLUMNS = [("arrived", False), ("reason", False), ("transaction", False), ("customer", False), ("at", False), ("detail", False)]


@click.command("rejects", short_help="Usage events that did not count; send them again.")
@click.option("--customer", default="", help="Only of this customer.")
@click.option("--reason", default="", help="Only with this reason: truncated, too_old, not_a_number, conflict, …")
@click.option("--follow", is_flag=True, help="Go on with those that come, until interrupted.")
@click.option("--replay", is_flag=True, help="Send them to usage-events again, with the time at which they arrived first.")
@click.option("--mended", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With --replay: send the events of this file instead; its lines are those of --json.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; `event` is the event as far as it can be read.")
def command(customer: str, reason: str, follow: bool, replay: bool, mended: Path | None, as_json: bool) -> None:
    """Rejected usage events, oldest first; with --replay they are sent again.

    \b
    taximeter rejects --reason not_a_number --json > bad.jsonl     # mend `event` in the file, then
    taximeter rejects --replay --mended bad.jsonl
    taximeter rejects --replay --reason too_old                    # as they were, after the limit was moved
    """
    if mended is not None and not replay:
        raise click.UsageError("--mended belongs to --replay")
    from pipelines.local.addresses import kafka_of
    from pipelines.resending import resend
    from pipelines.warehouse import reads
    from schemas.codec import Codec

    settings = settings_of()
    codec = Codec.at(settings.schema_registry)
    with warehouse() as client:
        if follow:
            for event in _following(client, customer, reason):
                click.echo(_json(event, codec) if as_json else "  ".join(_cells(event)))
            return
        found = reads.rejected_events(client, customer=customer, reason=reason, limit=reads.ALL if replay or as_json else MOST_SHOWN)
    if replay:
        events = _mended(mended) if mended else {}
        chosen = [each for each in found if each.topic == "usage-events" and (mended is None or (each.partition, each.offset) in events)]
        sent = resend(kafka_of(settings), codec, chosen, events)
        click.echo(f"sent {sent} events to usage-events again")
    elif as_json:
        for event in found:
            click.echo(_json(event, codec))
    else:
        shown = table("", COLUMNS)
        for event in found:
            shown.add_row(*_cells(event))
        console().print(shown if found else "no event was rejected")


def _following(client: "Client", customer: str, reason: str) -> Iterator["RejectedEvent"]:
    from pipelines.warehouse import reads

    seen: set[tuple[str, int, int]] = set()
    since_ms = 0
    while True:
        now_ms = int(str(client.command("SELECT toUnixTimestamp64Milli(now64(3))")))
        for event in reads.rejected_events(client, customer=customer, reason=reason, written_from_ms=since_ms):
            place = (event.topic, event.partition, event.offset)
            if place not in seen:
                seen.add(place)
                yield event
        since_ms = now_ms - OVERLAP_MS
        time.sleep(LOOK_S)


def _mended(file: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """Events by the place of the reject that they mend."""
    events = {}
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            events[int(line["partition"]), int(line["offset"])] = dict(line["event"])
        except (ValueError, KeyError, TypeError) as error:
            raise click.ClickException(
                f'{file}:{number}: a line is an object with "partition", "offset" and "event", as `taximeter rejects --json` prints it ({error!r})'
            ) from error
    return events


def _cells(event: "RejectedEvent") -> list[str]:
    place = f"{event.topic}[{event.partition}]@{event.offset}"
    return [instant(event.recorded_ms), event.reason, event.transaction_id or "", event.customer or "", place, event.detail]


def _json(event: "RejectedEvent", codec: "Codec") -> str:
    from pipelines.resending import event_of

    shape = {
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "recorded_at": instant(event.recorded_ms),
        "reason": event.reason,
        "detail": event.detail,
        "transaction_id": event.transaction_id,
        "customer": event.customer,
        "event": event_of(codec, event),
        "value_hex": None if event.value is None else event.value.hex(),
    }
    return json.dumps(shape, ensure_ascii=False)
