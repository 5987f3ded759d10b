"""Customers: who they are, what is left of their commits and credits, and how it came about."""

from typing import Any

from fastapi import APIRouter

from console import ledger
from console.access.guard import CustomerReading, Reading
from console.errors import missing
from console.requests import Held
from console.services import Services
from console.wire import Answer, Exact
from contracts.contract import Contract
from contracts.rendering import balance_json
from contracts.timeline import iso
from pipelines.warehouse import reads

router = APIRouter(prefix="/api/v1", tags=["customers"], default_response_class=Answer, route_class=Exact)


@router.get("/customers", summary="All customers")
def listed(held: Held, _: Reading) -> dict[str, Any]:
    """Everybody who has a contract, or was made by the API."""
    papers = held.books.now()
    contracts: dict[str, list[str]] = {each.id: [] for each in papers.objects.of("customer")}
    for name, recorded in papers.documents.contracts.items():
        contracts.setdefault(recorded.contract.customer, []).append(name)
    return {"customers": [{"id": name, "name": papers.objects.body("customer", name).get("name"), "contracts": ids} for name, ids in sorted(contracts.items())]}


@router.get("/customers/{customer}", summary="A customer with its contracts, aliases and family")
def one(held: Held, _: CustomerReading, customer: str) -> dict[str, Any]:
    papers = held.books.now()
    kept = papers.objects.get("customer", customer)
    contracts = contracts_of(held, customer)
    if not contracts and kept is None:
        raise missing("customer", customer)
    return {
        "id": customer,
        "name": kept.body.get("name") if kept else None,
        "root": papers.documents.families.root(customer),
        "aliases": sorted({alias for contract in contracts for alias in contract.aliases}),
        "contracts": [
            {
                "id": each.id,
                "name": each.name,
                "starting_at": each.starting_at,
                "ending_before": each.ending_before,
                "catalogue": each.catalogue,
                "clock": each.clock,
            }
            for each in contracts
        ],
    }


@router.get("/customers/{customer}/balances", summary="What is left of commits and credits, drafts included")
def balances(held: Held, _: CustomerReading, customer: str) -> dict[str, Any]:
    with held.warehouse.client() as client:
        return {"balances": [balance_json(each) for each in reads.balances_of(client, customer)]}


@router.get("/customers/{customer}/ledger", summary="How each balance came about")
def ledgers(held: Held, _: CustomerReading, customer: str, contract: str = "", grant: str = "") -> dict[str, Any]:
    """Entries of each commit and credit in the order of time; their sum is the balance."""
    with held.warehouse.client() as client:
        found = reads.balances_of(client, customer)
        invoices = reads.invoices_of(client, customer)
        now_ms = held.warehouse.now_ms()
    shown = []
    for of in contracts_of(held, customer):
        for each in ledger.grants(of):
            balance = next((row for row in found if (row.contract, row.id) == (of.id, each.id)), None)
            if balance is None or contract not in ("", of.id) or grant not in ("", each.id):
                continue
            entries = ledger.entries(of, each, balance, invoices, max([now_ms, *(invoice.starting_ms for invoice in invoices)]))
            shown.append(
                {
                    "contract": of.id,
                    "id": each.id,
                    "type": each.type,
                    "remaining": format(balance.remaining, "f"),
                    "entries": [{"type": row.type, "at": iso(row.at_ms), "amount": format(row.amount, "f"), "invoice": row.invoice} for row in entries],
                }
            )
    return {"ledgers": shown}


def contracts_of(held: Services, customer: str) -> list[Contract]:
    """The contracts of a customer in force, by id."""
    return held.books.now().documents.families.contracts_of(customer)
