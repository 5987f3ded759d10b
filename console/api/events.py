"""Usage events: in, and what has arrived."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from console.access.guard import CustomerReading, Ingesting
from console.errors import ConflictError, InvalidError, invalid
from console.ingest import Event, timestamp_ms
from console.reading import instant
from console.requests import Held
from console.wire import Answer, Exact, raw
from contracts.timeline import iso
from contracts.translation.fields import Wrong

router = APIRouter(prefix="/api/v1", tags=["events"], default_response_class=Answer, route_class=Exact)

MOST: int = 1_000


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """A usage event as a request gives it."""

    transaction_id: str
    customer: str
    event_type: str
    timestamp: str
    properties: dict[str, str | int | bool | None] = {}


_DECODER = msgspec.json.Decoder(list[Given])


@router.post(
    "/events",
    summary="Report usage events",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "array",
                        "maxItems": MOST,
                        "items": {
                            "type": "object",
                            "required": ["transaction_id", "customer", "event_type", "timestamp"],
                            "properties": {
                                "transaction_id": {"type": "string", "description": "Unique for ever; the same when the event is sent again"},
                                "customer": {"type": "string", "description": "Customer id or alias"},
                                "event_type": {"type": "string"},
                                "timestamp": {"type": "string", "description": "RFC 3339 with an offset: when it happened"},
                                "properties": {"type": "object", "description": "Text, whole numbers or booleans; other numbers as decimal text"},
                            },
                        },
                    }
                }
            },
        }
    },
)
async def send(held: Held, caller: Ingesting, request: Request) -> dict[str, Any]:
    """Up to 1,000 events; all are in Kafka before the answer, or none was taken. Sending them again is harmless: each id counts once."""
    data = await raw(request)
    try:
        given = _DECODER.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise misfit(error) from error
    if len(given) > MOST:
        raise invalid("", f"{len(given)} events; at most {MOST} in a request")
    events = []
    for number, each in enumerate(given):
        for name in ("transaction_id", "customer", "event_type"):
            if not getattr(each, name):
                raise invalid(f"[{number}].{name}", "must not be empty")
        if caller.customer not in (None, each.customer):
            raise invalid(f"[{number}].customer", f"this key is for customer {caller.customer!r} only")
        properties = {key: text(value) for key, value in each.properties.items() if value is not None}
        events.append(Event(each.transaction_id, each.customer, each.event_type, timestamp_ms(each.timestamp, f"[{number}].timestamp"), properties))
    await held.ingest.send(events)
    return {"accepted": len(events)}


@router.get("/events", summary="Events as they arrived, newest first")
def search(
    held: Held,
    caller: CustomerReading,
    transaction_id: Annotated[list[str] | None, Query(description="Only these ids")] = None,
    customer: Annotated[str, Query(description="Only under this customer id or alias")] = "",
    arrived_from: Annotated[str | None, Query(description="Only what arrived at or after this time")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """An id that came several times is there several times; the first one counts."""
    if transaction_id is None:
        transaction_id = []
    if caller.customer is not None:
        customer = customer or caller.customer
        caller.see(customer)
    found = held.warehouse.events(ids=transaction_id, customer=customer, from_ms=instant(arrived_from, "arrived_from", 0), limit=limit)
    return {
        "events": [
            {
                "transaction_id": each.transaction_id,
                "customer": each.customer,
                "event_type": each.event_type,
                "timestamp": iso(each.timestamp_ms),
                "properties": dict(each.properties),
                "arrived_at": iso(each.recorded_ms),
                "partition": each.partition,
                "offset": each.offset,
            }
            for each in found
        ]
    }


def text(value: str | int | bool) -> str:
    """A property's value on the wire."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def misfit(error: msgspec.MsgspecError) -> InvalidError | ConflictError:
    """msgspec's message, which ends with the place: `… - at `$[3].timestamp``."""
    said, _, place = str(error).partition(" - at `")
    return InvalidError(Wrong(place.rstrip("`").removeprefix("$").removeprefix("."), said[:1].lower() + said[1:]))
