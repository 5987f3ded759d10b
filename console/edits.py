"""An edit of one document from a page: read and checked, previewed by the code of `taximeter apply --dry-run`, saved on the version it was made from."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from console import documents
from console.access.guard import Caller
from console.books import KEPT_FRESH_S, Papers
from console.documents import Kind
from console.errors import InvalidError, invalid
from console.services import Services
from contracts import sources
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.translation.fields import Wrong
from pipelines.edits import Edit

TOTALS: Final = "SELECT id, total FROM invoice_revisions FINAL WHERE customer = {customer:String} AND status != 'deleted'"


class Draft(NamedTuple):
    """A document as somebody writes it."""

    kind: Kind
    name: str
    text: str
    effective: str | None = None
    """From when it shall hold; none: at once."""


def data_in(kind: Kind, text: str) -> dict[str, Any]:
    """The document in a text as plain data, unchecked. Raises InvalidError when the text is no such document."""
    try:
        read = sources.read(text, "text")
    except DocumentError as error:
        raise InvalidError(*(Wrong("", line.removeprefix("text:")) for line in error.problems)) from error
    found = read[0].data.get(kind) if len(read) == 1 and isinstance(read[0].data, dict) else None
    if not isinstance(found, dict):
        raise invalid("", f"the text must be one {kind}: it begins with `{kind}:`")
    plain: dict[str, Any] = _plain(found)
    return plain


def preview(held: Services, draft: Draft, final: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What would change on each invoice and balance; nothing is published. `final`: ends of final periods, where they are known already.

    Raises ApiError, DocumentError, clickhouse-connect's errors.
    """
    from pipelines.preview import differences  # noqa: PLC0415 - the rating core is loaded when it is first needed

    papers = held.books.now(KEPT_FRESH_S)  # who saves is told what came meanwhile
    catalogues, contracts = _read(held, draft, papers, final)
    times = held.books.times(contracts)
    moment = documents.effective_ms(draft.effective, times, contracts, held.deployment.settings.window_minutes)
    with held.warehouse.soon() as client:
        return differences(held.deployment, Edit(catalogues, contracts, "", times, moment), papers.documents, client)


def save(held: Services, caller: Caller, draft: Draft, version: int) -> int:
    """One atomic edit on that version; gives the new one. Raises ConflictError when somebody was quicker: nothing is published then."""
    catalogues, contracts = _read(held, draft, held.books.now(0.0))
    times = held.books.times(contracts) if draft.effective else {}  # clocks are read from Kafka, and publishing reads them again
    moment = documents.effective_ms(draft.effective, times, contracts, held.deployment.settings.window_minutes)
    expected = {draft.name if draft.kind == "contract" else f"catalogue:{draft.name}": version}
    held.books.commit(lambda papers: documents.change(catalogues, contracts, moment, papers), caller.name, expected=expected)
    return version + 1


def totals(held: Services, customer: str) -> dict[str, str]:
    """Totals of the customer's invoices by id, as the preview writes them."""
    return {name: format(total, "f") for name, total in held.warehouse.revisions(TOTALS, customer=customer)}


def _read(held: Services, draft: Draft, papers: Papers, final: Mapping[str, int] | None = None) -> tuple[list[Catalogue], list[Contract]]:
    if final is None:
        final = held.warehouse.final_until_ms([draft.name] if draft.kind == "contract" else list(papers.documents.contracts))
    catalogues, contracts = documents.read(draft.text, papers, final, held.deployment.settings.window_minutes)
    named = [("catalogue", each.id) for each in catalogues] + [("contract", each.id) for each in contracts]
    if named != [(draft.kind, draft.name)]:
        raise invalid(f"{draft.kind}.id", f"this page edits {draft.kind} {draft.name!r} and nothing else; use `taximeter apply` to add documents")
    return catalogues, contracts


def _plain(value: Any) -> Any:
    """Without the marks of the reader: what looked like a float is the text that it was."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
