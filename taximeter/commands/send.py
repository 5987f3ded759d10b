"""`taximeter send`: publish usage events from a file."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from pipelines.ingest.files import Format

EXAMPLE = """\b
Examples:
  taximeter send usage.jsonl
  taximeter send october.parquet --rate 5000
  my-exporter | taximeter send - --format csv
"""
MOST_TOLD: Final = 20
"""Complaints that are written out; the others are counted."""
PACE: Final = 200
"""Events between two looks at the clock when the rate is limited, at most."""


class Sent(NamedTuple):
    events: int
    bad: list[tuple[int, str]]
    seconds: float


@click.command("send", short_help="Publish usage events from a file.", epilog=EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At most N events a second. Left out: as fast as it goes.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet", "avro"]), help="Left out: by the file's ending; standard input is JSON lines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, rate: float | None, form: "Format | None", as_json: bool) -> None:
    """Publish the usage events of FILE: JSON lines, CSV, Parquet or Avro; `-` is standard input.

    \b
    {"transaction_id": "t-1", "customer": "acme", "event_type": "api_call",
     "timestamp": "2025-10-01T12:00:00Z", "properties": {"calls": 3}}

    In CSV and Parquet every other column is a property. An event that is sent again under the same transaction_id counts once.
    Lines that are no event are told and left out; the exit status is then 2.
    """
    from pipelines.ingest.files import FileError, format_of
    from pipelines.ingest.producer import UsageError

    try:
        with _opened(file) as stream:
            sent = _send(stream, form or format_of(str(file)), rate, file, quiet=as_json)
    except FileError as error:
        raise click.UsageError(str(error)) from error
    except UsageError as error:
        raise click.ClickException(str(error)) from error
    per_second = sent.events / sent.seconds if sent.seconds else 0.0
    if as_json:
        bad = [{"line": place, "problem": problem} for place, problem in sent.bad]
        click.echo(json.dumps({"events": sent.events, "bad": bad, "seconds": round(sent.seconds, 3), "events_per_s": round(per_second)}))
    else:
        click.echo(f"{sent.events:,} events are on the log, {per_second:,.0f}/s")
    if sent.bad:
        click.echo(f"{file}: not sent because they are no events: {len(sent.bad):,}", err=True)
        sys.exit(2)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


def _send(stream: IO[bytes], form: "Format", rate: float | None, file: Path, *, quiet: bool) -> Sent:
    from pipelines.ingest.files import BadLine, events
    from pipelines.ingest.producer import InvalidEventError, UsageProducer
    from taximeter.deployment import running
    from taximeter.progressing import Work

    stack = running()
    size = file.stat().st_size if file.is_file() else 0
    bad: list[tuple[int, str]] = []
    with Work(f"sending {file}", "events", quiet=quiet) as work, UsageProducer(stack.kafka, schema_registry=stack.settings.schema_registry) as producer:
        for number, found in enumerate(events(stream, form), 1):
            problem = found.problem if isinstance(found, BadLine) else None
            if not isinstance(found, BadLine):
                try:
                    producer.send(found.transaction_id, found.customer, found.event_type, found.timestamp_ms, found.properties, recorded_at=found.recorded_ms)
                except InvalidEventError as error:
                    problem = str(error)
            if problem is not None:
                place = found.place if isinstance(found, BadLine) else number
                bad.append((place, problem))
                if len(bad) <= MOST_TOLD:
                    click.echo(f"{file}:{place}: {problem}", err=True)
                continue
            work.advance(1, _share(stream, size) if number % PACE == 0 else None)
            if rate is not None and (rate < PACE or number % PACE == 0):
                time.sleep(max(0.0, work.count / rate - work.seconds))
        producer.flush()
        return Sent(work.count, bad, work.seconds)


def _share(stream: IO[bytes], size: int) -> float | None:
    """How much of the file has been read."""
    return min(stream.tell() / size, 1.0) if size else None
