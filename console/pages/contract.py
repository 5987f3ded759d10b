"""/contracts/ID: what was agreed, in the order of time; prices; every version with its author and what differs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console import whatifs
from console.errors import missing
from console.pages.parts.frame import at, boxed, card, frame, raw
from console.pages.parts.history import history
from console.pages.parts.price import price_text
from console.pages.parts.states import empty, soon
from console.pages.parts.text import Html, badge, day, href, join, link, number, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.pages.parts.whatif import WhatIf
from console.reading import Version
from console.services import Services
from contracts import writing
from contracts.catalogue import Catalogue
from contracts.contract import Access, Contract, Override
from contracts.instants import instant_ms


class Shown(NamedTuple):
    version: int
    contract: Contract
    catalogue: Catalogue | None
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
        held.warehouse.history("contract", name),
        whatifs.kept(papers, name),
        whatifs.periods(held, recorded.contract),
    )


def moments(contract: Contract) -> list[tuple[int | None, str]]:
    """What begins, ends or falls due, in the order of time; None: it has held from the start."""
    zone = contract.billing.timezone
    found = [(None if text is None else instant_ms(text, zone), said) for text, said in _dated(contract)]
    return sorted(found, key=lambda each: (each[0] is not None, each[0] or 0))


def _dated(contract: Contract) -> Iterator[tuple[str | None, str]]:
    yield contract.starting_at, "The contract begins"
    for override in contract.overrides:
        yield override.starting_at, f"Override {override.id}: {effect(override)}"
        if override.ending_before:
            yield override.ending_before, f"Override {override.id} ends"
    yield from _granted(contract)
    yield from _due(contract)
    for discount in contract.discounts:
        yield (
            discount.starting_at,
            f"Invoice discount {discount.id}: {number(discount.percent) + ' %' if discount.percent is not None else number(discount.amount)}",
        )
    if contract.ending_before:
        yield contract.ending_before, "The contract ends"


def _granted(contract: Contract) -> Iterator[tuple[str | None, str]]:
    for commit in contract.commits:
        name = f"{commit.type.capitalize()} commit {commit.id}"
        yield from _segments(name, commit.access)
        for item in commit.invoice:
            yield item.at, f"{name}: {'true-up against' if commit.type == 'postpaid' else 'invoice of'} {number(item.amount)}"
    for credit in contract.credits:
        yield from _segments(f"Credit {credit.id}", credit.access)
    for recurring in (*contract.recurring_credits, *contract.recurring_commits):
        yield recurring.starting_at or contract.starting_at, f"Grant {recurring.id}: {number(recurring.amount)} every {recurring.every}"


def _due(contract: Contract) -> Iterator[tuple[str | None, str]]:
    for charge in contract.charges:
        yield charge.at or charge.from_, f"Charge {charge.id}: {number(charge.amount)}" + (f" every {charge.every}" if charge.every else "")
    for seat in contract.subscriptions:
        yield seat.starting_at or contract.starting_at, f"Subscription {seat.id}: {number(seat.quantity)} × {number(seat.price)} every {seat.every}"
        for change in seat.changes:
            yield change.at, f"Subscription {seat.id} changes" + (f" to {number(change.quantity)}" if change.quantity is not None else "")


def _segments(name: str, access: Sequence[Access]) -> Iterator[tuple[str | None, str]]:
    for segment in access:
        yield segment.starting_at, f"{name}: {number(segment.amount)} begins"
        if segment.ending_before:
            yield segment.ending_before, f"{name}: {number(segment.amount)} ends"


def effect(override: Override) -> str:
    """What an override does, in words."""
    targets = ", ".join([*override.products, *(f"tag {each}" for each in override.tags)]) or "every product"
    if override.commits:
        targets += f", while drawing {', '.join(override.commits)}"
    if override.entitled is not None:
        return f"{targets} {'may' if override.entitled else 'may not'} be used"
    if override.price is not None:
        return f"{targets} at {price_text(override.price)}"
    if override.tiers:
        return f"{targets}: " + ", ".join(f"× {number(each.multiplier)}" + (f" for {number(each.size)}" if each.size else "") for each in override.tiers)
    return f"{targets} × {number(override.multiplier)}"


def timeline(contract: Contract) -> Html:
    rows = [tag("li", tag("b", "always" if at is None else day(at)), " ", said) for at, said in moments(contract)]
    return tag("ol", *rows, class_="time")


def prices(catalogue: Catalogue | None, contract: Contract) -> Html:
    rates = catalogue.rate_cards[contract.rate_card].rates if catalogue and contract.rate_card in catalogue.rate_cards else []
    if catalogue is None or not rates:
        return empty("No rate card", "All prices of this contract come from its overrides.")
    rows = []
    for rate in rates:
        product = catalogue.products[rate.product]
        where = ", ".join(f"{key}: {value}" for key, value in rate.where.items())
        mine = [each for each in contract.overrides if _reaches(each, rate.product, product.tags)]
        unit = f" (unit: {product.quantity.divide_by:,f})" if product.quantity and product.quantity.divide_by != 1 else ""
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
        where = ui.element("div").style("display: grid; gap: 1rem")

        def draw(shown: Shown) -> None:
            raw(_head(shown, visit))
            raw(tag("div", boxed("Agreed", _facts(shown.contract)), boxed("In time", timeline(shown.contract)), class_="grid2"))
            raw(boxed("Prices", prices(shown.catalogue, shown.contract)))
            with card("What if"):
                names = {key: product.name for key, product in shown.catalogue.products.items()} if shown.catalogue else {}
                WhatIf(visit, shown.contract, shown.versions, shown.kept, names).draw(shown.periods, asked.getlist("whatif"), asked.get("period", ""))
            with card("History"):
                history("contract", shown.versions, before, after)
            raw(boxed("The document", tag("div", tag("pre", writing.text_of(shown.contract)), class_="scroll", tabindex="0")))

        await soon(where, lambda: visit.ask(read, visit.held, name), draw, 8)
    return None
