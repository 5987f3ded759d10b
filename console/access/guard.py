"""Who calls, and whether they may.

A caller shows an API key (`Authorization: Bearer tm_…`), or the cookie of a session that a key has opened. While no key was ever made and the
console listens on loopback only, whoever reaches it is its owner: the first minutes on one's own machine need no ceremony. From the first key
on, and always on another address, every request needs one.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import Depends, Request, WebSocket
from fastapi.security import HTTPBearer

from console.access.limits import Limits
from console.access.sessions import COOKIE, EMBEDDED, Sessions
from console.books import KEPT_FRESH_S, Books
from console.errors import ForbiddenError, UnauthorizedError
from contracts.translation.fields import Wrong
from pipelines import keys
from pipelines.keys import IMPLIED, Scope

Connection = Request | WebSocket
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
KNOWN_FOR_S: Final = KEPT_FRESH_S
"""A key that was revoked elsewhere opens doors for this long at most."""

_BEARER = HTTPBearer(auto_error=False, description="An API key: `taximeter key new --scope write`")


class Caller(NamedTuple):
    """Who asks: `name` goes into the log as the author of edits."""

    name: str
    scope: Scope
    customer: str | None = None
    by: Literal["key", "session", "owner"] = "key"
    key: str = ""
    """Id of the API key that is behind it; the owner has none."""

    def may(self, scope: Scope) -> bool:
        return scope in IMPLIED[self.scope]

    def see(self, customer: str) -> None:
        """Raises ForbiddenError when the key is of another customer."""
        if self.customer is not None and customer != self.customer:
            raise ForbiddenError(Wrong("customer_id", f"this key is for customer {self.customer!r} only"))


class Guard:
    """Knows the keys, the sessions and the limits."""

    def __init__(self, books: Books, sessions: Sessions, limits: Limits, host: str) -> None:
        self._books = books
        self.sessions = sessions
        self.limits = limits
        self._loopback = host in LOOPBACK

    def caller(self, connection: Connection) -> Caller:
        """Who is it? Raises UnauthorizedError, TooManyError."""
        address = connection.client.host if connection.client else ""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme:
            self.limits.guess(address)
            key = self.key(token.strip()) if scheme.lower() == "bearer" else None
            if key is None:
                self.limits.wrong(address)
                raise UnauthorizedError(
                    Wrong("Authorization", "this is no API key, or it was revoked; send `Authorization: Bearer tm_…` (`taximeter key new`)"),
                    headers={"WWW-Authenticate": "Bearer"},
                )
            self.limits.request(key.id)
            return Caller(key.name, key.scope, key.customer, key=key.id)
        cookie = connection.cookies.get(COOKIE)
        found = self._opened(self.sessions.key_of(cookie) if cookie else None)
        if found is not None:
            return Caller(found.name, found.scope, found.customer, "session", found.id)
        if self.open:
            return Caller("owner", "admin", None, "owner")
        cookie = connection.cookies.get(EMBEDDED)
        key_id, customer = (self.sessions.embedded_in(cookie) if cookie else None) or (None, None)
        found = self._opened(key_id)
        if found is not None and found.may("read") and found.customer in (None, customer):
            return Caller(found.name, "read", customer, "session", found.id)
        raise UnauthorizedError(
            Wrong("Authorization", "an API key is needed: send `Authorization: Bearer tm_…` (`taximeter key new`), or log in at /login"),
            headers={"WWW-Authenticate": "Bearer"},
        )

    def knows(self, connection: Connection) -> bool:
        """Whether `caller` would answer at once: a session, and no need to ask Kafka."""
        return "authorization" not in connection.headers and self._books.fresh(KNOWN_FOR_S)

    def key(self, text: str) -> keys.Key | None:
        """The key that the text is. One that is not known yet may be seconds old."""
        return keys.opened_by(self._books.now(KNOWN_FOR_S).objects, text) or keys.opened_by(self._books.now().objects, text)

    def _opened(self, key_id: str | None) -> keys.Key | None:
        """The key behind a session, while it is not revoked. Raises TooManyError."""
        found = self._books.now(KNOWN_FOR_S).objects.get(keys.KIND, key_id) if key_id else None
        if found is None or found.body["revoked_ms"] is not None:
            return None
        described = keys.describe(found)
        self.limits.request(described.id)
        return described

    @property
    def open(self) -> bool:
        """No key was ever made, and only this machine reaches us."""
        return self._loopback and next(self._books.now(KNOWN_FOR_S).objects.of(keys.KIND), None) is None


def need(scope: Scope, *, of_customer: bool = False) -> Callable[..., Caller]:
    """A dependency: the caller, who has the scope. A key of one customer passes only where `of_customer` says that the route looks at it."""

    def look(request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Caller:
        caller: Caller = request.app.state.guard.caller(request)
        if not caller.may(scope):
            raise ForbiddenError(Wrong("Authorization", f"this key may {caller.scope}; this needs one that may {scope}"))
        if caller.customer is not None:
            if not of_customer:
                raise ForbiddenError(Wrong("Authorization", f"this key is for customer {caller.customer!r} only, and this is about all of them"))
            named = request.path_params.get("customer_id") or request.path_params.get("customer")
            if named is not None:
                caller.see(named)
        request.state.caller = caller
        request.state.started = time.monotonic()
        return caller

    return look


Ingesting = Annotated[Caller, Depends(need("ingest", of_customer=True))]
Reading = Annotated[Caller, Depends(need("read"))]
CustomerReading = Annotated[Caller, Depends(need("read", of_customer=True))]
"""For routes that look at one customer: in the path, or by `Caller.see`."""
Writing = Annotated[Caller, Depends(need("write"))]
Administering = Annotated[Caller, Depends(need("admin"))]
