"""The native HTTP API, `/api/v1/…`: one module a resource."""

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """All of them. Imported when the application is made, so that the command line does not pay for it."""
    from console.api import alerts, audit, clocks, customers, documents, events, holds, invoices, keys, rejects, replays, status, webhooks, whatifs  # noqa: PLC0415

    routers = [each.router for each in (documents, whatifs, customers, invoices, events, rejects, replays, alerts, clocks, keys, webhooks, audit, status)]
    return [*routers, *holds.routers()]
