"""Webhooks and what became of their messages: dead letters first, to be sent again or put aside."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from nicegui import ui

from console import deliveries
from console.errors import ConflictError
from console.pages.parts.frame import raw
from console.pages.parts.states import FAILURES, empty, failed
from console.pages.parts.text import Html, badge, many, moment, row, table, tag
from console.pages.parts.visit import Visit
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines.alerting.step import Delivery
from pipelines.alerting.webhooks import KIND, Webhook, described

MOST: Final = 50
STATES: Final = {"pending": "warn", "delivered": "ok", "dead": "bad", "cleared": ""}


class Told(NamedTuple):
    webhooks: Sequence[Webhook]
    deliveries: Sequence[Delivery]


def read(held: Services, customer: str) -> Told:
    """Of one customer, or of all. Raises UnavailableError."""
    webhooks = [described(each) for each in held.books.now().objects.of(KIND)]
    found = [each for each in deliveries.kept(held).values() if customer in ("", each.customer)]
    return Told([each for each in webhooks if not customer or each.customer in (None, customer)], found)


def webhook_list(told: Told) -> Html:
    if not told.webhooks:
        return empty("No webhook yet", Html("Make one with <code>POST /api/v1/webhooks</code>; its messages are signed."))
    counts = Counter((each.webhook, each.state) for each in told.deliveries)
    rows = [
        row(
            tag("span", each.url, tag("small", each.description) if each.description else ""),
            each.customer or "all",
            *(many(counts[each.id, state]) for state in ("delivered", "pending", "dead")),
            kinds=("", "", "num", "num", "num"),
        )
        for each in told.webhooks
    ]
    return table((("Webhook", ""), ("Customer", ""), ("Delivered", "num"), ("Waiting", "num"), ("Dead", "num")), rows, "Webhooks")


def letters(told: Told) -> list[Delivery]:
    """What is dead or waits after a failed attempt, the latest change first."""
    found = [each for each in told.deliveries if each.state == "dead" or (each.state == "pending" and each.attempts)]
    return sorted(found, key=lambda each: (each.state != "dead", -each.changed_ms))[:MOST]


class Letters:
    """The list with its buttons."""

    def __init__(self, visit: Visit, customer: str, where: ui.element) -> None:
        self._visit = visit
        self._customer = customer
        self._where = where

    def draw(self, told: Told) -> None:
        raw(webhook_list(told))
        for each in letters(told):
            with ui.element("div").classes("row items-center no-wrap q-gutter-sm").style("border-bottom: 1px solid var(--line); padding: .3rem 0"):
                said = tag(
                    "div", badge(each.state, STATES[each.state]), " ", tag("b", each.message), " ", moment(each.changed_ms),
                    tag("small", f" attempt {each.attempts}: {each.result}"), data_letter=each.state,
                )  # fmt: skip
                raw(said).style("flex: 1; min-width: 0; overflow-wrap: anywhere")
                if each.state == "dead" and self._visit.caller.may("write"):
                    ui.button("Send again", on_click=partial(self._change, each, deliveries.sent_again)).props("outline dense no-caps")
                    ui.button("Put aside", on_click=partial(self._change, each, deliveries.put_aside)).props("flat dense no-caps")

    async def _change(self, letter: Delivery, make: Callable[[Delivery], Delivery]) -> None:
        try:
            await self._visit.again("write")
            told = await self._visit.ask(_changed, self._visit.held, self._customer, letter, make)
        except FAILURES as error:
            with self._where:
                raw(failed(error))
            return
        self._where.clear()
        with self._where:
            self.draw(told)


def _changed(held: Services, customer: str, letter: Delivery, make: Callable[[Delivery], Delivery]) -> Told:
    """Raises ConflictError when somebody was quicker."""
    found = deliveries.kept(held).get(letter.key)
    if found is None or found.state == "pending":
        raise ConflictError(Wrong("", f"{letter.message} is being delivered by now"))
    deliveries.put(held, [make(found)])
    return read(held, customer)
