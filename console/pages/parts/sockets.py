"""The end of a page's socket.

Engine.IO tells it by an error. An error keeps the frames that it went through, one of those has the task whose error it is, and so everything of a
socket that was closed refers to itself and waits for the collector of garbage; a class of its own, which each request gets for its body, does the
same. That is some hundred objects, and the request that the socket began as.
"""

from collections.abc import Mapping
from typing import Any

from engineio.async_drivers.asgi import WebSocket, translate_request
from socketio import AsyncServer
from starlette.types import Message, Receive, Scope, Send


class Socket(WebSocket):  # type: ignore[misc]  # Engine.IO has no declarations
    """Says that it is closed by giving nothing, which Engine.IO knows as well."""

    async def wait(self) -> Any:
        try:
            return await super().wait()
        except OSError:
            if self.handler.__self__.upgrading:  # it has begun as polling, and waits for the browser to change over
                raise
            return None


async def translated(scope: Scope, receive: Receive, send: Send) -> Mapping[str, Any]:
    """As Engine.IO wants a request. The body of a socket's is never read, so what would read it does not get the socket."""
    if scope["type"] != "websocket":
        return await translate_request(scope, receive, send)  # type: ignore[no-any-return]
    heard = await receive()

    async def first() -> Message:
        return heard

    environ: dict[str, Any] = await translate_request(scope, first, send)
    return {**environ, "asgi.receive": receive} if environ else environ


def end_quietly(server: AsyncServer) -> None:
    """For all sockets of that server from now on."""
    engine = server.eio
    engine._async = {**engine._async, "websocket": Socket, "translate_request": translated}  # noqa: SLF001 - there is no other way
