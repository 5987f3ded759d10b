"""/invoices/ID: an invoice to read, to print, and as PDF; every line leads to how it came about."""

from typing import NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console.api.invoices import invoice_of, names_of
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.invoice import KINDS, STATUS, invoice_table
from console.pages.parts.states import soon
from console.pages.parts.text import Html, badge, day, join, link, money, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services
from contracts.result import Invoice


class Shown(NamedTuple):
    invoice: Invoice
    names: dict[str, str]
    customer: str


def read(held: Services, name: str) -> Shown:
    """Raises NotFoundError, UnavailableError."""
    invoice = invoice_of(held, name)
    called = held.books.now().objects.body("customer", invoice.customer).get("name") or invoice.customer
    return Shown(invoice, names_of(held, invoice.contract), str(called))


def _head(shown: Shown, pdf: str) -> Html:
    invoice = shown.invoice
    facts = [
        ("Customer", link(shown.customer, "customers", invoice.customer)),
        ("Contract", link(invoice.contract, "contracts", invoice.contract)),
        ("Period", f"{day(invoice.starting_ms)} – {day(invoice.ending_ms)}"),
        ("Issued", day(invoice.issue_ms)),
        ("Total", f"{money(invoice.total, invoice.currency)} {invoice.currency}"),
        ("Id", invoice.id),
    ]
    return join([
        tag(
            "div", tag("h1", f"{KINDS[invoice.kind]} invoice"), badge(invoice.status, STATUS[invoice.status]),
            tag("span", tag("a", "PDF", href=pdf), " · ", tag("a", "Print", href="javascript:window.print()"), class_="right noprint"), class_="head",
        ),
        tag("dl", *(join([tag("dt", name), tag("dd", value)]) for name, value in facts), style="margin-top: .75rem"),
    ])  # fmt: skip


@at("/invoices/{name}")
async def page(request: Request, name: str) -> Response | None:
    visit = await enter(request, owner=lambda held: owner_of(held, name))
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Customers", "Invoice"):
        where = ui.element("div").classes("stack")

        def draw(shown: Shown) -> None:
            with card():
                raw(_head(shown, f"/api/v1/invoices/{shown.invoice.id}/pdf"))
            with card():
                raw(invoice_table(shown.invoice, shown.names))

        await soon(where, lambda: visit.ask(read, visit.held, name), draw, 8)
    return None


def owner_of(held: Services, name: str) -> str | None:
    """Whose invoice it is; none: there is no such invoice."""
    found = held.warehouse.invoice(name)
    return found.customer if found else None
