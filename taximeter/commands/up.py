"""`taximeter up`: start the embedded stack and keep it running."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.settings import Settings

EXAMPLE = """\b
Examples:
  taximeter up                                  # until Ctrl-C
  taximeter up --detach                         # in the background; `taximeter down` ends it
  taximeter up --data ./sandbox --port-base 9100
  TAXIMETER_KAFKA=k:9092 TAXIMETER_CLICKHOUSE=http://ch:8123/taximeter taximeter up   # just the stages
"""


@click.command("up", short_help="Start the stack.", epilog=EXAMPLE)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the stack (TAXIMETER_DATA).")
@click.option(
    "--port-base", type=click.IntRange(1024, 65_000), help="First of its ports: Kafka, ClickHouse, console, controller. [default: the usual ones, or free ones]"
)
@click.option("--workers", type=click.IntRange(1, 64), help="METER and RATE processes, each. [default: 1]")
@click.option("--detach", is_flag=True, help="Return when it is up; it goes on in the background.")
@click.option("--json", "as_json", is_flag=True, help="Print what `status --json` prints, when it is up (with --detach, or when it runs already).")
def command(data: Path | None, port_base: int | None, workers: int | None, detach: bool, as_json: bool) -> None:
    """Start Kafka, ClickHouse, METER, RATE, SINK and the clock, in order, and start again what ends.

    A second call on the same folder says where the stack is and changes nothing. What was accepted survives `down`, SIGKILL and power loss of
    any process.
    """
    from pipelines.local import running
    from pipelines.local.ownership import FolderHeldError
    from pipelines.settings import Settings

    given = {"data": data.absolute() if data else None, "port_base": port_base, "workers": workers}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    try:
        book = running.found(settings.data)
    except FolderHeldError as error:
        click.echo(error, err=True)
        sys.exit(2)
    if book is not None:
        _show(settings, book, as_json=as_json, first=f"the stack on {settings.data} runs already (process {book['pid']})")
    elif detach:
        book = running.detached(settings)
        _show(settings, book, as_json=as_json, first=f"the stack on {settings.data} is up (process {book['pid']}); `taximeter down` ends it")
    else:
        from pipelines.local.supervisor import supervise

        sys.exit(supervise(settings, lambda text: click.echo(f"{time.strftime('%H:%M:%S')} {text}")))


def _show(settings: "Settings", book: dict[str, Any], *, as_json: bool, first: str) -> None:
    from taximeter.commands.status import shape

    told = shape(book)
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(first)
    for name in ("kafka", "clickhouse", "console"):
        if told[name]:
            click.echo(f"  {name:<11} {told[name]}")
    click.echo(f"  {'logs':<11} {settings.data / 'logs'}")
