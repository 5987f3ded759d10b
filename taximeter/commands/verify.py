"""`taximeter verify`: invoices worked out again from raw events, and compared."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.verifying.run import Verdict

SHOWN = 20


@click.command("verify", short_help="Invoices worked out again from raw events, and compared.")
@click.argument("customer", nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="All customers that have a contract.")
@click.option("--period", metavar="2025-10", help="Only invoices whose period starts in this month, year, day, or between two (2025-10-15/2025-11-01).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(customer: tuple[str, ...], everybody: bool, period: str | None, as_json: bool) -> None:
    """Work out the bills of CUSTOMER (or of all) again in two ways and compare digests: event by event from Kafka, and by SQL over the
    raw events in ClickHouse. A difference is told with its line, its windows and its events. Exit status 1 when there is one.

    \b
    taximeter verify acme --period 2025-10
    taximeter verify --all --json
    """
    from pipelines.deployment import running
    from pipelines.verifying.run import Verifier
    from taximeter.commands.reading import period_ms, quiet

    if bool(customer) == everybody:
        raise click.UsageError("name a customer, or --all")
    quiet()
    verifier = Verifier(running(), period_ms(period) if period else None, _tell if sys.stderr.isatty() and not as_json else lambda *_: None)
    found = verifier.run(customer)
    if customer and not found.families:
        raise click.ClickException(f"there is no contract of a customer {', '.join(customer)}")
    if as_json:
        click.echo(json.dumps(found.json(), ensure_ascii=False))
    else:
        _show(found)
    if found.different:
        sys.exit(1)


def _tell(what: str, done: int, of: int) -> None:
    click.echo(f"\r\033[K{what} {done:,}/{of:,}", err=True, nl=False)


def _show(found: "Verdict") -> None:
    from taximeter.commands.reading import console, table

    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    out = console()
    agreed = found.families - len(found.different) - len(found.busy)
    out.print(f"{agreed:,} of {found.families:,} customers agree in all three: shown, from Kafka ({found.events:,} events), from ClickHouse; {found.seconds:.1f} s")
    for family in found.different:
        out.print(f"\n[bold red]{family['customer']}[/] differs ({_counts(family)})")
        for name, digest in family["digests"].items():
            out.print(f"  {name:<10} {digest}")
        shown = table("", [("line", False), ("product", False), ("starts", False), ("shown", True), ("kafka", True), ("clickhouse", True)])
        for line in family["lines"][:SHOWN]:
            shown.add_row(line["line"], line["product"] or line["invoice_kind"], line["starting_at"], *(_amount(line[side]) for side in ("shown", "kafka", "clickhouse")))
        out.print(shown)
        windows = table("", [("window", False), ("product", False), ("group", False), ("shown", True), ("kafka", True), ("clickhouse", True)])
        for each in family["windows"][:SHOWN]:
            group = ", ".join(f"{key}={value}" for key, value in each["group"].items())
            windows.add_row(each["window"], each["product"], group, *(_window(each[side]) for side in ("shown", "kafka", "clickhouse")))
        if family["windows"]:
            out.print(windows)
        for each in family["events"][:SHOWN]:
            out.print(f"  event {each['transaction_id']} at usage-events[{each['partition']}]@{each['offset']}: {', '.join(each['differs'])}")
            out.print(f"    Kafka       {json.dumps(each['kafka'], ensure_ascii=False)}")
            out.print(f"    ClickHouse  {json.dumps(each['clickhouse'], ensure_ascii=False)}")
    if found.busy:
        out.print(f"not told: usage kept coming for {', '.join(found.busy[:5])}{' …' if len(found.busy) > 5 else ''}; run it again for them")


def _counts(family: dict[str, Any]) -> str:
    return ", ".join(f"{count} {what}" for what, count in family["counts"].items())


def _amount(line: dict[str, Any] | None) -> str:
    return "" if line is None else f"{line['quantity']} → {line['amount']}" if line["quantity"] else line["amount"]


def _window(each: dict[str, Any] | None) -> str:
    return "" if each is None else f"{each['value']} ({each['events']} events)"
