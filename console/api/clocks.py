"""Clocks: where each stands, and moving a test clock."""

from typing import Any

from confluent_kafka import KafkaException, Producer
from fastapi import APIRouter

from console.access.guard import Reading, Writing
from console.errors import UnavailableError, invalid
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.timeline import iso
from contracts.translation.fields import Wrong
from pipelines.clock import ClockError, move, standings
from pipelines.reach import reach
from pipelines.topology import PARTITIONER

router = APIRouter(prefix="/api/v1", tags=["clocks"], default_response_class=Answer, route_class=Exact)


@router.get("/clocks", summary="Every clock that has ticked lately")
def listed(held: Held, _: Reading) -> dict[str, Any]:
    try:
        found = standings(held.deployment.kafka, held.deployment.codec)
    except KafkaException as error:
        raise UnavailableError(Wrong("", f"Kafka does not answer: {error.args[0]}")) from error
    return {"clocks": [{"id": name, "now": iso(now_ms)} for name, now_ms in sorted(found.items())]}


@router.put("/clocks/{name}", summary="Move a test clock; never back")
def moved(held: Held, _: Writing, name: str, body: Json) -> dict[str, Any]:
    """`{"now": "2025-10-31T23:00:00Z"}`. Contracts that name this clock live in its time; the wall clock cannot be moved."""
    now_ms = body.fields.instant_ms("now")
    body.fields.done()
    producer = Producer({**reach(held.deployment.kafka), "enable.idempotence": True, "partitioner": PARTITIONER})
    try:
        move(producer, held.deployment.codec, name, now_ms, held.deployment.settings.partitions)
    except ClockError as error:
        raise invalid("name", str(error)) from error
    except KafkaException as error:
        raise UnavailableError(Wrong("", f"Kafka does not answer: {error.args[0]}")) from error
    return {"id": name, "now": iso(now_ms)}
