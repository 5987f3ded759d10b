"""Who changed what, and when: every edit of a document, every action on an invoice, every change of what stands beside them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from console.access.guard import Administering
from console.reading import AuditRow, instant
from console.requests import Held
from console.wire import Answer, Exact
from contracts.timeline import iso

router = APIRouter(prefix="/api/v1", tags=["audit"], default_response_class=Answer, route_class=Exact)


@router.get("/audit", summary="Every edit with its author, the latest first")
def audit(
    held: Held,
    _: Administering,
    author: str = "",
    kind: Annotated[str, Query(description="catalogue, contract, move or action")] = "",
    id: str = "",
    recorded_from: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, Any]:
    """Records of one atomic edit share `edit`. Who made what stands beside the documents (keys, customers, webhooks) is under `objects`: its last author."""
    rows = held.warehouse.audit(author=author, kind=kind, id=id, from_ms=instant(recorded_from, "recorded_from", 0), limit=limit)
    objects = [each for each in held.books.now().objects.everything() if each.kind != "idempotency" and author in ("", each.author) and not (kind or id)]
    objects.sort(key=lambda each: -each.recorded_ms)
    return {
        "edits": [row_json(each) for each in rows],
        "objects": [{"kind": each.kind, "id": each.id, "author": each.author, "recorded_at": iso(each.recorded_ms)} for each in objects[:limit]],
    }


def row_json(row: AuditRow) -> dict[str, Any]:
    return {"kind": row.kind, "id": row.id, "version": row.version, "edit": row.edit, "author": row.author, "recorded_at": iso(row.recorded_ms), "written_at": iso(row.written_ms)}
