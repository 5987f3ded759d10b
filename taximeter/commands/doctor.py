"""`taximeter doctor`: what is wrong on this machine and how to mend it."""

import json
import sys
from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  taximeter doctor
  taximeter doctor --json
"""
COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@click.command("doctor", short_help="What is wrong on this machine and how to mend it.", epilog=EXAMPLE)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the stack (TAXIMETER_DATA).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(data: Path | None, as_json: bool) -> None:
    """Look at Python, Java, Kafka's jars, the data folder, disk, memory, ports, the running stack, topics, migrations and clocks.

    Nothing is changed. Exit 1 when something is wrong.
    """
    from pipelines.local.checkup import findings
    from pipelines.settings import Settings

    settings = Settings(data=data.absolute()) if data else Settings()
    found = []
    for finding in findings(settings):
        found.append(finding)
        if as_json:
            continue
        click.echo(f"{click.style(f'{finding.state:<8}', fg=COLOURS[finding.state])}{finding.check:<12}{finding.found}")
        if finding.mend and finding.state != "ok":
            click.echo(f"{'':<20}→ {finding.mend}")
    if as_json:
        click.echo(json.dumps({"findings": [finding._asdict() for finding in found]}))
    sys.exit(1 if any(finding.state == "problem" for finding in found) else 0)
