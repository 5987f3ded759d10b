"""How the stack does."""

from typing import Any

from fastapi import APIRouter

from console.access.guard import Reading
from console.requests import Held
from console.wire import Answer, Exact
from pipelines.local import addresses

router = APIRouter(prefix="/api/v1", tags=["status"], default_response_class=Answer, route_class=Exact)


@router.get("/status", summary="Stages, their lag and age of their last commit")
def status(held: Held, _: Reading) -> dict[str, Any]:
    """As `taximeter status --json`, without passwords."""
    book = addresses.read(held.deployment.settings.data) or {"state": "elsewhere", "stages": []}
    return {key: value for key, value in book.items() if key not in ("clickhouse", "pid")}


@router.get("/health", summary="Whether this process answers", include_in_schema=True)
def health() -> dict[str, Any]:
    """For load balancers; needs no key and tells nothing."""
    return {"ok": True}
