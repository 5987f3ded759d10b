"""What-if versions of a contract: kept, listed, and compared with what a period has come to."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from console import documents, whatifs
from console.access.guard import Reading, Writing
from console.errors import invalid
from console.reading import instant
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.timeline import iso

router = APIRouter(prefix="/api/v1", tags=["documents"], default_response_class=Answer, route_class=Exact)

TEXT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {"text": {"type": "string", "description": "The contract as it might have been, YAML or JSON"}},
                }
            }
        },
    }
}


@router.get("/contracts/{id}/whatifs", summary="What-if versions that are kept beside a contract")
def listed(held: Held, _: Reading, id: str) -> dict[str, Any]:
    papers = held.books.now()
    documents.present(papers, "contract", id)
    return {
        "whatifs": [{"name": each.name, "author": each.author, "recorded_at": iso(each.recorded_ms), "text": each.text} for each in whatifs.kept(papers, id)]
    }


@router.get("/contracts/{id}/whatifs/compare", summary="What a period would have come to under other versions")
def compare(
    held: Held,
    _: Reading,
    id: str,
    choice: Annotated[list[str], Query(description="`@3`: version 3; anything else is the name of a what-if. Up to six")],
    starting_from: Annotated[str, Query(description="Invoices whose period starts at or after this time")],
    starting_before: Annotated[str, Query(description="… and before this time")],
) -> dict[str, Any]:
    """By product, as if each version had held from the beginning. Nothing is published."""
    from_ms, until_ms = instant(starting_from, "starting_from", 0), instant(starting_before, "starting_before", 0)
    if from_ms >= until_ms:
        raise invalid("starting_before", "must lie after starting_from")
    rows = whatifs.compare(held, id, choice, from_ms, until_ms)
    return {
        "rows": [
            {
                "contract": row.contract,
                "product": row.product,
                "currency": row.currency,
                "before": format(row.before, "f"),
                "after": {name: format(amount, "f") for name, amount in row.after.items()},
            }
            for row in rows
        ]
    }


@router.put("/contracts/{id}/whatifs/{name}", summary="Keep a what-if version beside a contract", openapi_extra=TEXT)
def keep(held: Held, caller: Writing, id: str, name: str, body: Json) -> dict[str, Any]:
    """It is checked like an edit, and rates nothing."""
    text = body.fields.text("text")
    body.fields.done()
    whatifs.keep(held, caller, id, name, text)
    return {"name": name}


@router.delete("/contracts/{id}/whatifs/{name}", summary="Forget a what-if version")
def drop(held: Held, caller: Writing, id: str, name: str) -> dict[str, Any]:
    whatifs.drop(held, caller, id, name)
    return {"name": name}
