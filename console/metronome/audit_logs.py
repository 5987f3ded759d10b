"""`/v1/auditLogs`: every edit of a document, by the same log."""

from typing import Any

from fastapi import APIRouter

from console.access.guard import Administering
from console.errors import invalid
from console.metronome.serving import paged
from console.reading import instant
from console.requests import Held
from console.wire import Answer, Exact
from contracts.timeline import iso

router = APIRouter(prefix="/v1", tags=["Metronome: audit"], default_response_class=Answer, route_class=Exact)


@router.get("/auditLogs", summary="List edits")
def listed(
    held: Held,
    _: Administering,
    limit: int | None = None,
    next_page: str | None = None,
    starting_on: str | None = None,
    ending_before: str | None = None,
    resource_id: str | None = None,
    resource_type: str | None = None,
    sort: str = "date_asc",
) -> Any:
    if sort not in ("date_asc", "date_desc"):
        raise invalid("sort", "must be date_asc or date_desc")
    from_ms, until_ms = instant(starting_on, "starting_on", 0), instant(ending_before, "ending_before", 1 << 62)
    found = held.warehouse.audit(kind=resource_type or "", id=resource_id or "", from_ms=from_ms, limit=10_000)
    found = [each for each in found if each.written_ms < until_ms]
    if sort == "date_asc":
        found.reverse()
    page, cursor = paged(found, lambda each: f"{each.edit}/{each.kind}/{each.id}", next_page, limit)
    return {
        "data": [
            {
                "id": f"{each.edit}/{each.kind}/{each.id}",
                "timestamp": iso(each.written_ms),
                "actor": {"id": each.author or "unknown", "name": each.author or "unknown"},
                "action": "create" if each.version == 1 else "update",
                "resource_id": each.id,
                "resource_type": each.kind,
                "request": {"id": each.edit},
                "status": "success",
                "description": f"version {each.version}",
            }
            for each in page
        ],
        "next_page": cursor,
    }
