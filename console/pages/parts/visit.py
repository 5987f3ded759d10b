"""A visit: who looks at a page, and what the page may ask for. Whoever has no key is sent to the login and comes back to where he wanted to be."""

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import app

from console.access.guard import Caller
from console.errors import ApiError, ForbiddenError, UnauthorizedError
from console.pages.parts.text import safe
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines.keys import Scope

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Visit(NamedTuple):
    """One open page."""

    held: Services
    caller: Caller
    request: Request

    async def ask(self, read: Callable[Given, Found], *args: Given.args, **named: Given.kwargs) -> Found:
        """Run what waits for Kafka or the warehouse beside the event loop."""
        return await run_in_threadpool(read, *args, **named)

    async def again(self, scope: Scope) -> Caller:
        """The caller, looked up anew: a key may have been revoked while the page was open. Raises ApiError when he may not."""
        caller: Caller = await run_in_threadpool(self.held.guard.caller, self.request)
        if not caller.may(scope):
            raise ForbiddenError(Wrong("", f"your key may {caller.scope}; this needs one that may {scope}"))
        if self.caller.customer is not None and caller.customer != self.caller.customer:
            raise ForbiddenError(Wrong("", "you are logged in with another key by now; load the page again"))
        return caller


async def enter(request: Request, *, customer: str | None = None, owner: Callable[[Services], str | None] | None = None) -> Visit | Response:
    """The visit, or where to go instead.

    `customer`: whose page it is, or `owner`, which looks it up; neither: it is about all, and a key of one customer does not open it.
    """
    held: Services = app.state.services
    try:
        # A thread is for what waits: on a busy machine the way there and back takes longer than to look.
        caller = held.guard.caller(request) if held.guard.knows(request) else await run_in_threadpool(held.guard.caller, request)
        if not caller.may("read"):
            raise ForbiddenError(Wrong("", f"this key may {caller.scope} only; a page needs one that may read"))
        if caller.customer is not None:
            if owner is not None:
                customer = await run_in_threadpool(owner, held)
            if customer is None:
                return RedirectResponse(f"/customers/{quote(caller.customer, safe='')}", 303)
            caller.see(customer)
    except UnauthorizedError:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked)}", 303)
    except ApiError as error:
        return HTMLResponse(
            f'<!doctype html><meta charset="utf-8"><title>Not allowed</title><p>{safe(error)}</p><p><a href="/login">Log in with another key</a></p>',
            error.status,
        )
    return Visit(held, caller, request)
