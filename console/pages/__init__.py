"""The console's pages: one file a page, on the FastAPI application of the API, from the same services."""

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import core, ui
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from console.access.framing import Framing
from console.access.origin import SameOrigin
from console.gathering import Shared
from console.pages import alerts, catalogue, contract, contract_edit, customer, customers, events, invoice, line, overview, replay
from console.pages.parts.closing import let_go
from console.pages.parts.delivery import compressed, deliver
from console.pages.parts.pulse import Pulse
from console.pages.parts.signatures import remember
from console.pages.parts.sockets import end_quietly
from console.pages.parts.spend import Charts
from console.services import Services

__all__ = ["attach"]

_PAGES = (alerts, catalogue, contract, contract_edit, customer, customers, events, invoice, line, overview, replay)  # importing a page registers it
DOCUMENTS_S = 1.0
"""How old the documents may be that a page shows which has moved."""
OURS = ("/api/", "/v1/", "/v2/", "/login", "/logout", "/embed/")


class _Apart:
    """ASGI: pages and their sockets beside the API. What the API does for each of its requests (its hundreds of routes among it) a page does again, in
    NiceGUI's application, and a socket keeps all that it went through for as long as its page is open."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An unknown path of the API is still answered by the API, in its one shape."""
        ours = scope["type"] == "lifespan" or scope["path"].startswith(OURS)
        await (self._api if ours else self._pages)(scope, receive, send)


def attach(app: FastAPI, services: Services) -> ASGIApp:
    """The application with the pages. Once in a process: NiceGUI keeps one."""
    remember()
    pages.state.services = services
    pages.state.pulse = Pulse(services.warehouse, lambda: services.books.now(DOCUMENTS_S).documents.families.customers)
    pages.state.charts = Charts(services.warehouse)
    pages.state.watch = overview.Watch(services)
    pages.state.events = Shared(events.LOOK_S * 0.8)
    pages.state.alerts = Shared(alerts.LOOK_S * 0.8)
    ui.run_with(
        app,
        title="Taximeter",
        language="en-US",
        dark=None,
        favicon="🚕",
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
        gzip_middleware_factory=compressed,
    )
    pages.on_delete(let_go)
    end_quietly(core.sio)
    deliver(pages)
    mounted = app.router.routes.pop()
    if not isinstance(mounted, Mount) or mounted.app is not pages:
        raise TypeError(f"NiceGUI has mounted {mounted!r}")
    settings = services.deployment.settings
    return _Apart(app, Framing(SameOrigin(pages, settings.console_host), settings.console_sites))
