"""/events: what arrives, live; search by transaction id; what was rejected, to be mended and sent again."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from nicegui import app, ui

from console.errors import InvalidError
from console.gathering import Shared
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.live import live
from console.pages.parts.states import BELOW_S, FAILURES, empty, failed, soon
from console.pages.parts.text import Html, badge, event_link, moment, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.reading import StoredEvent
from console.rejects import resend
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines.resending import event_of
from pipelines.warehouse.reads import RejectedEvent

MOST = 50
LOOK_S = 1.0
RECENT_MS = 86_400_000
REJECTS = """
SELECT topic, partition, offset, toUnixTimestamp64Milli(recorded_at), reason, detail, transaction_id, customer, key, value,
       toUnixTimestamp64Milli(written_at)
FROM rejected_events ORDER BY written_at DESC, partition, offset DESC LIMIT {limit:UInt32}"""


def tail(held: Services, ids: Sequence[str]) -> list[StoredEvent]:
    return held.warehouse.events(ids=ids, limit=MOST)


def rejected(held: Services) -> list[RejectedEvent]:
    """The latest first."""
    with held.warehouse.client() as client:
        rows = client.query(REJECTS, parameters={"limit": MOST}, column_formats={"key": "bytes", "value": "bytes"}).result_rows
    return [RejectedEvent(*each) for each in rows]


def send_again(held: Services, event: RejectedEvent, text: str | None) -> None:
    """As it was, or as `text` (JSON) has mended it. Raises ApiError."""
    mended: dict[tuple[int, int], Any] = {}
    if text is not None:
        try:
            given = json.loads(text)
        except ValueError as error:
            raise InvalidError(Wrong("event", f"this is no JSON: {error}")) from error
        if not isinstance(given, dict):
            raise InvalidError(Wrong("event", "must be an object"))
        mended[event.partition, event.offset] = given
    resend(held, [event], mended)


def events(found: Sequence[StoredEvent], ids: Sequence[str]) -> Html:
    if not found:
        if ids:
            return empty(f"No event {', '.join(ids)}", "It has not arrived, or it could not be read: look among the rejects.")
        return empty("No event yet", Html("Send some with <code>taximeter send FILE</code>, the SDK or the API."))
    rows = [
        row(
            event_link(each.transaction_id), each.customer, each.event_type, moment(each.timestamp_ms),
            ", ".join(f"{key}: {value}" for key, value in sorted(each.properties.items())), f"{each.partition}@{each.offset}", kinds=("", "", "", "", "", "num wide"),
        )
        for each in found
    ]  # fmt: skip
    return table(
        (("Transaction", ""), ("Customer", ""), ("Type", ""), ("When", ""), ("Properties", ""), ("Place", "num wide")), rows, "Events, the latest first"
    )


class Rejects:
    """The list with its buttons."""

    def __init__(self, visit: Visit, where: ui.element) -> None:
        self._visit = visit
        self._where = where

    def draw(self, found: Sequence[RejectedEvent]) -> None:
        if not found:
            raw(empty("Nothing was rejected", "An event that cannot count is kept here with the reason, to be mended and sent again."))
            return
        for each in found:
            with ui.element("div").classes("row items-center no-wrap q-gutter-sm").style("border-bottom: 1px solid var(--line); padding: .3rem 0"):
                raw(
                    tag(
                        "div",
                        badge(each.reason, "bad"),
                        " ",
                        tag("b", each.transaction_id or "unreadable"),
                        " ",
                        moment(each.recorded_ms),
                        tag("small", f" {each.detail}"),
                    )
                ).style("flex: 1; min-width: 0; overflow-wrap: anywhere")
                if self._visit.caller.may("write") and each.topic == "usage-events":
                    ui.button("Mend", on_click=lambda event=each: self._mend(event)).props("outline dense no-caps")

    def _mend(self, event: RejectedEvent) -> None:
        known = event_of(self._visit.held.deployment.codec, event)
        with ui.dialog() as dialog, ui.card().style("max-width: 40rem; width: 100%"):
            raw(tag("h2", f"Mend {event.transaction_id or 'the event'}"))
            raw(tag("p", f"{event.reason}: {event.detail}", class_="soft"))
            text = (
                ui.textarea("Event", value=json.dumps(known, indent=2, default=str) if known else "")
                .props("outlined autogrow")
                .style("width: 100%; font-family: monospace")
            )
            outcome = raw()

            async def send(*, mended: bool) -> None:
                try:
                    await self._visit.again("write")
                    await self._visit.ask(send_again, self._visit.held, event, text.value if mended else None)
                except FAILURES as error:
                    outcome.set_content(failed(error))
                    return
                dialog.close()
                ui.notify("Sent: it is rated like any other event", type="positive")

            with ui.element("div").classes("chips"):
                ui.button("Send mended", on_click=lambda: send(mended=True)).props("no-caps color=primary")
                ui.button("Send as it was", on_click=lambda: send(mended=False)).props("no-caps outline")
                ui.button("Cancel", on_click=dialog.close).props("no-caps flat")
        dialog.open()


@at("/events")
async def page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    ids = [each for each in request.query_params.getlist("transaction_id") if each]
    with frame(visit, "Events", "Events"):
        raw(tag("h1", "Events"))
        with card():
            search = tag(
                "form", tag("input", type="search", name="transaction_id", value=ids[0] if ids else "", placeholder="Transaction id", aria_label="Transaction id", class_="search"),
                tag("button", "Search", class_="badge"), tag("a", "Live", href="/events") if ids else "", method="get", action="/events", class_="chips",
            )  # fmt: skip
            raw(search)
            where = ui.element("div").style("margin-top: .75rem")
        with card("Rejects"):
            below = ui.element("div")

        shared: Shared[Html] = app.state.events

        def draw(found: list[StoredEvent]) -> None:
            list_ = raw(events(found, ids))

            async def beat() -> None:
                try:
                    list_.set_content(await shared.ask(tuple(ids), lambda: events(tail(visit.held, ids), ids)))
                except FAILURES as error:
                    list_.set_content(failed(error))

            live(LOOK_S, beat)

        await asyncio.gather(
            soon(where, lambda: visit.ask(tail, visit.held, ids), draw),
            soon(below, lambda: visit.ask(rejected, visit.held), Rejects(visit, below).draw, patience_s=BELOW_S),
        )
    return None
