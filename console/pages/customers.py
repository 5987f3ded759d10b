"""/customers: everybody, with what is due so far."""

from decimal import Decimal
from typing import NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.states import empty, soon
from console.pages.parts.text import Html, join, link, many, money, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services

DRAFTS = "SELECT customer, currency, sum(total) FROM invoices WHERE status = 'draft' AND kind = 'usage' GROUP BY customer, currency"
MOST = 500


class Row(NamedTuple):
    customer: str
    name: str
    contracts: list[str]
    drafts: list[tuple[str, Decimal]]
    """Currency and sum."""


def read(held: Services) -> list[Row]:
    papers = held.books.now()
    drafts: dict[str, list[tuple[str, Decimal]]] = {}
    for customer, currency, total in held.warehouse.query(DRAFTS):
        drafts.setdefault(customer, []).append((currency, total))
    contracts: dict[str, list[str]] = {each.id: [] for each in papers.objects.of("customer")}
    for name, recorded in papers.documents.contracts.items():
        contracts.setdefault(recorded.contract.customer, []).append(name)
    return [
        Row(customer, papers.objects.body("customer", customer).get("name") or "", sorted(ids), sorted(drafts.get(customer, [])))
        for customer, ids in sorted(contracts.items())
    ]


def shown(rows: list[Row], asked: str) -> Html:
    """Those whose id, name or contract has the text that is asked for."""
    if not rows:
        return empty("No customer yet", Html("Apply a contract with <code>taximeter apply</code>, or run <code>taximeter demo --stay</code>."))
    found = [each for each in rows if asked.casefold() in f"{each.customer} {each.name} {' '.join(each.contracts)}".casefold()]
    if not found:
        return empty(f"No customer matches {asked!r}", "Ids, names and contracts are searched.")
    body = [
        row(
            tag("span", link(each.customer, "customers", each.customer), tag("small", each.name) if each.name else ""),
            join(tag("div", link(name, "contracts", name)) for name in each.contracts),
            join(tag("div", f"{money(total, currency)} {currency}") for currency, total in each.drafts) if each.drafts else "–",
            kinds=("", "", "num"),
        )
        for each in found[:MOST]
    ]
    more = tag("p", f"The first {MOST} of {many(len(found))}; search to see others.", class_="soft") if len(found) > MOST else ""
    return join([table((("Customer", ""), ("Contracts", ""), ("Drafts", "num")), body, "Customers"), more])


@at("/customers")
async def page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Customers", "Customers"):
        raw(tag("h1", "Customers"))
        with card() as box:
            search = ui.input("Search").props("outlined dense clearable debounce=150").style("max-width: 24rem; width: 100%")
            where = ui.element("div")

            def draw(rows: list[Row]) -> None:
                found = raw(shown(rows, ""))
                search.on_value_change(lambda event: found.set_content(shown(rows, event.value or "")))

            await soon(where, lambda: visit.ask(read, visit.held), draw)
        box.update()
    return None
