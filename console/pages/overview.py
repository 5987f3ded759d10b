"""/: events a second, what today has brought, who is near a threshold, how the stages do. Live."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fastapi import Request, Response
from nicegui import app, ui

from console.gathering import Shared
from console.pages.parts.frame import at, boxed, frame, raw
from console.pages.parts.gauge import gauge, share
from console.pages.parts.live import live
from console.pages.parts.states import FAILURES, empty, failed, soon
from console.pages.parts.text import Html, badge, link, many, money, number, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services
from console.spending import Spend, Today
from pipelines.local import addresses

LOOK_S = 1.0
KEPT_S = 5.0
"""So old may be what a page shows at first: whoever comes need not wait for what today's usage comes to, and hears it with the next look."""
KEPT = 10
"""Looks over which events a second are told."""
BEHIND = 200
"""From so many customers on whose spend is still to be read the page says so."""
NEAR = 80
"""From this many percent on a customer is near a threshold."""
EVENTS = "SELECT count() FROM usage_event_records"
DRAFTS = """
SELECT customer, contract, currency, max(total) FROM invoice_revisions FINAL
WHERE kind = 'usage' AND status = 'draft' AND ({any_contract:Bool} OR contract IN {contracts:Array(String)}) GROUP BY customer, contract, currency"""
NEAR_S = 5.0
"""Who is near a threshold is looked up at this pace: it is a question about all drafts."""
NAMED = 1_000
"""Up to so many contracts are asked for by name."""
ALARMS = "SELECT customer, contract, threshold, argMax(state, (crossing, state = 'ok')) FROM alerts GROUP BY customer, contract, threshold"
STATES = {"running": "ok", "up": "ok", "starting": "warn", "stopping": "warn"}


class Near(NamedTuple):
    customer: str
    contract: str
    threshold: str
    spent: Decimal
    at: Decimal
    currency: str
    alarm: bool


class Seen(NamedTuple):
    at_s: float
    events: int
    events_s: float | None
    """None: this is the first look for a while."""
    today: Spend
    near: Sequence[Near]
    stages: Sequence[dict[str, Any]]


class Watch:
    """What all who have the page open see; the warehouse is asked once for all of them."""

    def __init__(self, held: Services) -> None:
        self._held = held
        self._today = Today(held.warehouse, held.books)
        self._shared: Shared[Seen] = Shared(LOOK_S * 0.8, KEPT_S)
        self._looks: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._near: tuple[float, Sequence[Near]] = (float("-inf"), ())

    async def look(self) -> Seen:
        """Raises UnavailableError."""
        return await self._shared.ask("", self._read)

    def _read(self) -> Seen:
        now_s = time.monotonic()
        book = addresses.read(self._held.deployment.settings.data) or {}
        events = int(self._held.warehouse.look(EVENTS)[0][0])
        if self._looks and now_s - self._looks[-1][0] > LOOK_S * KEPT:
            self._looks.clear()
        self._looks.append((now_s, events))
        passed_s = now_s - self._looks[0][0]
        rate = (events - self._looks[0][1]) / passed_s if passed_s > 0 else None
        if now_s - self._near[0] >= NEAR_S:
            self._near = now_s, _near(self._held)
        return Seen(now_s, events, rate, self._today.look(), self._near[1], book.get("stages", []))


def _near(held: Services) -> list[Near]:
    """Spend thresholds that are reached to `NEAR` percent, the nearest first."""
    limits = {
        name: limits
        for name, recorded in held.books.now().documents.contracts.items()
        if (limits := [each for each in recorded.contract.thresholds if each.measure == "spend" and each.repeat is None])
    }
    if not limits:
        return []
    alarms = {(row[0], row[1], row[2]): row[3] == "in_alarm" for row in held.warehouse.look(ALARMS)}
    asked: dict[str, Any] = {"any_contract": len(limits) > NAMED, "contracts": list(limits) if len(limits) <= NAMED else []}
    found = []
    for customer, contract, currency, total in held.warehouse.consistent(lambda still: held.warehouse.look(still.tables(DRAFTS), **asked)):
        for limit in limits.get(contract, ()):
            if share(total, limit.at) >= NEAR:
                found.append(Near(customer, contract, limit.id, total, limit.at, currency, alarms.get((customer, contract, limit.id), False)))
    return sorted(found, key=lambda each: each.spent / each.at if each.at else 0, reverse=True)[:50]


def figures(seen: Seen) -> Html:
    spend = " · ".join(f"{money(amount, currency)} {currency}" for currency, amount in sorted(seen.today.amounts.items())) or "–"
    counted = f", {many(seen.today.waiting)} customers to be counted" if seen.today.waiting > BEHIND else ""
    alarms = sum(each.alarm for each in seen.near)
    shown = [
        ("Events a second", "…" if seen.events_s is None else many(seen.events_s)),
        ("Events in the warehouse", many(seen.events)),
        (f"Spend today, {datetime.now(UTC):%Y-%m-%d}{counted}", spend),
        ("In alarm", f"{alarms:,}"),
    ]
    return tag("div", *(tag("div", tag("span", name), tag("b", value), class_="figure") for name, value in shown), class_="figures")


def near(found: Sequence[Near]) -> Html:
    if not found:
        return empty("Nobody is near a threshold", f"Customers appear here from {NEAR} percent of a spend threshold on.")
    rows = [
        row(
            tag("span", link(each.customer, "customers", each.customer), tag("small", each.threshold)),
            tag(
                "span",
                gauge(share(each.spent, each.at), f"{share(each.spent, each.at)} percent", low=each.alarm),
                f"{money(each.spent, each.currency)} of {number(each.at)} {each.currency}",
            ),
            badge("in alarm", "bad") if each.alarm else badge("near", "warn"),
        )
        for each in found
    ]
    return table((("Customer", ""), ("Spend", ""), ("", "")), rows, "Customers near a threshold")


def stages(found: Sequence[dict[str, Any]]) -> Html:
    if not found:
        return empty("The stages run elsewhere", "This console's data folder has no stack of its own; look at the servers' own monitoring.")
    rows = [
        row(
            each["name"], badge(str(each.get("state")), STATES.get(str(each.get("state")), "bad")),
            "–" if each.get("lag") is None else many(each["lag"]),
            "–" if each.get("last_commit_age_s") is None else f"{many(each['last_commit_age_s'])} s",
            kinds=("", "", "num", "num"),
        )
        for each in found
    ]  # fmt: skip
    return table((("Stage", ""), ("State", ""), ("Lag", "num"), ("Last commit", "num")), rows, "Stages")


@at("/")
async def page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Overview", "Overview"):
        raw(tag("h1", "Overview"))
        where = ui.element("div").classes("stack")
        watch: Watch = app.state.watch

        def draw(seen: Seen) -> None:
            top = raw(boxed("", figures(seen)))
            with ui.element("div").classes("grid2"):
                closest, health = raw(boxed("Near a threshold", near(seen.near))), raw(boxed("Stages", stages(seen.stages)))
            trouble = raw()

            async def beat() -> None:
                try:
                    now = await watch.look()
                except FAILURES as error:
                    trouble.set_content(failed(error))
                    return
                trouble.set_content(Html(""))
                top.set_content(boxed("", figures(now)))
                closest.set_content(boxed("Near a threshold", near(now.near)))
                health.set_content(boxed("Stages", stages(now.stages)))

            live(LOOK_S, beat)

        await soon(where, watch.look, draw, 8)
    return None
