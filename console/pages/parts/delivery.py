"""How the answers of pages leave: as NiceGUI has it, at a smaller price.

NiceGUI's own two middlewares start a task, a group of tasks and two streams each for every request, to set one header of a few; whatever compresses
does it as well as it can, which takes twice as long as doing it well. A page is there for one person once.
"""

from typing import Final

from nicegui import App, __version__
from nicegui.middlewares import RedirectWithPrefixMiddleware, SetCacheControlMiddleware
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSED: Final = 3
"""Of 9."""
_OURS: Final = f"/_nicegui/{__version__}/"
_CHANGES: Final = f"{_OURS}dynamic_resources/"


class Delivery:
    """ASGI middleware: what comes with the wheel may be kept by a browser; a redirect stays behind the prefix of a proxy."""

    def __init__(self, app: ASGIApp, kept: str) -> None:
        """`kept`: the `Cache-Control` of what comes with the wheel."""
        self._app = app
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if path.startswith(_OURS) and not path.startswith(_CHANGES):
                    headers["Cache-Control"] = self._kept
                where = headers.get("Location", "")
                if where.startswith("/"):
                    headers["Location"] = Headers(scope=scope).get("X-Forwarded-Prefix", "") + where
            await send(message)

        await self._app(scope, receive, sent)


def compressed(app: ASGIApp) -> GZipMiddleware:
    return GZipMiddleware(app, compresslevel=COMPRESSED)


def deliver(app: App) -> None:
    """In place of NiceGUI's two, before anything was answered."""
    theirs: tuple[object, ...] = (RedirectWithPrefixMiddleware, SetCacheControlMiddleware)
    app.user_middleware[:] = [each for each in app.user_middleware if each.cls not in theirs]
    app.add_middleware(Delivery, kept=app.config.cache_control_directives)
