"""Counts what the console answers, for `/metrics`."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.monitoring import metrics


class Observed:
    """ASGI middleware: one count and one duration for each answer to an HTTP request, by method and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.REQUESTS.labels(scope["method"], str(message["status"])).inc()
                metrics.REQUEST.labels(scope["method"]).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, sent)
