"""No other site acts through a person's browser: what changes something, and every socket, must come from our own pages.

A browser tells where a request comes from (`Origin`, `Sec-Fetch-Site`) and a page cannot change that. Requests with an API key are not meant:
a browser never adds one by itself. On loopback the name of the host is looked at too, so a name that was bent to 127.0.0.1 gets nowhere.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from console.access.guard import LOOPBACK
from console.errors import ForbiddenError
from contracts.translation.fields import Wrong

SAFE: Final = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._loopback = host in LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        why = refusal(scope["type"] == "websocket" or scope["method"] not in SAFE, headers, loopback=self._loopback)
        if why is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        else:
            body = msgspec.json.encode(ForbiddenError(Wrong("Origin", why)).body())
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": body})


def refusal(acts: bool, headers: Mapping[str, Any], *, loopback: bool) -> str | None:
    """Why a request is refused; none: it is not. Pure."""
    host = headers.get("host", "")
    if loopback and urlsplit(f"//{host}").hostname not in (*LOOPBACK, None):
        return f"this console listens on this machine only, and {host!r} is not its name"
    if not acts or headers.get("authorization"):
        return None
    origin = headers.get("origin")
    if origin is not None:
        return None if urlsplit(origin).netloc == host else f"the page at {origin} may not act here"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return "a page of another site may not act here"
    return "a session acts from our own pages only; programs send an API key" if "cookie" in headers else None
