"""Catalogues and contracts: as they are, their history, and edits that are checked, previewed and applied as a whole."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from console import documents
from console.access.guard import Reading, Writing
from console.errors import invalid
from console.requests import Body, Held, Json, edit
from console.services import Services
from console.wire import Answer, Exact
from contracts import writing
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from pipelines.edits import Edit

router = APIRouter(prefix="/api/v1", tags=["documents"], default_response_class=Answer, route_class=Exact)

TEXT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {
                        "text": {"type": "string", "description": "Catalogue and contract documents, YAML or JSON; all of them are one edit"},
                        "effective": {"type": "string", "description": "From when the edit holds: RFC 3339, on a metering window, ahead of now. Left out: at once"},
                        "expected_versions": {
                            "type": "object",
                            "additionalProperties": {"type": "integer"},
                            "description": "Versions the edit was made on, by contract id, or `catalogue:` and id (0: none yet). Another one by now refuses the edit with 409",
                        },
                    },
                },
                "example": {"text": "contract:\n  id: acme-2025\n  …", "expected_versions": {"acme-2025": 3}},
            }
        },
    }
}


@router.get("/documents", summary="All documents in force")
def listed(held: Held, _: Reading) -> dict[str, Any]:
    """Id and version of every catalogue, and of every contract with its customer."""
    papers = held.books.now().documents
    return {
        "catalogues": [{"id": name, "version": each.version} for name, each in sorted(papers.catalogues.items())],
        "contracts": [
            {"id": name, "version": each.version, "customer": each.contract.customer, "name": each.contract.name}
            for name, each in sorted(papers.contracts.items())
        ],
    }


@router.get("/catalogues/{id}", summary="A catalogue in force")
def catalogue(held: Held, _: Reading, id: str) -> dict[str, Any]:
    return _shown(held, "catalogue", id)


@router.get("/contracts/{id}", summary="A contract in force")
def contract(held: Held, _: Reading, id: str) -> dict[str, Any]:
    return _shown(held, "contract", id)


@router.get("/{kind}s/{id}/history", summary="Every version of a document, with its author")
def history(held: Held, _: Reading, kind: Literal["catalogue", "contract"], id: str) -> dict[str, Any]:
    documents.present(held.books.now(), kind, id)
    return {"versions": [documents.version_json(each) for each in held.warehouse.history(kind, id)]}


@router.get("/{kind}s/{id}/versions/{version}", summary="One version of a document")
def version(held: Held, _: Reading, kind: Literal["catalogue", "contract"], id: str, version: int) -> dict[str, Any]:
    for each in held.warehouse.history(kind, id):
        if each.version == version:
            document = documents.decode(kind, each.body)
            return documents.version_json(each) | {"document": writing.data_of(document), "text": writing.text_of(document)}
    raise invalid("version", f"there is no version {version} of {kind} {id!r}")


@router.get("/{kind}s/{id}/diff", summary="What differs between two versions")
def diff(
    held: Held,
    _: Reading,
    kind: Literal["catalogue", "contract"],
    id: str,
    before: Annotated[int, Query(alias="from", ge=0, description="0: nothing")],
    after: Annotated[int, Query(alias="to", ge=0)],
) -> dict[str, Any]:
    return documents.compare(kind, held.warehouse.history(kind, id), before, after)


@router.post("/documents/validate", summary="Check documents against all that is in force", openapi_extra=TEXT)
def validate(held: Held, _: Reading, body: Json) -> dict[str, Any]:
    """Publishes nothing. A refusal names line, key and what is allowed."""
    catalogues, contracts = _read(held, body)
    given: list[Catalogue | Contract] = [*catalogues, *contracts]
    return {"valid": True, "documents": [{"kind": kind(each), "id": each.id} for each in given]}


@router.post("/documents/preview", summary="What an edit would change on each invoice, line by line", openapi_extra=TEXT)
def preview(held: Held, _: Reading, body: Json) -> Any:
    """Publishes nothing: rates the affected customers again with the edit, by the code that the stream runs."""
    from pipelines.preview import differences  # noqa: PLC0415 - the rating core is loaded when it is first needed

    catalogues, contracts = _read(held, body)
    times = held.books.times(contracts)
    moment = documents.effective_ms(body.fields.text_or_none("effective"), times, contracts, held.deployment.settings.window_minutes)
    return differences(held.deployment, Edit(catalogues, contracts, "", times, moment), held.books.now().documents)


@router.post("/documents/apply", summary="Put documents in force, all or none", openapi_extra=TEXT)
def apply(held: Held, caller: Writing, body: Json) -> dict[str, Any]:
    """One atomic edit. With `expected_versions`, an edit that somebody has overtaken is refused with 409 and loses nothing.

    Send an `Idempotency-Key` to be able to repeat the request: the edit is made once.
    """
    catalogues, contracts = _read(held, body)
    times = held.books.times(contracts)
    moment = documents.effective_ms(body.fields.text_or_none("effective"), times, contracts, held.deployment.settings.window_minutes)
    expected = _expected(body)
    answer, published = edit(held, caller, body, lambda papers: documents.change(catalogues, contracts, moment, papers), expected)
    return {**answer, "edit": published.edit if published else None, "repeated": published is None}


def kind(document: Catalogue | Contract) -> str:
    return "catalogue" if isinstance(document, Catalogue) else "contract"


def _read(held: Services, body: Body) -> tuple[list[Catalogue], list[Contract]]:
    papers = held.books.now(0.0)
    final = held.warehouse.final_until_ms(list(papers.documents.contracts))
    return documents.read(body.fields.text("text"), papers, final, held.deployment.settings.window_minutes)


def _expected(body: Body) -> dict[str, int]:
    found = body.fields.any("expected_versions") or {}
    if not isinstance(found, dict) or not all(isinstance(each, int) for each in found.values()):
        raise invalid("expected_versions", "must be an object of document to version number")
    return {name.removeprefix("contract:"): number for name, number in found.items()}


def _shown(held: Services, of: documents.Kind, name: str) -> dict[str, Any]:
    number, document = documents.present(held.books.now(), of, name)
    return {"id": name, "version": number, "document": writing.data_of(document), "text": writing.text_of(document)}
