"""/contracts/ID: what was agreed, in the order of time; prices; every version with its author and what differs."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console import whatifs
from console.errors import missing
from console.pages.parts.frame import at, boxed, card, frame, raw
from console.pages.parts.history import history
from console.pages.parts.price import price_text
from console.pages.parts.states import BELOW_S, empty, soon
from console.pages.parts.text import Html, badge, href, join, link, number, row, table, tag
from console.pages.parts.timeline import effect, timeline
from console.pages.parts.visit import Visit, enter
from console.pages.parts.whatif import WhatIf
from console.reading import Version
from console.services import Services
from contracts import writing
from contracts.catalogue import Catalogue
from contracts.contract import Contract, Override
from pipelines.clock import WALL

CLOCK = "SELECT toUnixTimestamp64Milli(max(as_of)) FROM invoice_revisions WHERE customer = {customer:String}"


class Shown(NamedTuple):
    version: int
    contract: Contract
    catalogue: Catalogue | None
    now_ms: int
    """On the contract's clock; 0: nothing was rated on it yet."""


class Past(NamedTuple):
    """What only the warehouse knows: it follows, and nobody waits for it who reads what holds."""

    contract: Contract
    names: dict[str, str]
    """Names of products by id."""
    versions: Sequence[Version]
    kept: Sequence[whatifs.Kept]
    periods: Sequence[tuple[int, int]]


def read(held: Services, name: str) -> Shown:
    """Raises NotFoundError, UnavailableError."""
    papers = held.books.now()
    recorded = papers.documents.contracts.get(name)
    if recorded is None:
        raise missing("contract", name)
    found = papers.documents.catalogues.get(recorded.contract.catalogue)
    return Shown(
        recorded.version,
        recorded.contract,
        found.catalogue if found else None,
        time.time_ns() // 1_000_000 if recorded.contract.clock == WALL else held.warehouse.little(CLOCK, customer=recorded.contract.customer)[0][0],
    )


def read_past(held: Services, name: str) -> Past | None:
    """None: there is no such contract. Raises UnavailableError."""
    papers = held.books.now()
    recorded = papers.documents.contracts.get(name)
    if recorded is None:
        return None
    found = papers.documents.catalogues.get(recorded.contract.catalogue)
    names = {key: product.name for key, product in found.catalogue.products.items()} if found else {}
    versions = held.warehouse.history("contract", name)
    return Past(recorded.contract, names, versions, whatifs.kept(papers, name), whatifs.periods(held, recorded.contract))


def prices(catalogue: Catalogue | None, contract: Contract) -> Html:
    rates = catalogue.rate_cards[contract.rate_card].rates if catalogue and contract.rate_card in catalogue.rate_cards else []
    if catalogue is None or not rates:
        return empty("No rate card", "All prices of this contract come from its overrides.")
    rows = []
    for rate in rates:
        product = catalogue.products[rate.product]
        where = ", ".join(f"{key}: {value}" for key, value in rate.where.items())
        mine = [each for each in contract.overrides if _reaches(each, rate.product, product.tags)]
        unit = f" (unit: {number(product.quantity.divide_by)})" if product.quantity and product.quantity.divide_by != 1 else ""
        since = f"from {rate.starting_at}" if rate.starting_at else ""
        notes = " · ".join(filter(None, (where, since)))
        changed = join(tag("div", f"{each.id}: {effect(each)}" + (f" from {each.starting_at}" if each.starting_at else "")) for each in mine)
        rows.append(row(tag("span", product.name, tag("small", notes) if notes else ""), price_text(rate.price) + unit, changed or "–"))
    return table((("Product", ""), (f"List price, {catalogue.currency}", ""), ("Overrides that reach it", "")), rows, "Prices")


def _reaches(override: Override, product: str, tags: Sequence[str]) -> bool:
    return not (override.products or override.tags) or product in override.products or not set(tags).isdisjoint(override.tags)


def _head(shown: Shown, visit: Visit) -> Html:
    contract = shown.contract
    edit = tag("a", "Edit", href=href("contracts", contract.id, "edit"), class_="right") if visit.caller.may("write") else ""
    return tag(
        "div", tag("h1", contract.name or contract.id), badge(f"version {shown.version}"),
        tag("span", contract.id, " of ", link(contract.customer, "customers", contract.customer)), edit, class_="head",
    )  # fmt: skip


def _facts(contract: Contract) -> Html:
    billing = contract.billing
    found = [
        ("Term", f"{contract.starting_at} – {contract.ending_before or 'open'}"),
        ("Billing", f"{billing.period}, {billing.anchor.replace('_', ' ')}, {billing.timezone}, grace {billing.grace}"),
        ("Rate card", f"{contract.rate_card or 'none'} of catalogue {contract.catalogue}"),
        ("Clock", contract.clock),
        ("Late usage", contract.late_usage.replace("_", " ")),
        ("Aliases", ", ".join(contract.aliases)),
        ("Parent", contract.parent or ""),
        ("Renews", contract.renews or ""),
        ("Thresholds", ", ".join(f"{each.id}: {each.measure.replace('_', ' ')} at {number(each.at)}" for each in contract.thresholds)),
    ]
    return tag("dl", *(join([tag("dt", name), tag("dd", value)]) for name, value in found if value))


@at("/contracts/{name}")
async def page(request: Request, name: str) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    asked = request.query_params
    before, after = (int(text) if text.isdecimal() else None for text in (asked.get("from", ""), asked.get("to", "")))
    with frame(visit, "Customers", name):
        with ui.element("div").classes("stack"):
            where, beside, below = (ui.element("div").classes("stack") for _ in range(3))

        def draw(shown: Shown) -> None:
            raw(_head(shown, visit))
            raw(tag("div", boxed("Agreed", _facts(shown.contract)), boxed("In time", timeline(shown.contract, shown.catalogue, shown.now_ms)), class_="grid2"))
            raw(boxed("Prices", prices(shown.catalogue, shown.contract)))
            below.clear()
            with below:
                raw(boxed("The document", tag("div", tag("pre", writing.text_of(shown.contract)), class_="scroll", tabindex="0")))

        def draw_past(past: Past | None) -> None:
            if past is None:
                return
            with card("What if"):
                WhatIf(visit, past.contract, past.versions, past.kept, past.names).draw(past.periods, asked.getlist("whatif"), asked.get("period", ""))
            with card("History"):
                history("contract", past.versions, before, after)

        await asyncio.gather(
            soon(where, lambda: visit.ask(read, visit.held, name), draw, 8),
            soon(beside, lambda: visit.ask(read_past, visit.held, name), draw_past, patience_s=BELOW_S),
        )
    return None
