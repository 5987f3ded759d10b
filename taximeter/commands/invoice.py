"""`taximeter invoice`: a customer's invoices."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from taximeter.commands.reading import console, instant_ms, period_ms, warehouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from contracts.result import Invoice

@click.command("invoice", short_help="A customer's invoices with their lines.")
@click.argument("customer")
@click.option("--period", metavar="2025-10", help="Only invoices whose period starts in this month, year, day, or between two (2025-10-15/2025-11-01).")
@click.option("--contract", default="", help="Only invoices of this contract.")
@click.option("--as-of", metavar="TIME", help="As the invoices were at that time: rated again from what was recorded by then.")
@click.option("--zero", is_flag=True, help="Show invoices and lines that come to zero too.")
@click.option("--json", "as_json", is_flag=True, help="The shape of docs/documents: {\"invoices\": […]}.")
def command(customer: str, period: str | None, contract: str, as_of: str | None, zero: bool, as_json: bool) -> None:
    """Invoices of CUSTOMER with their lines, drafts included.

    \b
    taximeter invoice acme --period 2025-10
    taximeter invoice acme --as-of 2025-10-20T12:00:00Z --json
    """
    from_ms, until_ms = period_ms(period) if period else (None, None)
    with warehouse() as client:
        found = _invoices(client, customer, contract, from_ms, until_ms, as_of)
        if not found and not as_json:
            raise click.ClickException(_nothing(client, customer, period))
    if as_json:
        from contracts.rendering import invoice_json

        click.echo(json.dumps({"invoices": [invoice_json(invoice) for invoice in found]}, ensure_ascii=False))
        return
    from taximeter.commands.results import invoice_table

    out = console()
    shown = [invoice for invoice in found if zero or invoice.total or any(line.amount for line in invoice.lines)]
    for invoice in shown:
        out.print(invoice_table(invoice, zero=zero))
    if not shown:
        out.print(f"{len(found)} invoices, all of them zero (--zero shows them)")


def _invoices(client: "Client", customer: str, contract: str, from_ms: int | None, until_ms: int | None, as_of: str | None) -> Sequence["Invoice"]:
    from pipelines.warehouse import reads

    lowest, highest = reads.FIRST_MS if from_ms is None else from_ms, reads.LAST_MS if until_ms is None else until_ms
    if as_of is None:
        return reads.invoices_of(client, customer, contract=contract, from_ms=lowest, until_ms=highest)
    from pipelines.warehouse.rebuild import result_as_of

    result = result_as_of(client, customer, instant_ms(as_of))
    return [
        invoice
        for invoice in result.invoices
        if invoice.customer == customer and contract in ("", invoice.contract) and lowest <= invoice.starting_ms < highest
    ]


def _nothing(client: "Client", customer: str, period: str | None) -> str:
    from pipelines.warehouse import reads

    if period and reads.invoices_of(client, customer):
        return f"customer {customer!r} has no invoice that starts in {period}; without --period all are shown"
    near = ", ".join(reads.customers_like(client, customer))
    return f"there is no invoice of a customer {customer!r}" + (f"; known customers like it: {near}" if near else "; no invoice was rated yet")

