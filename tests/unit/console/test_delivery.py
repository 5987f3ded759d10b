"""Answers of pages leave as NiceGUI has it."""

import asyncio

import httpx
import pytest
from nicegui import App, __version__
from nicegui.middlewares import RedirectWithPrefixMiddleware, SetCacheControlMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from console.pages.parts.delivery import Delivery, compressed, deliver

KEPT = "public, max-age=1"


async def answer(request: Request) -> Response:
    path = request.url.path
    return (
        RedirectResponse("/there") if path == "/here" else RedirectResponse("https://elsewhere.example/") if path == "/away" else PlainTextResponse("x" * 2_000)
    )


def answered(path: str, headers: dict[str, str], *middleware: Middleware) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = Starlette(routes=[Route("/{path:path}", answer)], middleware=list(middleware))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "path", (f"/_nicegui/{__version__}/static/a.js", f"/_nicegui/{__version__}/dynamic_resources/a.js", "/customers/acme", "/here", "/away")
)
@pytest.mark.parametrize("headers", ({}, {"X-Forwarded-Prefix": "/billing"}), ids=("alone", "behind a proxy"))
def test_headers_are_those_that_niceguis_own_would_set(monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str]) -> None:
    from nicegui import core

    monkeypatch.setattr(core.app.config, "cache_control_directives", KEPT, raising=False)
    theirs = answered(path, headers, Middleware(RedirectWithPrefixMiddleware), Middleware(SetCacheControlMiddleware))
    ours = answered(path, headers, Middleware(Delivery, kept=KEPT))
    assert (ours.status_code, ours.headers, ours.text) == (theirs.status_code, theirs.headers, theirs.text)


def test_it_stands_for_both_of_them() -> None:
    app = App()
    for each in (RedirectWithPrefixMiddleware, SetCacheControlMiddleware):
        app.add_middleware(each)
    app.config.cache_control_directives = KEPT
    deliver(app)
    assert [str(each.cls) for each in app.user_middleware] == [str(Delivery)]


def test_a_page_is_compressed_for_those_who_take_it() -> None:
    assert answered("/page", {}, Middleware(compressed)).headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in answered("/page", {"Accept-Encoding": "identity"}, Middleware(compressed)).headers
