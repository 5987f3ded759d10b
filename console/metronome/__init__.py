"""The paths of Metronome's public API, over our documents: its official clients work with `base_url` set to us.

One module a resource. `shelf` finds what a request names; `contracts.translation.metronome` reads money, prices and the terms of a contract, which
`terms_out` shows. The documents are the truth: what people write elsewhere is seen here, and what is made here is seen there.
"""

from fastapi import APIRouter


def resources() -> list[APIRouter]:
    """What is served. Imported when it is asked for, so that the command line does not pay for it."""
    from console.metronome import (  # noqa: PLC0415
        alerts,
        audit_logs,
        balances,
        contracts,
        credit_types,
        customers,
        editing,
        invoices,
        metrics,
        packages,
        products,
        rate_cards,
        usage,
    )

    modules = (usage, metrics, customers, products, rate_cards, contracts, editing, balances, invoices, alerts, packages, credit_types, audit_logs)
    return [each.router for each in modules]


def routers() -> list[APIRouter]:
    """All of them, and those that refuse the rest."""
    from console.metronome.endpoints import refusals  # noqa: PLC0415

    found = resources()
    return [*found, refusals(found)]
