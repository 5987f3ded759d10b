"""Replays: the past metered again beside what is billed, compared, cut over and taken back. `taximeter replay` does the same."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from console.access.guard import Reading, Writing
from console.errors import invalid, missing
from console.replays import STEPS
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.translation.fields import Fields
from pipelines.replay.planning import Asked
from pipelines.replay.telling import stretch_of

router = APIRouter(prefix="/api/v1", tags=["replays"], default_response_class=Answer, route_class=Exact)

_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
SCOPE: dict[str, Any] = {
    "customers": _TEXTS | {"description": "Only these, with all ids of their families"},
    "products": _TEXTS | {"description": "Only these"},
    "from": {"type": "string", "description": "Only windows from this event time on; on the edge of a metering window"},
    "until": {"type": "string", "description": "Only windows before this event time"},
    "arrived_from": {"type": "string", "description": "Only windows in which events have that arrived from then on"},
    "arrived_until": {"type": "string", "description": "Only windows in which events have that arrived before then"},
    "offsets": _TEXTS | {"description": "Only windows in which events have of these stretches of usage-events: PARTITION:FROM-TO"},
}


def _asks(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}}


@router.get("/replays", summary="Every generation, the latest first")
def listed(held: Held, _: Reading) -> dict[str, Any]:
    """`state` is open, live (billed), back (taken back), closed or aborted; an open one has `missing`: offsets that METER has still to read."""
    return {"generations": held.replays.listed()}


@router.get("/replays/diff", summary="What a cutover of the open generation would change, line by line")
def diff(
    held: Held,
    _: Reading,
    customer: Annotated[list[str] | None, Query(description="Only these")] = None,
    after: Annotated[str, Query(description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1_000, description="Families that are compared")] = 100,
) -> dict[str, Any]:
    """Of each family that would change: its invoices and balances before and after. After a cutover it tells what `back` would change."""
    found = held.replays.compare(customer or [])
    roots = found.roots
    start = next((place for place, root in enumerate(roots) if root > after), len(roots)) if after else 0
    changes = list(found.portion(start, start + limit).changes())
    following = roots[start + limit - 1] if start + limit < len(roots) else None
    return {"generation": found.generation.number, "families": len(roots), "compared": min(limit, len(roots) - start), "changes": changes, "next": following}


@router.post("/replays/plan", summary="What a replay would touch", openapi_extra=_asks(**SCOPE))
def plan(held: Held, _: Reading, body: Json) -> dict[str, Any]:
    """Customers, events, windows, disk, and final invoices that stay. Begins nothing."""
    asked = asked_in(body.fields)
    body.fields.done()
    return held.replays.plan(asked)


@router.post("/replays", summary="Begin a generation", openapi_extra=_asks(**SCOPE, note={"type": "string", "description": "Why; it is kept in the log"}))
def begin(held: Held, caller: Writing, body: Json) -> dict[str, Any]:
    """METER meters the past for it between the batches of live usage; `GET /replays` tells how far it is. 409 while another one is open."""
    asked, note = asked_in(body.fields), body.fields.text("note", "", empty=True)
    body.fields.done()
    return held.replays.begin(asked, note, caller.name)


@router.post("/replays/{number}/{step}", summary="cutover, back, close or abort")
def step(held: Held, caller: Writing, number: int, step: str, _: Json) -> dict[str, Any]:
    """One transaction on the log; the answer comes when the warehouse shows the effect. 409 when the generation is not where it must be for this."""
    for each in STEPS:
        if each == step:
            return held.replays.step(each, caller.name, number)
    raise missing("step", step)


def asked_in(fields: Fields) -> Asked:
    """The scope that a body asks for. Raises InvalidError."""
    times = {name: fields.instant_ms(name) if fields.has(name) else fields.any(name) for name in ("from", "until", "arrived_from", "arrived_until")}
    stretches = []
    for text in fields.texts("offsets"):
        try:
            stretches.append(stretch_of(text))
        except ValueError as error:
            raise invalid(fields.at("offsets"), str(error)) from error
    return Asked(fields.texts("customers"), fields.texts("products"), times["from"], times["until"], times["arrived_from"], times["arrived_until"], stretches)
