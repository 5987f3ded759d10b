"""A customer's own page inside the customer's portal: a link that opens it, made by the portal's server, and used by a browser at once.

The portal's server holds an API key that may read (best one of that customer only) and asks for a link. The link holds a signed ticket that is good
for a minute; opening it begins a session that reads this customer and nothing else, as long as the key is not revoked. The key itself never
reaches a browser.
"""

import time
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.access.guard import CustomerReading
from console.access.sessions import EMBEDDED, LIFE_S
from console.api.customers import contracts_of
from console.errors import missing
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.timeline import iso

router = APIRouter(prefix="/api/v1", tags=["customers"], default_response_class=Answer, route_class=Exact)
opening = APIRouter(include_in_schema=False)

TICKET_S: Final = 60


@router.post("/customers/{customer}/page-link", summary="A link that opens the customer's own page, for a minute")
def link(held: Held, caller: CustomerReading, customer: str, _: Json) -> dict[str, Any]:
    """Show it in an `iframe` of your portal (`TAXIMETER_CONSOLE_SITES` must name the portal), or send the browser there. The session reads this customer only."""
    if not contracts_of(held, customer) and held.books.now().objects.get("customer", customer) is None:
        raise missing("customer", customer)
    ticket = held.guard.sessions.ticket(caller.key, customer)
    return {"path": f"/embed/{ticket}", "expires_at": iso(time.time_ns() // 1_000_000 + TICKET_S * 1_000)}


@opening.get("/embed/{ticket}")
def opened(request: Request, ticket: str) -> Response:
    sessions = request.app.state.guard.sessions
    found = sessions.of_ticket(ticket, TICKET_S)
    if found is None:
        return HTMLResponse(
            '<!doctype html><meta charset="utf-8"><title>Link expired</title><p>This link has expired. Load the page that holds it again.</p>', 403
        )
    key, customer = found
    answer = RedirectResponse(f"/customers/{quote(customer, safe='')}", 303)
    # Inside a page of another site a browser sends only cookies that say so, and keeps them apart for each such site.
    inside = "; SameSite=None; Secure; Partitioned" if request.url.scheme == "https" else "; SameSite=Lax"
    answer.headers.append("set-cookie", f"{EMBEDDED}={sessions.embedded(key, customer)}; Max-Age={LIFE_S}; Path=/; HttpOnly{inside}")
    return answer
