"""`taximeter apply`: validate documents and publish them, all or none; or show what they would change."""

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contracts.contract import Contract
    from contracts.loading import Known
    from pipelines.document_log import Documents
    from taximeter.deployment import Deployment

EXAMPLE = """\b
Examples:
  taximeter apply catalogue.yaml acme.yaml
  taximeter apply acme.yaml --effective 2026-01-01T00:00:00Z --author ada
  taximeter apply acme.yaml --dry-run
"""


@click.command("apply", epilog=EXAMPLE)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--effective", metavar="T", help="From when it holds: a time (RFC 3339 or a date) on a metering window. Left out: at once.")
@click.option("--dry-run", is_flag=True, help="Publish nothing; print how each affected invoice would change, line by line.")
@click.option("--author", metavar="A", help="Who makes the edit. Left out: your user name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[Path, ...], effective: str | None, dry_run: bool, author: str | None, as_json: bool) -> None:
    """Validate catalogue and contract documents and publish them in one atomic edit.

    All parts of all files take effect together, or none does.
    """
    from contracts.errors import TaximeterError
    from pipelines.documents import load_documents

    try:
        load_documents(*files)  # what is wrong in itself is told without a stack
        _apply(files, effective, author or user(), dry_run=dry_run, as_json=as_json)
    except TaximeterError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _apply(files: tuple[Path, ...], effective: str | None, author: str, *, dry_run: bool, as_json: bool) -> None:
    from contracts.catalogue import Catalogue
    from contracts.contract import Contract
    from pipelines.documents import load_documents
    from pipelines.edits import Edit
    from pipelines.publishing import Publisher
    from taximeter.deployment import running

    stack = running()
    publisher = Publisher(stack.kafka, stack.codec)
    try:
        present = publisher.present()
        window_minutes = stack.settings.window_minutes
        documents = load_documents(*files, known=_known(stack, present), window_minutes=window_minutes)
        catalogues = [each for each in documents if isinstance(each, Catalogue)]
        contracts = [each for each in documents if isinstance(each, Contract)]
        times = stack.times(contracts, present)
        edit = Edit(catalogues, contracts, author, times, _effective_ms(effective, times, contracts, window_minutes))
        if dry_run:
            from pipelines.preview import differences

            _show(differences(stack, edit, present), as_json=as_json)
            return
        published = publisher.publish(edit)
    finally:
        publisher.close()
    if as_json:
        rows = [{"kind": kind, "id": name, "version": version} for (kind, name), version in published.versions.items()]
        click.echo(json.dumps({"edit": published.edit, "documents": rows, "effective_at": effective}))
        return
    for (kind, name), version in published.versions.items():
        click.echo(f"{kind} {name}: version {version}" + (f", from {effective}" if effective else ""))


def _known(stack: "Deployment", present: "Documents") -> "Known":
    """The documents in force, and what of their invoices is final."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from contracts.loading import Known
    from pipelines.warehouse.reads import final_until_ms
    from taximeter.commands.reading import quiet

    quiet()
    final: dict[str, int] = {}
    try:
        client = stack.warehouse()
        final = final_until_ms(client, present.contracts)
        client.close()
    except ClickHouseError:
        # Documents must be publishable with Kafka alone: what is final stays final whatever an edit says.
        click.echo("the warehouse does not answer, so nobody looks whether the edit reaches into final periods (they stay as they are)", err=True)
    catalogues = {name: known.catalogue for name, known in present.catalogues.items()}
    return Known(catalogues, {name: known.contract for name, known in present.contracts.items()}, final)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    from taximeter.commands.reading import console
    from taximeter.preview import shown

    out = console()
    for part in shown(found):
        out.print(part)


def _effective_ms(text: str | None, now: dict[str, int], contracts: "list[Contract]", window_minutes: int) -> int | None:
    """The instant of --effective. It lies ahead on every clock of the edit: what is behind is dated in the document, term by term."""
    from contracts.errors import DocumentError
    from contracts.instants import instant_ms

    if text is None or text == "now":
        return None
    try:
        instant = instant_ms(text)
    except ValueError as error:
        raise DocumentError([f"--effective: {error}"]) from None
    if instant % (window_minutes * 60_000):
        raise DocumentError([f"--effective {text}: must fall on a metering window of {window_minutes} minutes, e.g. on the full hour"])
    for name in sorted({contract.clock for contract in contracts} or {"wall"}):
        if instant <= now[name]:
            raise DocumentError(
                [f"--effective {text}: lies behind clock {name}; leave it out (the edit then holds at once) and date the terms in the document: starting_at"]
            )
    return instant


def user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return ""
