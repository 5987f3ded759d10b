"""The program `taximeter`: one subcommand a file in `taximeter/commands`, loaded only when it runs.

Exit status: 0 done, 1 failed, 2 refused input. Whatever goes wrong is told as a message that says what, where and what to do.
"""

import sys
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "demo": "The October story on the real pipeline, from nothing.",
    "up": "Start the embedded stack.",
    "status": "What runs, where, and how far it is.",
    "down": "Stop the embedded stack in order.",
    "stage": "One stage in the foreground, on servers that run elsewhere.",
    "migrate": "Topics and tables as this version needs them.",
    "backup": "Copy everything that a stack has, while it rests.",
    "restore": "A stack from a backup.",
    "doctor": "What is wrong on this machine, and how to mend it.",
    "apply": "Validate documents and publish them, or show what they would change.",
    "import": "Contracts and prices from Metronome or Stripe, their invoices beside ours.",
    "rate": "The result of a case, offline.",
    "play": "The same case through the running pipeline.",
    "clock": "Show or move a test clock.",
    "send": "Publish usage events from a file.",
    "invoice": "A customer's invoices with their lines.",
    "balance": "What is left of a customer's commits and credits.",
    "explain": "How a line came about.",
    "verify": "Invoices worked out again from raw events, and compared.",
    "replay": "Meter the past again, compare, change over, and back.",
    "correct": "Amend, remove or replace events that were wrong; undo it.",
    "whatif": "A past period rated under other documents: revenue by customer and product.",
    "alerts": "Crossings of thresholds.",
    "rejects": "Usage events that did not count; send them again.",
    "sql": "Query the warehouse.",
    "export": "Views of the warehouse as Parquet files.",
    "key": "API keys: new, list, revoke.",
    "bench": "Measure: core, meter, rate, pipeline, latency.",
}
"""Name, and what `taximeter --help` says: known here, so that the list needs no command's imports."""

EXAMPLE: Final = """\b
Examples:
  taximeter demo                                 # everything, once, on this machine
  taximeter rate tests/cases/files/october-demo-edit.yaml
  taximeter up --detach && taximeter apply catalogue.yaml acme.yaml
  taximeter invoice acme --period 2025-10
"""


class Commands(click.Group):
    """Subcommands by name, loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"taximeter.commands.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}.{hint} `taximeter --help` lists them all.", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, epilog=EXAMPLE, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="taximeter", message="taximeter %(version)s")
@click.option("--traceback", is_flag=True, help="Show where in the program an error came from.")
@click.pass_context
def program(ctx: click.Context, traceback: bool) -> None:
    """Raw usage events to live, contract-exact invoices.

    Every setting is also an environment variable TAXIMETER_… (TAXIMETER_DATA, TAXIMETER_KAFKA, TAXIMETER_CLICKHOUSE, …).
    """
    ctx.meta["taximeter.traceback"] = traceback


def main() -> None:
    """Entry point of the program."""
    try:
        program(prog_name="taximeter")
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        status, message = _told(error)
        click.echo(message, err=True)
        sys.exit(status)


def _told(error: Exception) -> tuple[int, str]:
    """Exit status and message of an error that no command told itself."""
    from contracts.errors import DocumentError, TaximeterError

    if isinstance(error, DocumentError):
        return 2, str(error)
    if isinstance(error, TaximeterError):
        return 1, f"Error: {error}"
    if type(error).__module__.startswith("cimpl") or type(error).__name__ == "KafkaException":
        said = error.args[0].str() if error.args and hasattr(error.args[0], "str") else error
        return 1, f"Error: Kafka does not answer as it should ({said}): `taximeter status` tells whether it runs"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return 1, f"Error: {where}{error.strerror or error}"
    return 1, f"Error: {type(error).__name__}: {error} (this should not happen; `taximeter --traceback …` shows where)"


if __name__ == "__main__":
    main()
