"""Usage events that did not count: with the reason, to be mended and sent again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from console.access.guard import Reading, Writing
from console.errors import invalid, missing
from console.reading import instant
from console.rejects import resend
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.timeline import iso
from pipelines.resending import event_of
from pipelines.warehouse import reads

router = APIRouter(prefix="/api/v1", tags=["events"], default_response_class=Answer, route_class=Exact)


@router.get("/rejects", summary="Events that did not count, oldest first")
def listed(
    held: Held,
    _: Reading,
    customer: str = "",
    reason: Annotated[str, Query(description="truncated, garbage, too_old, too_far_ahead, not_a_number, conflict, …")] = "",
    written_from: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, Any]:
    """`event` is the event as far as it can be read; mend it and post it to `/api/v1/rejects/resend`."""
    with held.warehouse.client() as client:
        found = reads.rejected_events(client, customer=customer, reason=reason, written_from_ms=instant(written_from, "written_from", 0), limit=limit)
    codec = held.deployment.codec
    return {
        "rejects": [
            {
                "topic": each.topic,
                "partition": each.partition,
                "offset": each.offset,
                "recorded_at": iso(each.recorded_ms),
                "reason": each.reason,
                "detail": each.detail,
                "transaction_id": each.transaction_id,
                "customer": each.customer,
                "event": event_of(codec, each),
                "value_hex": None if each.value is None else each.value.hex(),
            }
            for each in found
        ]
    }


@router.post("/rejects/resend", summary="Send rejected events again, mended or not")
def again(held: Held, _: Writing, body: Json) -> dict[str, Any]:
    """`{"rejects": [{"partition", "offset", "event"}]}`; without `event` the bytes are sent as they were. They arrive at their first time of arrival."""
    wanted, mended = [], {}
    for each in body.fields.objects("rejects"):
        place = (each.whole("partition"), each.whole("offset"))
        wanted.append((place, each.at("offset")))
        if each.has("event"):
            mended[place] = each.object("event").data
        each.done()
    body.fields.done()
    if not wanted:
        raise invalid("rejects", "names no event")
    with held.warehouse.client() as client:
        found = {(each.partition, each.offset): each for each in reads.rejected_events(client) if each.topic == "usage-events"}
    for place, field in wanted:
        if place not in found:
            raise missing("rejected event at", f"{place[0]}@{place[1]}", field)
    sent = resend(held, [found[place] for place, _ in wanted], mended)
    return {"sent": sent}
