"""Crossings of thresholds: so far, and as they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from console.access.guard import CustomerReading
from console.requests import Held
from console.services import Services
from console.wire import Answer, Exact
from contracts.rendering import alert_json
from contracts.result import Alert
from pipelines.warehouse import reads

router = APIRouter(prefix="/api/v1", tags=["alerts"], default_response_class=Answer, route_class=Exact)

LOOK_S: Final = 0.25
OVERLAP_MS: Final = 10_000
"""How far back each look reaches again: rows of one insert become visible together, but not in the order of their time."""
ALIVE_S: Final = 15.0


@router.get("/alerts", summary="Changes of state of thresholds, oldest first")
def listed(held: Held, caller: CustomerReading, customer: str = "", limit: Annotated[int, Query(ge=1, le=100_000)] = 1_000) -> dict[str, Any]:
    customer = customer or caller.customer or ""
    caller.see(customer)
    with held.warehouse.client() as client:
        return {"alerts": [alert_json(each) for each in reads.alerts(client, customer=customer, limit=limit)]}


@router.get("/alerts/stream", summary="Crossings as they come, as server-sent events", response_class=StreamingResponse)
async def stream(held: Held, caller: CustomerReading, request: Request, customer: str = "") -> StreamingResponse:
    """An event `crossing` for each; its id is customer, contract, threshold, crossing and state, so a repeat is recognised."""
    customer = customer or caller.customer or ""
    caller.see(customer)
    return StreamingResponse(_follow(held, request, customer), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _follow(held: Services, request: Request, customer: str) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    since_ms = await run_in_threadpool(held.warehouse.now_ms)
    seen: dict[Alert, int] = {}
    quiet_s = 0.0
    while not await request.is_disconnected():
        now_ms = await run_in_threadpool(held.warehouse.now_ms)
        for alert in await run_in_threadpool(_since, held, customer, since_ms):
            if alert not in seen:
                yield f"event: crossing\nid: {_id(alert)}\ndata: {json.dumps(alert_json(alert))}\n\n"
                quiet_s = 0.0
            seen[alert] = now_ms
        since_ms = max(since_ms, now_ms - OVERLAP_MS)
        seen = {alert: at_ms for alert, at_ms in seen.items() if at_ms >= now_ms - 2 * OVERLAP_MS}
        quiet_s += LOOK_S
        if quiet_s >= ALIVE_S:
            yield ": alive\n\n"
            quiet_s = 0.0
        await asyncio.sleep(LOOK_S)


def _since(held: Services, customer: str, since_ms: int) -> tuple[Alert, ...]:
    with held.warehouse.client() as client:
        return reads.alerts(client, customer=customer, written_from_ms=since_ms)


def _id(alert: Alert) -> str:
    return "/".join((alert.customer, alert.contract, alert.threshold, str(alert.crossing), alert.state))
