"""`taximeter apply`: validate documents and publish them, all or none; or show what they would change."""

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contracts.catalogue import Catalogue
    from contracts.contract import Contract

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

    try:
        catalogues, contracts = _read(files)
        _apply(catalogues, contracts, effective, author or user(), dry_run=dry_run, as_json=as_json)
    except TaximeterError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _read(files: tuple[Path, ...]) -> "tuple[list[Catalogue], list[Contract]]":
    from contracts.catalogue import Catalogue
    from contracts.errors import DocumentError
    from pipelines.documents import load_documents

    catalogues: dict[str, Catalogue] = {}
    contracts: dict[str, Contract] = {}
    problems: list[str] = []
    for path in files:
        try:
            documents = load_documents(path)
        except DocumentError as error:
            problems += error.problems
            continue
        for document in documents:
            seen: dict[str, Catalogue] | dict[str, Contract] = catalogues if isinstance(document, Catalogue) else contracts
            if document.id in seen:
                problems.append(f"{path}: {type(document).__name__.lower()} {document.id} is given twice; an edit has one version of a document")
            seen[document.id] = document  # type: ignore[assignment]
    if problems:
        raise DocumentError(problems)
    return list(catalogues.values()), list(contracts.values())


def _apply(
    catalogues: "list[Catalogue]", contracts: "list[Contract]", effective: str | None, author: str, *, dry_run: bool, as_json: bool
) -> None:
    from pipelines.publishing import Edit, Publisher
    from taximeter.deployment import running

    stack = running()
    publisher = Publisher(stack.kafka, stack.codec)
    try:
        present = publisher.present()
        times = stack.times(contracts, present)
        edit = Edit(catalogues, contracts, author, times, _effective_ms(effective, times, contracts, stack.settings.window_minutes))
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
