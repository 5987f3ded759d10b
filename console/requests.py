"""From a request to an edit: what native routes and those of Metronome's API share."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request

from console.access.guard import Caller
from console.books import Change, Papers, Repeatable
from console.errors import invalid
from console.services import Services
from console.wire import parse, raw
from contracts.translation.fields import Fields
from pipelines.publishing import Published


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Held = Annotated[Services, Depends(_services)]
"""The services of the process."""


class Body(NamedTuple):
    """A JSON body, and what tells this request from another."""

    fields: Fields
    data: bytes
    path: str
    repeat_key: str | None

    def repeatable(self, caller: Caller) -> Repeatable | None:
        if self.repeat_key is None:
            return None
        return Repeatable(f"{caller.by}:{caller.name}", self.repeat_key, self.path.encode() + b"\0" + self.data)


async def _body(request: Request) -> Body:
    data = await raw(request)
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= 255:
        raise invalid("Idempotency-Key", "must be 1 to 255 characters")
    return Body(Fields(parse(data)), data, request.url.path, key)


Json = Annotated[Body, Depends(_body)]


def edit(
    held: Services, caller: Caller, body: Body, make: Callable[[Papers], Change], expected: Mapping[str, int] | None = None
) -> tuple[Any, Published | None]:
    """Carry out an edit once, however often the request comes under one Idempotency-Key."""
    return held.books.commit(make, caller.name, expected=expected, repeatable=body.repeatable(caller))
