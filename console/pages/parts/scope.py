"""What a replay is about: the form, what it would touch while one fills it in, and its address, which can be sent around."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from nicegui import ui
from starlette.datastructures import QueryParams

from console.errors import InvalidError
from console.pages.parts.frame import raw
from console.pages.parts.states import FAILURES, bones, failed
from console.pages.parts.text import Html, day, join, link, many, row, table, tag
from console.pages.parts.visit import Visit
from console.reading import instant
from contracts.instants import instant_ms
from contracts.translation.fields import Wrong
from pipelines.replay.planning import Asked
from pipelines.replay.telling import stretch_of

TIMES: Final = (
    ("from", "From", "event time, on the full hour"),
    ("until", "Until, exclusive", ""),
    ("arrived_from", "Arrived from", ""),
    ("arrived_until", "Arrived until", ""),
)
SHOWN: Final = 20


class Chosen(NamedTuple):
    """The form's fields, as text."""

    customers: Sequence[str] = ()
    products: Sequence[str] = ()
    times: Mapping[str, str] = {}
    offsets: Sequence[str] = ()

    def asked(self) -> Asked:
        """Raises InvalidError."""
        found = {name: instant(self.times[name], name, 0) if self.times.get(name) else None for name, _, _ in TIMES}
        try:
            stretches = [stretch_of(each) for each in self.offsets]
        except ValueError as error:
            raise InvalidError(Wrong("offsets", str(error))) from error
        return Asked(self.customers, self.products, found["from"], found["until"], found["arrived_from"], found["arrived_until"], stretches)

    def query(self) -> str:
        pairs = [("customer", each) for each in self.customers] + [("product", each) for each in self.products]
        pairs += [(name, text) for name, text in self.times.items() if text] + [("offsets", each) for each in self.offsets]
        return urlencode(pairs)


def chosen_in(query: QueryParams) -> Chosen:
    """What an address asks for."""
    return Chosen(query.getlist("customer"), query.getlist("product"), {name: query.get(name, "") for name, _, _ in TIMES}, query.getlist("offsets"))


def words(text: str | None) -> list[str]:
    """What is separated by commas or blanks."""
    return (text or "").replace(",", " ").split()


def planned(found: Mapping[str, Any], names: Mapping[str, str]) -> Html:
    """What a replay would touch."""
    customers, events = found["customers"], found["events"]
    ids = "all" if customers["ids"] == "all" else ", ".join(customers["ids"][:10])
    span = f"{day(instant_ms(events['first']))} – {day(instant_ms(events['last']))}" if events["first"] else "none"
    facts = [
        ("Products", ", ".join(names.get(name, name) for products in found["products"].values() for name in products)),
        ("Customers", f"{many(customers['families'])} with contracts, {many(customers['with_usage'])} ids with usage ({ids})"),
        ("Events", f"{many(events['in_scope'])} in scope, {many(events['to_read'])} to read; {span}"),
        ("Windows", f"{many(found['windows'])} hours of usage, about {many(found['disk_bytes'] / 1e6, 1)} MB of state while the generation is open"),
    ]
    finals = found["final_invoices_that_stay"]
    rows = [
        row(
            link(each["customer"], "customers", each["customer"]),
            link(f"{day(instant_ms(each['starting_at']))} – {day(instant_ms(each['ending_before']))}", "invoices", each["invoice"]),
        )
        for each in finals[:SHOWN]
    ]
    parts = [tag("dl", *(join([tag("dt", name), tag("dd", said)]) for name, said in facts), data_plan=True)]
    if finals:
        more = f" The first {SHOWN} are shown." if len(finals) > SHOWN else ""
        parts.append(
            tag("p", f"{many(len(finals))} final invoices stay as they are: void one to have it made again.{more}", class_="note", style="margin: .75rem 0")
        )
        parts.append(table((("Customer", ""), ("Final invoice", "")), rows, "Final invoices that stay"))
    return join(parts)


class ScopeForm:
    """Fields, the plan of them, and the button that begins."""

    def __init__(self, visit: Visit, catalogues: Mapping[str, Mapping[str, str]], chosen: Chosen, begun: Callable[[], Awaitable[None]]) -> None:
        self._visit = visit
        self._names = {name: said for products in catalogues.values() for name, said in products.items()}
        self._begun = begun
        self._turn = 0
        with ui.element("div").classes("fields"):
            given = [each for each in chosen.products if each in self._names]
            self._products = ui.select(self._names, label="Products", multiple=True, value=given, on_change=self._changed).props(
                "outlined dense options-dense use-chips"
            )
            self._customers = self._input("Customers", " ".join(chosen.customers), "ids; none: all")
            self._times = {name: self._input(label, chosen.times.get(name, ""), hint) for name, label, hint in TIMES}
            self._offsets = self._input("Offsets", " ".join(chosen.offsets), "partition:from-to")
        self._plan = raw(bones(4)).style("margin: 1rem 0")
        if visit.caller.may("write"):
            with ui.element("div").classes("row items-center q-gutter-md"):
                self._note = ui.input("Note", placeholder="why").props("outlined dense").style("flex: 1; min-width: 12rem")
                self._button = ui.button("Begin", icon="replay", on_click=self._begin).props("no-caps color=primary disable")
        self._outcome = raw()
        ui.timer(0.01, self._look, once=True)

    def _input(self, label: str, value: str, hint: str) -> ui.input:
        made = ui.input(label, value=value, on_change=self._changed).props("outlined dense debounce=300")
        return made.props(f'hint="{hint}"') if hint else made

    def _chosen(self) -> Chosen:
        times = {name: (field.value or "").strip() for name, field in self._times.items()}
        return Chosen(words(self._customers.value), list(self._products.value or []), times, words(self._offsets.value))

    async def _changed(self) -> None:
        asked = self._chosen().query()
        ui.run_javascript(f"history.replaceState(null, '', location.pathname + {('?' + asked if asked else '')!r})")
        await self._look()

    async def _look(self) -> None:
        """Plan what the fields say; the last question counts."""
        self._turn += 1
        turn = self._turn
        self._enable(on=False)
        try:
            found = await self._visit.ask(self._visit.held.replays.plan, self._chosen().asked())
        except FAILURES as error:
            if turn == self._turn:
                self._plan.set_content(failed(error))
            return
        if turn == self._turn:
            self._plan.set_content(planned(found, self._names))
            self._enable(on=True)

    def _enable(self, *, on: bool) -> None:
        if self._visit.caller.may("write"):
            self._button.props(remove="disable") if on else self._button.props("disable")

    async def _begin(self) -> None:
        self._button.props("loading disable")
        self._outcome.set_content(tag("p", "Beginning…", class_="soft", aria_busy="true"))
        try:
            caller = await self._visit.again("write")
            await self._visit.ask(self._visit.held.replays.begin, self._chosen().asked(), self._note.value or "", caller.name)
        except FAILURES as error:
            self._outcome.set_content(failed(error))
            self._button.props(remove="loading disable")
            return
        await self._begun()
