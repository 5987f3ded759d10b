"""Invoices with their lines, drafts included, exactly as they were rated; as PDF; and void, regenerate, finalize."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from console.access.guard import CustomerReading, Writing
from console.errors import NotFoundError, missing
from console.reading import instant
from console.requests import Held, Json
from console.services import Services
from console.wire import Answer, Exact
from contracts.rendering import invoice_json
from contracts.result import Invoice
from contracts.translation.fields import Wrong
from pipelines.warehouse import reads

router = APIRouter(prefix="/api/v1", tags=["invoices"], default_response_class=Answer, route_class=Exact)


@router.get("/customers/{customer}/invoices", summary="Invoices of a customer")
def listed(
    held: Held,
    _: CustomerReading,
    customer: str,
    contract: str = "",
    starting_from: Annotated[str | None, Query(description="Only periods that start at or after this time")] = None,
    starting_before: Annotated[str | None, Query(description="Only periods that start before this time")] = None,
    as_of: Annotated[str | None, Query(description="As they were at that time: rated again from what was recorded by then")] = None,
) -> dict[str, Any]:
    """Oldest first, with all lines."""
    from_ms = instant(starting_from, "starting_from", reads.FIRST_MS)
    until_ms = instant(starting_before, "starting_before", reads.LAST_MS)
    with held.warehouse.client() as client:
        if as_of is None:
            found = reads.invoices_of(client, customer, contract=contract, from_ms=from_ms, until_ms=until_ms)
        else:
            from pipelines.warehouse.rebuild import result_as_of  # noqa: PLC0415 - the rating core is loaded when it is first needed

            everything = result_as_of(client, customer, instant(as_of, "as_of", 0)).invoices
            found = tuple(
                each for each in everything if each.customer == customer and contract in ("", each.contract) and from_ms <= each.starting_ms < until_ms
            )
    return {"invoices": [invoice_json(each) for each in found]}


@router.get("/invoices/{id}", summary="An invoice with its lines")
def one(held: Held, caller: CustomerReading, id: str) -> dict[str, Any]:
    found = invoice_of(held, id)
    caller.see(found.customer)
    return invoice_json(found)


@router.get("/invoices/{id}/pdf", summary="An invoice as PDF", response_class=Response, responses={200: {"content": {"application/pdf": {}}}})
def pdf(held: Held, caller: CustomerReading, id: str) -> Response:
    found = invoice_of(held, id)
    caller.see(found.customer)
    return pdf_answer(held, found)


@router.get("/lines/{id}/explanation", summary="How a line came about")
def explain(held: Held, caller: CustomerReading, id: str, events: Annotated[int, Query(ge=0, le=10_000)] = 20) -> dict[str, Any]:
    """Windows and running quantity, the rate and its version, winning and losing overrides, tier arithmetic, draws, rounding, down to event ids."""
    from pipelines.explaining import UnknownLineError, explained  # noqa: PLC0415 - the rating core is loaded when it is first needed

    with held.warehouse.client() as client:
        customer = reads.customer_of_line(client, id)
        if customer is None:
            raise missing("line", id)
        caller.see(customer)
        try:
            found = explained(client, id, events=events)
        except UnknownLineError as error:
            raise NotFoundError(Wrong("id", str(error))) from error
    return {**found.json(), "text": found.explanation.text()}


@router.post("/invoices/{id}/{action}", summary="Void, regenerate or finalize a usage invoice")
def act(held: Held, caller: Writing, id: str, action: str, _: Json) -> dict[str, Any]:
    if action not in ("void", "regenerate", "finalize"):
        raise missing("action", action)
    found = invoice_of(held, id)
    published = held.books.act(action, found.contract, found.starting_ms, caller.name)
    return {"edit": published.edit}


def invoice_of(held: Services, name: str) -> Invoice:
    found = held.warehouse.invoice(name)
    if found is None:
        raise missing("invoice", name)
    return found


def pdf_answer(held: Services, invoice: Invoice) -> Response:
    from console import paper  # noqa: PLC0415 - the typesetter is loaded when it is first needed

    name = held.books.now().objects.body("customer", invoice.customer).get("name") or invoice.customer
    data = paper.pdf(invoice, name, names_of(held, invoice.contract))
    return Response(data, media_type="application/pdf", headers={"Content-Disposition": f'inline; filename="invoice-{invoice.id[:16]}.pdf"'})


def names_of(held: Services, contract: str) -> dict[str, str]:
    """Names of the products of a contract's catalogue, by id."""
    papers = held.books.now().documents
    recorded = papers.contracts.get(contract)
    catalogue = papers.catalogues.get(recorded.contract.catalogue) if recorded else None
    return {name: product.name for name, product in catalogue.catalogue.products.items()} if catalogue else {}
