"""The console's pages: one file a page, on the FastAPI application of the API, from the same services."""

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui
from starlette.routing import Match, Mount
from starlette.types import Scope

from console.gathering import Shared
from console.pages import alerts, catalogue, contract, contract_edit, customer, customers, events, invoice, line, overview, replay
from console.pages.parts.closing import let_go
from console.pages.parts.pulse import Pulse
from console.pages.parts.signatures import remember
from console.pages.parts.spend import Charts
from console.services import Services

__all__ = ["attach"]

_PAGES = (alerts, catalogue, contract, contract_edit, customer, customers, events, invoice, line, overview, replay)  # importing a page registers it
DOCUMENTS_S = 1.0
"""How old the documents may be that a page shows which has moved."""
OURS = ("/api/", "/v1/", "/v2/", "/login", "/logout", "/embed/")


class _Pages(Mount):
    """Everything but the API and the ways in: an unknown path there is still answered by the API, in its one shape."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if scope.get("path", "").startswith(OURS) else super().matches(scope)


def attach(app: FastAPI, services: Services) -> FastAPI:
    """The same application with the pages. Once in a process: NiceGUI keeps one."""
    remember()
    pages.state.services = services
    pages.state.pulse = Pulse(services.warehouse, lambda: services.books.now(DOCUMENTS_S))
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
    )
    pages.on_delete(let_go)
    mounted = app.router.routes.pop()
    if not isinstance(mounted, Mount):
        raise TypeError(f"NiceGUI has mounted {mounted!r}")
    # Before the routes of the API, which are hundreds: each page and socket would be compared with all of them.
    app.router.routes.insert(0, _Pages("", mounted.app))
    return app
