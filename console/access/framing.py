"""Which sites may show our pages inside theirs: none, unless the settings name them. Otherwise a page of theirs could lay itself over ours."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Framing:
    """ASGI middleware: `Content-Security-Policy: frame-ancestors …` on every answer."""

    def __init__(self, app: ASGIApp, sites: str) -> None:
        """`sites`: origins separated by blanks, such as `https://portal.example`."""
        self._app = app
        self._policy = policy(sites)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = self._policy
            await send(message)

        await self._app(scope, receive, sent)


def policy(sites: str) -> str:
    """The header's value. Pure."""
    return " ".join(["frame-ancestors", "'self'", *sites.replace(",", " ").split()])
