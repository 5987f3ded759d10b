"""`taximeter balance`: what is left of a customer's commits and credits."""

import json

import click

from taximeter.commands.reading import console, warehouse


@click.command("balance", short_help="What is left of a customer's commits and credits.")
@click.argument("customer")
@click.option("--json", "as_json", is_flag=True, help="The shape of docs/documents: {\"balances\": […]}.")
def command(customer: str, as_json: bool) -> None:
    """Commits, credits and recurring grants of CUSTOMER: granted, applied (drafts included), expired, remaining.

    \b
    taximeter balance acme
    """
    from pipelines.warehouse import reads

    with warehouse() as client:
        found = reads.balances_of(client, customer)
    if as_json:
        from contracts.rendering import balance_json

        click.echo(json.dumps({"balances": [balance_json(balance) for balance in found]}, ensure_ascii=False))
        return
    if not found:
        raise click.ClickException(f"customer {customer!r} has no commit and no credit")
    from taximeter.commands.results import balance_table

    console().print(balance_table(found))
