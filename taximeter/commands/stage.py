"""`taximeter stage`: one stage in the foreground, on servers that run elsewhere. What containers run."""

import os
import sys
from typing import Final

import click

EXAMPLE = """\b
Examples:
  taximeter stage meter                     # the one METER
  TAXIMETER_WORKERS=3 taximeter stage rate --number 2
  taximeter stage console
"""
MODULES: Final = {
    "meter": "pipelines.metering.worker",
    "rate": "pipelines.rating.worker",
    "sink": "pipelines.sink.worker",
    "clock": "pipelines.clockwork",
    "alerts": "pipelines.alerting.worker",
    "console": "console.worker",
    "exporter": "pipelines.monitoring.exporter",
}
NUMBERED: Final = ("meter", "rate")


@click.command("stage", short_help="One stage in the foreground.", epilog=EXAMPLE)
@click.argument("name", type=click.Choice(list(MODULES)))
@click.option("--number", type=click.IntRange(0), help="Which METER or RATE this is, from 0; each keeps its number and its folder. [default: 0]")
def command(name: str, number: int | None) -> None:
    """Run one stage until SIGTERM, on the Kafka and the ClickHouse that the settings name (TAXIMETER_KAFKA, TAXIMETER_CLICKHOUSE).

    `taximeter up` does this for all stages, on one machine. Here whoever starts processes (compose, Kubernetes, systemd) starts this one again when it
    ends, and asks GET /healthz on TAXIMETER_METRICS_PORT how it does. Topics and tables must be there: `taximeter migrate`.
    """
    from pipelines.settings import Settings

    settings = Settings()
    missing = [f"TAXIMETER_{key.upper()}" for key in ("kafka", "clickhouse") if getattr(settings, key) is None]
    if missing:
        raise click.UsageError(f"a stage runs on servers that run elsewhere: set {' and '.join(missing)}. `taximeter up` brings servers of its own")
    if number is not None and name not in NUMBERED:
        raise click.UsageError(f"{name} has no number, only meter and rate have one: leave out --number")
    if number is not None and number >= settings.workers:
        raise click.UsageError(f"--number {number} is one of {settings.workers} (TAXIMETER_WORKERS): numbers go from 0 to {settings.workers - 1}")
    arguments = [str(number or 0)] if name in NUMBERED else []
    # The stage takes this process over: signals and exit status are its own.
    os.execv(sys.executable, [sys.executable, "-m", MODULES[name], *arguments])  # noqa: S606 - our own command line
