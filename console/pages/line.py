"""/lines/ID: how a line came about, from its windows and the rate that holds down to the ids of events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import Request, Response
from nicegui import ui

from console.errors import NotFoundError, missing
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.states import empty, soon
from console.pages.parts.text import Html, badge, event_link, join, link, many, number, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines.warehouse import reads

EVENTS = 20


def read(held: Services, name: str) -> dict[str, Any]:
    """The explanation as JSON, with its `text`. Raises NotFoundError, UnavailableError."""
    from pipelines.explaining import UnknownLineError, explained  # noqa: PLC0415 - the rating core is loaded when it is first needed

    with held.warehouse.client() as client:
        if reads.customer_of_line(client, name) is None:
            raise missing("line", name)
        try:
            found = explained(client, name, events=EVENTS)
        except UnknownLineError as error:
            raise NotFoundError(Wrong("", str(error))) from error
    return {**found.json(), "text": found.explanation.text()}


def _events(found: Mapping[str, Any]) -> Html:
    if not found["events"]:
        return empty("No event stands behind this line", "It is a fixed amount, or comes from a commit.")
    rows = [
        row(
            event_link(each["transaction_id"]),
            each["customer"],
            tag("time", each["timestamp"]),
            ", ".join(f"{key}: {value}" for key, value in each["properties"].items()),
            kinds=("", "wide", "", ""),
        )
        for each in found["events"]
    ]
    return join([
        tag("p", f"The first {len(rows)} of {many(found['event_count'])}", class_="soft"),
        table((("Transaction", ""), ("Customer", "wide"), ("When", ""), ("Properties", "")), rows, "Events behind the line"),
    ])  # fmt: skip


def _grounds(found: Mapping[str, Any]) -> Html:
    """The term it comes from, and the lines that it is worked out from, each a link."""
    said = join(tag("p", each[:1].upper() + each[1:]) for each in found["grounds"])
    if not found["rests_on"]:
        return said
    rows = [
        row(
            link(each["what"].replace("_", " "), "lines", each["line"]),
            link("Its invoice", "invoices", each["invoice"]),
            number(Decimal(each["amount"])),
            kinds=("", "", "num"),
        )
        for each in found["rests_on"]
    ]
    return join([said, table((("Line", ""), ("Invoice", ""), ("Amount", "num")), rows, "Lines that it is worked out from")])


def _draws(found: Mapping[str, Any]) -> Html:
    rows = [
        row(
            each["grant"],
            link(each["contract"], "contracts", each["contract"]),
            tag("time", each["segment"]),
            number(Decimal(each["amount"])),
            kinds=("", "", "", "num"),
        )
        for each in found["draws"]
    ]
    return table(
        (("Commit or credit", ""), ("Of contract", ""), ("Segment from", ""), ("Pays", "num")),
        rows,
        "Commits and credits that could pay the line, in their order",
    )


def _overrides(found: Mapping[str, Any]) -> Html:
    if not found.get("overrides"):
        return tag("p", "No override reaches this line: the list price holds.", class_="soft")
    rows = [row(each["id"], each["effect"], badge("wins", "ok") if each["wins"] else badge("loses"), each["reason"]) for each in found["overrides"]]
    return table((("Override", ""), ("Effect", ""), ("", ""), ("Why", "")), rows, "Overrides that reach the line")


def _steps(found: Mapping[str, Any]) -> Html:
    rows = [
        row(
            *(number(Decimal(str(each[name]))) if each.get(name) is not None else "" for name in ("quantity", "unit_price", "exact", "amount")),
            kinds=("num",) * 4,
        )
        for each in found.get("steps") or []
    ]
    return table((("Quantity", "num"), ("Unit price", "num"), ("Exactly", "num"), ("Amount", "num")), rows, "Arithmetic")


@at("/lines/{name}")
async def page(request: Request, name: str) -> Response | None:
    visit = await enter(request, owner=lambda held: owner_of(held, name))
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Customers", "Line"):
        raw(tag("h1", "How this line came about"))
        where = ui.element("div").classes("stack")

        def draw(found: dict[str, Any]) -> None:
            with card("In words"):
                raw(tag("div", tag("pre", found["text"]), class_="scroll", tabindex="0"))
                if found.get("invoice"):
                    raw(tag("p", link("To the invoice", "invoices", str(found["invoice"]))))
            if found["grounds"]:
                with card("Where it comes from"):
                    raw(_grounds(found))
            if found["steps"]:
                with card("Arithmetic"):
                    raw(_steps(found))
            if found["quantity"] is not None:
                with card("Overrides"):
                    raw(_overrides(found))
            if found["draws"]:
                with card("Commits and credits"):
                    raw(_draws(found))
            if found["quantity"] is not None or not found["grounds"]:
                with card("Events"):
                    raw(_events(found))

        await soon(where, lambda: visit.ask(read, visit.held, name), draw, 8)
    return None


def owner_of(held: Services, name: str) -> str | None:
    """Whose line it is; none: there is no such line."""
    with held.warehouse.client() as client:
        return reads.customer_of_line(client, name)
