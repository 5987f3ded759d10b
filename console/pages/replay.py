"""/replay: the past metered again beside what is billed. Plan, begin, progress, what would change, cutover and back; every generation there was."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi import Request, Response
from nicegui import ui

from console.pages.parts import changes
from console.pages.parts.frame import at, card, frame, raw, remember
from console.pages.parts.gauge import gauge
from console.pages.parts.live import live
from console.pages.parts.scope import Chosen, ScopeForm, chosen_in
from console.pages.parts.states import FAILURES, bones, empty, failed, soon
from console.pages.parts.text import Html, badge, day, join, link, many, row, table, tag
from console.pages.parts.visit import Visit, enter
from console.replays import StepName, Working
from console.services import Services
from contracts.instants import instant_ms

LOOK_S: Final = 1.0
COMPARED_S: Final = 0.3
MOST: Final = 50
"""Customers whose changes are shown."""
STATES: Final = {"open": "warn", "live": "ok", "back": "warn", "closed": "", "aborted": ""}
SAID: Final = {"open": "metered beside what is billed", "live": "billed", "back": "taken back", "closed": "billed for good", "aborted": "aborted"}


class Step(NamedTuple):
    """A button: what it does, in which states, and what is asked before."""

    name: StepName
    label: str
    states: Sequence[str]
    means: str


STEPS: Final = (
    Step(
        "cutover",
        "Cut over",
        ("open", "back"),
        "The windows of this generation are billed instead of those that are billed now, on every partition or none. Final invoices stay.",
    ),
    Step("back", "Take back", ("live",), "What was billed before is billed again, with all usage that has come since."),
    Step("close", "Close", ("live",), "What is billed stays for good, and what it has replaced is forgotten: it can not be taken back after that."),
    Step("abort", "Abort", ("open", "back"), "The generation is forgotten; nothing that is billed changes."),
)


class Shown(NamedTuple):
    generations: Sequence[Mapping[str, Any]]
    """The latest first."""
    catalogues: Mapping[str, Mapping[str, str]]
    """Names of the metered products by catalogue and id."""

    @property
    def current(self) -> Mapping[str, Any] | None:
        return next((each for each in self.generations if each["state"] in ("open", "live", "back")), None)

    @property
    def names(self) -> dict[str, str]:
        return {name: said for products in self.catalogues.values() for name, said in products.items()}


def read(held: Services) -> Shown:
    """Raises UnavailableError."""
    known = held.books.now().documents.catalogues
    names = {name: {key: product.name for key, product in each.catalogue.products.items() if product.metric} for name, each in sorted(known.items())}
    return Shown(held.replays.listed(), names)


def scope(generation: Mapping[str, Any]) -> str:
    """What a generation is about, in words."""
    products = ", ".join(name for names in generation["products"].values() for name in names)
    span = generation["period"]
    when = "" if not (span["from"] or span["until"]) else f" from {span['from'] or 'the beginning'} until {span['until'] or 'now'}"
    return f"{products} of {', '.join(generation['customers']) or 'all customers'}{when}"


def head(generation: Mapping[str, Any]) -> Html:
    facts = [("About", scope(generation)), ("Note", generation["note"]), ("Begun by", generation["author"])]
    return join([
        tag("div", tag("h2", f"Generation {generation['number']}"), badge(SAID[generation["state"]], STATES[generation["state"]]), class_="head", data_generation=generation["state"]),
        tag("dl", *(join([tag("dt", name), tag("dd", said)]) for name, said in facts if said)),
    ])  # fmt: skip


def progress(generation: Mapping[str, Any], most: int, rate: float | None) -> Html:
    """How far METER is: `most` offsets were missing when the page first looked, `rate` offsets a second since."""
    missing = generation["missing"]
    if missing is None:
        return Html("")
    done = 100 if generation["complete"] else 0 if not most else int((most - missing) * 100 / most)
    left = "complete" if generation["complete"] else "METER begins" if not missing else f"{many(missing)} events left to read"
    pace = f", {many(rate)} a second, about {many(missing / rate)} s left" if rate and missing else ""
    return tag("div", gauge(done, f"{done} percent metered"), tag("span", left + pace, class_="soft", data_progress=done), role="status")


def listed(generations: Sequence[Mapping[str, Any]]) -> Html:
    if not generations:
        return empty("No replay yet", "A generation meters the past once more, beside what is billed. Plan one above.")
    rows = [
        row(
            f"{each['number']}",
            badge(each["state"], STATES[each["state"]]),
            tag("span", scope(each), tag("small", " · ".join(filter(None, ("a correction" if each["correction"] else "", each["note"]))))),
            each["author"] or "–",
            join(tag("div", f"{step['step']}, {day(instant_ms(step['at']))}") for step in each["steps"]),
            kinds=("", "", "", "", "wide"),
        )
        for each in generations
    ]  # fmt: skip
    return table((("Generation", ""), ("State", ""), ("About", ""), ("Begun by", ""), ("Steps", "wide")), rows, "Generations")


def difference(found: Sequence[Mapping[str, Any]], count: int, done: int, of: int, names: Mapping[str, str], *, ended: bool) -> Html:
    """What is known so far: `count` customers would change of the `done` that were compared."""
    if ended and not count:
        return empty("Nothing would change", f"The invoices of {many(of)} customers come to the same with both ways of metering.")
    far = "" if ended else f" · {many(done)} of {many(of) if of else '…'} compared so far"
    parts = [tag("p", f"{many(count)} of {many(of)} customers would change{far}", class_="soft", role="status", data_compared=ended)]
    for each in found:
        shown = changes.preview({**each, "as_of": {"wall": each["as_of"]}}, names, "")
        parts.append(
            tag(
                "details",
                tag(
                    "summary",
                    link(each["customer"], "customers", each["customer"]),
                    f" · {len(each['invoices'])} invoice{'' if len(each['invoices']) == 1 else 's'}",
                ),
                shown,
                open=len(found) == 1,
            )
        )
    if count > len(found):
        parts.append(tag("p", f"The first {len(found)} are shown; `taximeter replay diff` tells all.", class_="soft"))
    return join(parts)


class Screen:
    """The page's parts. It is drawn anew when another generation is open, or the open one is in another state."""

    def __init__(self, visit: Visit, where: ui.element, asked: Chosen, *, compare: bool) -> None:
        self._visit = visit
        self._where = where
        self._asked = asked
        self._compare = compare
        self._key: tuple[Any, ...] | None = None
        self._most = 0
        self._since = (0.0, 0)
        self._working: Working | None = None
        self._busy = False

    def draw(self, shown: Shown) -> None:
        current = shown.current
        self._where.clear()
        with self._where:
            if current is None:
                with card("Plan"):
                    self._form = ScopeForm(self._visit, shown.catalogues, self._asked, self._again)
            else:
                with card():
                    raw(head(current))
                    self._progress = raw().style("margin: .75rem 0")
                    if self._visit.caller.may("write"):
                        self._buttons(current)
                    self._outcome = raw()
                with card("Difference"):
                    raw(tag("p", "What a cutover would change." if current["state"] != "live" else "What `back` would change.", class_="soft"))
                    self._begin_compare = (
                        ui.button("Compare", icon="difference", on_click=self._compared).props("outline no-caps dense").style("margin: .5rem 0")
                    )
                    self._difference = raw()
            with card("Generations"):
                self._list = raw(listed(shown.generations))
            if current is not None:
                self._key, self._most, self._since = _key(current), 0, (time.monotonic(), current["missing"] or 0)
                self._names = shown.names
                self._follow(current)
                if self._compare and (current["complete"] or current["state"] == "live"):
                    self._compare = False
                    self._compared()
            else:
                self._key = None

    def _buttons(self, current: Mapping[str, Any]) -> None:
        self._steps = {}
        with ui.element("div").classes("chips"):
            for step in STEPS:
                if current["state"] in step.states:
                    made = ui.button(step.label, on_click=lambda _, step=step: self._ask(step, current["number"]))
                    self._steps[step.name] = made.props("no-caps " + ("color=primary" if step.name == "cutover" else "outline"))

    def _follow(self, current: Mapping[str, Any]) -> None:
        missing = current["missing"] or 0
        self._most = max(self._most, missing)
        at, before = self._since
        passed = time.monotonic() - at
        rate = (before - missing) / passed if passed > 0 and before > missing else None
        self._progress.set_content(progress(current, self._most, rate))
        cutover = getattr(self, "_steps", {}).get("cutover")
        if cutover is not None:
            cutover.set_enabled(bool(current["complete"]))

    async def look(self) -> None:
        """What METER and others have done meanwhile."""
        if self._busy or self._where.is_deleted:
            return
        self._busy = True
        try:
            shown = await self._visit.ask(read, self._visit.held)
        except FAILURES:
            return  # the next look tells; what is shown stays true
        finally:
            self._busy = False
        current = shown.current
        if (None if current is None else _key(current)) != self._key:
            self.draw(shown)
        elif current is not None:
            self._follow(current)

    async def _again(self) -> None:
        self.draw(await self._visit.ask(read, self._visit.held))

    def _ask(self, step: Step, number: int) -> None:
        """One question before something that others see."""
        with ui.dialog().props(f'aria-label="{step.label}"') as dialog, ui.card().style("max-width: 34rem"):
            raw(tag("h2", f"{step.label}: generation {number}"))
            raw(tag("p", step.means))
            outcome = raw()

            async def carry_out() -> None:
                button.props("loading disable")
                outcome.set_content(tag("p", "On the log; waiting until the warehouse shows it…", class_="soft", aria_busy="true"))
                try:
                    caller = await self._visit.again("write")
                    done = await self._visit.ask(self._visit.held.replays.step, step.name, caller.name, number)
                except FAILURES as error:
                    outcome.set_content(failed(error))
                    return
                finally:
                    button.props(remove="loading disable")
                dialog.close()
                ui.notify(f"Generation {number}: {step.name} done, the warehouse showed it {done['seconds']:,.1f} s later", type="positive")
                await self._again()

            with ui.element("div").classes("chips"):
                button = ui.button(step.label, on_click=carry_out).props("no-caps color=primary autofocus")
                ui.button("Cancel", on_click=dialog.close).props("no-caps flat")
        dialog.open()

    # The difference

    def _compared(self) -> None:
        if self._working is not None:
            self._working.stop()
        held = self._visit.held
        customers = self._asked.customers
        self._working = Working(lambda: held.replays.compare(customers), MOST)
        self._begin_compare.props("disable")
        self._difference.set_content(bones(3))
        remember(compare="1")

    def look_at_comparison(self) -> None:
        working = self._working
        if working is None or self._where.is_deleted:
            return
        ended = working.ended
        if working.error is not None:
            self._difference.set_content(failed(working.error))
        elif working.done or ended:
            self._difference.set_content(difference(working.changes[:], working.count, working.done, working.of, self._names, ended=ended))
        if ended:
            self._working = None
            self._begin_compare.props(remove="disable")

    def leave(self) -> None:
        if self._working is not None:
            self._working.stop()


def _key(current: Mapping[str, Any]) -> tuple[Any, ...]:
    return current["number"], current["state"], len(current["steps"])


@at("/replay")
async def page(request: Request) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Replay", "Replay"):
        raw(tag("h1", "Replay"))
        raw(
            tag(
                "p",
                "A metric was wrong, or a catalogue: the past is metered once more beside what is billed, compared line by line, and billed at one moment.",
                class_="soft",
            )
        )
        where = ui.element("div").classes("stack")
        screen = Screen(visit, where, chosen_in(request.query_params), compare=request.query_params.get("compare") == "1")

        def draw(shown: Shown) -> None:
            screen.draw(shown)

        await soon(where, lambda: visit.ask(read, visit.held), draw, 8)
        live(LOOK_S, screen.look)
        ui.timer(COMPARED_S, screen.look_at_comparison)
        ui.context.client.on_disconnect(screen.leave)
    return None
