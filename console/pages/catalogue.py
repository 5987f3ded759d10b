"""/catalogues and /catalogues/ID: metrics, products, rate cards; every version and what differs."""

from collections.abc import Sequence
from typing import NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console.errors import missing
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.history import history
from console.pages.parts.price import price_text
from console.pages.parts.states import empty, soon
from console.pages.parts.text import Html, badge, join, link, many, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.reading import Version
from console.services import Services
from contracts import writing
from contracts.catalogue import Catalogue, Expression


class Shown(NamedTuple):
    version: int
    catalogue: Catalogue
    versions: Sequence[Version]


def listed(held: Services) -> list[tuple[str, int, Catalogue]]:
    return [(name, each.version, each.catalogue) for name, each in sorted(held.books.now().documents.catalogues.items())]


def read(held: Services, name: str) -> Shown:
    """Raises NotFoundError, UnavailableError."""
    found = held.books.now().documents.catalogues.get(name)
    if found is None:
        raise missing("catalogue", name)
    return Shown(found.version, found.catalogue, held.warehouse.history("catalogue", name))


def products(catalogue: Catalogue) -> Html:
    if not catalogue.products:
        return empty("No product", "A product is a view on a metric, with a price in a rate card.")
    rows = [
        row(tag("span", each.name, tag("small", name)), each.type, each.metric or "–", ", ".join(each.tags) or "–", kinds=("", "", "", "wide"))
        for name, each in catalogue.products.items()
    ]
    return table((("Product", ""), ("Type", ""), ("Metric", ""), ("Tags", "wide")), rows, "Products")


def metrics(catalogue: Catalogue) -> Html:
    rows = [
        row(
            name,
            each.aggregation,
            (each.value.expression if isinstance(each.value, Expression) else each.value) or "–",
            ", ".join(each.event_types),
            ", ".join(each.group_keys) or "–",
        )
        for name, each in catalogue.metrics.items()
    ]
    return (
        table((("Metric", ""), ("Aggregation", ""), ("Value", ""), ("Event types", ""), ("Groups", "")), rows, "Metrics")
        if rows
        else empty("No metric", "A metric says which events count.")
    )


def rates(catalogue: Catalogue) -> Html:
    parts = []
    for name, each in catalogue.rate_cards.items():
        rows = [
            row(
                catalogue.products[rate.product].name, ", ".join(f"{key}: {value}" for key, value in rate.where.items()) or "–", price_text(rate.price),
                f"{rate.starting_at or 'always'} – {rate.ending_before or 'open'}", kinds=("", "", "", "wide"),
            )
            for rate in each.rates
        ]  # fmt: skip
        parts += [
            tag("h2", each.name or name),
            table((("Product", ""), ("Where", ""), (f"Price, {catalogue.currency}", ""), ("Holds", "wide")), rows, f"Rate card {name}"),
        ]
    return join(parts) if parts else empty("No rate card", "Prices are then a matter of each contract.")


def shown_list(found: Sequence[tuple[str, int, Catalogue]]) -> Html:
    if not found:
        return empty("No catalogue yet", Html("Apply one with <code>taximeter apply catalogue.yaml</code>."))
    rows = [
        row(link(name, "catalogues", name), badge(f"version {version}"), each.currency, many(len(each.products)), kinds=("", "", "", "num"))
        for name, version, each in found
    ]
    return table((("Catalogue", ""), ("", ""), ("Currency", ""), ("Products", "num")), rows, "Catalogues")


@at("/catalogues")
async def list_page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Catalogue", "Catalogues"):
        raw(tag("h1", "Catalogues"))
        with card() as where:
            pass

        def draw(found: list[tuple[str, int, Catalogue]]) -> None:
            raw(shown_list(found))

        await soon(where, lambda: visit.ask(listed, visit.held), draw)
    return None


@at("/catalogues/{name}")
async def page(request: Request, name: str) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Catalogue", name):
        where = ui.element("div").classes("stack")

        def draw(shown: Shown) -> None:
            raw(tag("div", tag("h1", name), badge(f"version {shown.version}"), tag("span", shown.catalogue.currency), class_="head"))
            for title, part in (("Products", products), ("Rate cards", rates), ("Metrics", metrics)):
                with card(title):
                    raw(part(shown.catalogue))
            with card("History"):
                history("catalogue", shown.versions, None, None)
            with card("The document"):
                raw(tag("div", tag("pre", writing.text_of(shown.catalogue)), class_="scroll", tabindex="0"))

        await soon(where, lambda: visit.ask(read, visit.held, name), draw, 8)
    return None
