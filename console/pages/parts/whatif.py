"""The contract as if another version of it had held: former versions and kept what-ifs beside what was billed. The choice stands in the address."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from nicegui import ui

from console import whatifs
from console.pages.parts.frame import raw, remember
from console.pages.parts.states import FAILURES, bones, empty, failed
from console.pages.parts.text import Html, day, href, join, moment, money, row, table, tag
from console.pages.parts.visit import Visit
from console.reading import Version
from contracts.contract import Contract


class WhatIf:
    """The card's content."""

    def __init__(self, visit: Visit, contract: Contract, versions: Sequence[Version], kept: Sequence[whatifs.Kept], names: Mapping[str, str]) -> None:
        self._visit = visit
        self._contract = contract
        self._names = names
        self._kept = {each.name: each for each in kept}
        self._titles = {each.name: each.name for each in kept} | {f"{whatifs.FORMER}{each.version}": f"version {each.version}" for each in reversed(versions)}
        self._turn = 0

    def draw(self, periods: Sequence[tuple[int, int]], choices: Sequence[str], starting: str) -> None:
        """`choices` and `starting` (the start of a period) are what the address asks for."""
        raw(tag("p", "What a period would have come to if another version of this contract had held from the beginning. Nothing is published.", class_="soft"))
        if not periods:
            raw(empty("No period to compare yet", "The first one begins with the first usage."))
            return
        self._periods = dict(periods)
        spans = {start: f"{day(start)} – {day(end)}" for start, end in periods}
        first = next((start for start in spans if day(start) == starting), periods[0][0])
        with ui.element("div").classes("row q-gutter-sm items-center").style("margin: .75rem 0"):
            self._choices = ui.select(
                self._titles, label="Versions", multiple=True, value=[each for each in choices if each in self._titles], on_change=self._changed
            )
            self._choices.props("outlined dense options-dense use-chips").style("min-width: 16rem; flex: 1")
            self._period = (
                ui.select(spans, label="Period", value=first, on_change=self._changed).props("outlined dense options-dense").style("min-width: 13rem")
            )
        self._list = ui.element("div").classes("chips")
        self._draw_list()
        self._table = raw().style("margin-top: .75rem")
        if self._choices.value:
            self._table.set_content(bones(4))
            ui.timer(0.01, self._look, once=True)
        else:
            self._table.set_content(self._nothing())

    def _nothing(self) -> Html:
        return empty("Choose versions to compare", "Former versions are there; keep others with “Keep as what-if” on the edit screen.")

    def _draw_list(self) -> None:
        """What is kept, with its author and the way to its text."""
        self._list.clear()
        with self._list:
            for each in self._kept.values():
                text = tag("a", each.name, href=href("contracts", self._contract.id, "edit") + f"?whatif={href(each.name)[1:]}")
                with ui.element("span").classes("badge"):
                    raw(tag("span", text, f" by {each.author or '–'}, ", moment(each.recorded_ms))).style("display: inline-block")
                    if self._visit.caller.may("write"):
                        ui.button(icon="close", on_click=partial(self._drop, each.name)).props(f'flat dense round size=xs aria-label="Forget {each.name}"')

    async def _drop(self, name: str) -> None:
        try:
            caller = await self._visit.again("write")
            await self._visit.ask(whatifs.drop, self._visit.held, caller, self._contract.id, name)
        except FAILURES as error:
            self._table.set_content(failed(error))
            return
        del self._kept[name], self._titles[name]
        self._draw_list()
        self._choices.set_options(self._titles, value=[each for each in self._choices.value if each != name])

    async def _changed(self) -> None:
        remember(whatif=list(self._choices.value), period=day(self._period.value))
        await self._look()

    async def _look(self) -> None:
        """Rate what is chosen; the last question counts."""
        self._turn += 1
        turn, choices, start = self._turn, list(self._choices.value), int(self._period.value)
        if not choices:
            self._table.set_content(self._nothing())
            return
        self._table.set_content(bones(4))
        try:
            found = await self._visit.ask(whatifs.compare, self._visit.held, self._contract.id, choices, start, start + 1)
        except FAILURES as error:
            if turn == self._turn:
                self._table.set_content(failed(error))
            return
        if turn == self._turn:
            self._table.set_content(comparison(found, [(each, self._titles[each]) for each in choices], self._names, self._contract.id))


def comparison(rows: Sequence[whatifs.Row], choices: Sequence[tuple[str, str]], names: Mapping[str, str], contract: str) -> Html:
    """What was billed, and what each choice would have been, with its difference."""
    if not rows:
        return empty("Nothing to compare", "Neither what was billed nor these versions come to anything in this period.")
    body = [_row(each, choices, names, contract) for each in rows]
    currencies = dict.fromkeys(each.currency for each in rows)
    feet = []
    for currency in currencies:
        of = [each for each in rows if each.currency == currency]
        before = sum((each.before for each in of), Decimal(0))
        sums = [(sum((each.after[choice] for each in of), Decimal(0))) for choice, _ in choices]
        cells = [tag("td", _amount(total, before, currency), class_="num", data_whatif=choice) for (choice, _), total in zip(choices, sums, strict=True)]
        feet.append(tag("tr", tag("td", f"Total, {currency}"), tag("td", money(before, currency), class_="num"), *cells))
    head = (("Line", ""), ("As billed", "num"), *((title, "num") for _, title in choices))
    return table(head, body, "What other versions would have come to", join(feet))


def _row(found: whatifs.Row, choices: Sequence[tuple[str, str]], names: Mapping[str, str], contract: str) -> Html:
    name = names.get(found.product) or found.product.replace("_", " ").capitalize()
    said = name if found.contract == contract else tag("span", name, tag("small", found.contract))
    amounts = (_amount(found.after[choice], found.before, found.currency) for choice, _ in choices)
    return row(said, money(found.before, found.currency), *amounts, kinds=("", "num", *["num"] * len(choices)))


def _amount(after: Decimal, before: Decimal, currency: str) -> Html:
    gone = after - before
    return tag("span", money(after, currency), tag("small", ("+" if gone > 0 else "") + money(gone, currency)) if gone else "")
