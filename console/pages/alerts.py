"""/alerts: crossings of thresholds, the latest first, as they come; webhooks with their dead letters."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from fastapi import Request, Response
from nicegui import app, ui

from console.gathering import Shared
from console.pages.parts import deliveries
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.live import live
from console.pages.parts.states import BELOW_S, FAILURES, empty, failed, soon
from console.pages.parts.text import Html, badge, link, moment, number, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services
from contracts.result import Alert

MOST = 200
LATEST = """
SELECT customer, contract, threshold, state, value, crossing, toUnixTimestamp64Milli(at) FROM alerts
WHERE {customer:String} = '' OR customer = {customer:String} ORDER BY written_at DESC, at DESC, crossing DESC LIMIT {limit:UInt32}"""
LOOK_S = 1.0


def read(held: Services, customer: str) -> list[Alert]:
    rows = held.warehouse.query(LATEST, customer=customer, limit=MOST)
    return [Alert(name, contract, threshold, state, Decimal(value), crossing, at_ms) for name, contract, threshold, state, value, crossing, at_ms in rows]


def shown(found: Sequence[Alert]) -> Html:
    if not found:
        return empty("No crossing yet", "A threshold in a contract tells here, by webhook and on Kafka when it is crossed.")
    rows = [
        row(
            link(each.customer, "customers", each.customer), f"{each.threshold} #{each.crossing}",
            badge("in alarm", "bad") if each.state == "in_alarm" else badge("ok", "ok"), number(each.value), moment(each.at_ms), kinds=("", "", "", "num", ""),
        )
        for each in found
    ]  # fmt: skip
    return table((("Customer", ""), ("Threshold", ""), ("State", ""), ("Value", "num"), ("At", "")), rows, "Crossings")


@at("/alerts")
async def page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    customer = request.query_params.get("customer", "")
    with frame(visit, "Alerts", "Alerts"):
        raw(tag("h1", "Alerts" + (f" of {customer}" if customer else "")))
        with card() as where:
            pass
        with card("Webhooks"):
            below = ui.element("div")

        shared: Shared[Html] = app.state.alerts

        def draw(found: list[Alert]) -> None:
            list_ = raw(shown(found))

            async def beat() -> None:
                try:
                    list_.set_content(await shared.ask(customer, lambda: shown(read(visit.held, customer))))
                except FAILURES as error:
                    list_.set_content(failed(error))

            live(LOOK_S, beat)

        await asyncio.gather(
            soon(where, lambda: visit.ask(read, visit.held, customer), draw),
            soon(below, lambda: visit.ask(deliveries.read, visit.held, customer), deliveries.Letters(visit, customer, below).draw, patience_s=BELOW_S),
        )
    return None
