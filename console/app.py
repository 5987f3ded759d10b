"""The composition root: the HTTP API, later the pages, on one FastAPI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from console import api, metronome
from console.access import embedding, login
from console.access.framing import Framing
from console.access.origin import SameOrigin
from console.errors import ApiError, answer_of
from console.services import Services
from console.wire import Answer
from contracts.translation.fields import RefusedError, Wrong

LOG = logging.getLogger("taximeter.console")

ABOUT = """Native endpoints under `/api/v1`; the paths of Metronome's public API under `/v1` and `/v2`.

Every refusal has one shape: `{"message", "errors": [{"field", "message"}]}`. Amounts are decimal text in the currency's units under `/api/v1`;
under `/v1` and `/v2` they are numbers, and US dollars are in cents there.
"""


def create(services: Services) -> FastAPI:
    """The application over running services. Whoever makes them closes them."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield

    # The pages of the description come with a wheel: nothing is loaded from elsewhere.
    app = FastAPIOffline(
        title="Taximeter",
        version=version("taximeter"),
        description=ABOUT,
        lifespan=life,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        static_url="/api/docs-static",
    )
    app.state.services = services
    app.state.guard = services.guard
    app.add_middleware(SameOrigin, host=services.deployment.settings.console_host)
    app.add_middleware(Framing, sites=services.deployment.settings.console_sites)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _broken)
    app.include_router(login.router)
    app.include_router(embedding.opening)
    for router in (embedding.router, *api.routers(), *metronome.routers()):
        app.include_router(router)
    return app


async def _refused(_: Request, error: Exception) -> Answer:
    if not isinstance(error, RefusedError):
        raise error
    answer = answer_of(error)
    return Answer(answer.body(), answer.status, answer.headers)


async def _misfit(_: Request, error: Exception) -> Answer:
    """A path or query parameter that does not fit."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = [Wrong(".".join(str(part) for part in each["loc"][1:]), each["msg"]) for each in error.errors()]
    return Answer(ApiError(*wrong).body(), 400)


async def _plain(request: Request, error: Exception) -> Answer:
    if not isinstance(error, HTTPException):
        raise error
    said: Any = error.detail
    if error.status_code == 404 and said == "Not Found":
        said = f"there is nothing at {request.url.path}; /api/docs lists what there is"
    return Answer(ApiError(Wrong("", str(said))).body(), error.status_code, dict(error.headers or {}))


async def _broken(request: Request, error: Exception) -> Answer:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Answer(ApiError(Wrong("", "this should not happen; the console's log has the details")).body(), 500)
