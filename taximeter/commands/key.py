"""`taximeter key`: API keys of the console and the HTTP API."""

import json
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelines.keys import Key
    from pipelines.objects import Object, Objects

EXAMPLE = """\b
Examples:
  taximeter key new --scope write --name "billing service"
  taximeter key new --scope read --customer acme      # for a page of the customer's own
  taximeter key revoke 3f2a9c0b71de
"""
COLUMNS = [("id", False), ("name", False), ("scope", False), ("customer", False), ("made", False), ("revoked", False)]


@click.group("key", epilog=EXAMPLE, short_help="API keys.")
def command() -> None:
    """API keys: `new` prints the key once; it is kept hashed and nobody can show it again."""


@command.command("new")
@click.option("--scope", required=True, type=click.Choice(["ingest", "read", "write", "admin"]), help="What it may: report usage, read, read and edit, everything.")
@click.option("--name", default="", help="Whose it is; stands as author on every edit.")
@click.option("--customer", help="Only this customer's data (read and ingest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def new(scope: str, name: str, customer: str | None, as_json: bool) -> None:
    """Make a key and print it, this once.

    \b
    taximeter key new --scope ingest --name "api gateway"
    """
    from pipelines import keys

    text, found = keys.new(scope, name, customer)
    _write(lambda _: [found])
    if as_json:
        click.echo(json.dumps({"key": text, "id": found.id, "name": found.body["name"], "scope": scope, "customer": customer}))
        return
    click.echo(text)
    click.echo("This is the only time that it is shown.", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def listed(as_json: bool) -> None:
    """All keys, the revoked ones too.

    \b
    taximeter key list
    """
    from pipelines import keys
    from pipelines.deployment import running
    from pipelines.objects import ObjectLog
    from taximeter.commands.reading import console, instant, table

    stack = running()
    log = ObjectLog(stack.kafka, stack.codec)
    try:
        found = keys.known(log.catch_up())
    finally:
        log.close()
    if as_json:
        click.echo(json.dumps([_shown(each) for each in found]))
        return
    rows = table("", COLUMNS)
    for each in found:
        rows.add_row(each.id, each.name, each.scope, each.customer or "", instant(each.created_ms), instant(each.revoked_ms) if each.revoked_ms else "")
    console().print(rows if found else "there is no key yet: `taximeter key new --scope write`")


@command.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Revoke the key with this id (as `list` shows it): it opens nothing from now on.

    \b
    taximeter key revoke 3f2a9c0b71de
    """
    from pipelines import keys

    def make(objects: "Objects") -> "list[Object]":
        found = objects.get(keys.KIND, key_id)
        if found is None:
            raise click.UsageError(f"there is no key {key_id!r}; `taximeter key list` shows them")
        return [keys.revoked(found, time.time_ns() // 1_000_000)]

    _write(make)
    click.echo(f"revoked {key_id}")


def _write(make: "Callable[[Objects], Sequence[Object]]") -> None:
    """Put objects on the log, made from those that are there, in one transaction."""
    from pipelines.deployment import running
    from pipelines.document_log import Documents
    from pipelines.objects import ObjectLog, encode
    from pipelines.publishing import Beside, Draft, Publisher
    from pipelines.topology import OBJECTS
    from taximeter.commands.apply import user

    stack = running()
    publisher = Publisher(stack.kafka, stack.codec)
    log = ObjectLog(stack.kafka, stack.codec)

    def draft(_: Documents) -> Draft:
        made = [each._replace(author=user()) for each in make(log.catch_up())]
        return Draft(None, lambda edit: [Beside(OBJECTS.name, each.key, encode(stack.codec, each, edit)) for each in made])

    try:
        publisher.update(draft)
    finally:
        publisher.close()
        log.close()


def _shown(key: "Key") -> dict[str, object]:
    from contracts.timeline import iso

    row: dict[str, object] = {"id": key.id, "name": key.name, "scope": key.scope, "customer": key.customer, "created_at": iso(key.created_ms)}
    return row | {"revoked_at": None if key.revoked_ms is None else iso(key.revoked_ms)}
