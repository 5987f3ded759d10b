"""/contracts/ID/edit: forms and the YAML beside them, the invoice before and after while one types, and one atomic save."""

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

from fastapi import Request, Response
from nicegui import app, ui
from nicegui.elements.codemirror import CodeMirror

from console import documents, edits, whatifs
from console.errors import ApiError, ConflictError, ForbiddenError, missing
from console.merging import merge
from console.pages.parts import changes, terms
from console.pages.parts.form import TermForm
from console.pages.parts.frame import at, card, frame, raw
from console.pages.parts.live import picked
from console.pages.parts.pulse import Pulse
from console.pages.parts.states import FAILURES, failed, soon
from console.pages.parts.term_shapes import Kind
from console.pages.parts.text import Html, badge, href, link, many, tag
from console.pages.parts.visit import Visit, enter
from console.services import Services
from contracts import writing
from contracts.contract import Contract
from contracts.translation.fields import Wrong

QUIET_S: Final = 0.25
"""How long nobody types into the text before the preview is made."""
FILLED_S: Final = 0.01
"""The same after a field of the form: fields wait in the browser until nobody types."""
FINAL_S: Final = 30.0
"""How long a preview remembers which periods are final: saving looks again."""
SEEN_S: Final = 20.0
LOOK_S: Final = 0.03


class Opened(NamedTuple):
    """The document as it was opened."""

    version: int
    contract: Contract
    names: dict[str, str]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = writing.data_of(self.contract)
        return found


def open_contract(held: Services, name: str) -> Opened:
    """Raises NotFoundError."""
    papers = held.books.now(0.0)
    version, contract = documents.present(papers, "contract", name)
    if not isinstance(contract, Contract):
        raise TypeError(f"{name} is no contract")
    found = papers.documents.catalogues.get(contract.catalogue)
    return Opened(version, contract, {key: product.name for key, product in found.catalogue.products.items()} if found else {})


class Editor:
    """One edit on its way: the text is what counts, the form writes into it."""

    def __init__(self, visit: Visit, opened: Opened, text: str | None = None) -> None:
        """`text`: what to begin with; none: the document as it is."""
        self._visit = visit
        self._opened = opened
        self._text = text or writing.text_of(opened.contract)
        self._effective = ""
        self._kind: Kind | None = None
        self._former: str | None = None
        self._values: dict[str, Any] = {}
        self._turn = 0
        self._pulse: Pulse = app.state.pulse
        self._last: dict[str, Any] | None = None
        """The last preview, of the text as it is; none: it is not made yet, or the text is wrong."""
        self._writing = False
        self._final: asyncio.Task[Mapping[str, int]] | None = None
        self._final_at = 0.0

    @property
    def _name(self) -> str:
        return self._opened.contract.id

    def draw(self) -> None:
        self._top = raw(_head(self._opened))
        with ui.element("div").classes("editor"):
            with card("Terms"):
                self._chips = raw()
                picked(self._chips, self._edit)
                kinds = (tag("button", f"+ {each.name}", type="button", aria_label=each.name, data_pick=each.name) for each in terms.KINDS)
                picked(raw(tag("div", *kinds, class_="chips kinds")), self._begin)
                self._form = ui.element("div").style("margin-top: 1rem")
            with card("YAML"):
                theme = "githubDark" if self._visit.request.cookies.get("taximeter_theme") == "dark" else "githubLight"
                self._editor = CodeMirror(self._text, language="YAML", theme=theme, indent="  ", on_change=lambda event: self._typed(event.value))  # type: ignore[arg-type]
                self._editor.props('aria-label="Contract as YAML"')
        with card("Before and after"):
            self._preview = raw(changes.preview({"invoices": [], "balances": [], "as_of": {}}, {}))
        with ui.element("section").classes("card").style("position: sticky; bottom: 0; z-index: 5"):
            with ui.element("div").classes("row items-center q-gutter-md"):
                ui.input("Takes effect", placeholder="now", on_change=lambda event: self._dated(event.value)).props("outlined dense debounce=300").style(
                    "width: 15rem"
                )
                self._button = ui.button("Save", icon="check", on_click=self._save).props("no-caps color=primary disable")
                ui.button("Keep as what-if", icon="bookmark_add", on_click=self._keep).props("no-caps outline")
                self._state = raw(tag("span", f"Version {self._opened.version}; nothing changed", class_="soft")).style("flex: 1; min-width: 12rem")
            self._outcome = raw().props('role="status"')
        self._draw_chips()
        self._finals()  # by the first preview it is there
        if self._text != writing.text_of(self._opened.contract):
            self._changed(FILLED_S)

    # The form

    def _begin(self, name: str) -> None:
        """A new term of the kind with that name."""
        data = self._data()
        kind = next((each for each in terms.KINDS if each.name == name), None)
        if data is None or kind is None:
            return
        fresh = terms.fresh_id(kind, data)
        values = {field.name: field.start for field in kind.all_fields if field.start} | ({"id": fresh} if fresh else {})
        self._show_form(kind, None, values)

    def _edit(self, place: str) -> None:
        """The term of a button: its list, and what tells it apart there."""
        list_name, _, key = place.partition("/")
        term = next((each for name, each in terms.listed(self._data() or {}, list_name) if name == key), None)
        if term is None:
            return
        found = terms.kind_of(list_name, term)
        if found is None:
            ui.notify(f"{terms.title(list_name, term)} has more than the form can show; edit it in the YAML", type="info")
            return
        self._show_form(found[0], key, found[1])

    def _show_form(self, kind: Kind, former: str | None, values: dict[str, Any]) -> None:
        self._kind, self._former, self._values = kind, former, values
        self._form.clear()
        with self._form:
            raw(tag("h2", kind.name))
            TermForm(kind, values, self._opened.names, self._filled).draw()
            ui.button("Remove this term", icon="delete", on_click=self._remove).props("flat dense no-caps color=negative")
        self._form.update()

    def _filled(self, name: str, value: Any) -> None:
        """A field of the form has another value: the term goes into the text."""
        self._values[name] = value.strip() if isinstance(value, str) else value
        data = self._data()
        if data is None or self._kind is None:
            return
        term = self._kind.make(self._values)
        changed, self._former = terms.put(data, self._kind.list, self._former, term)
        self._write(changed)

    def _remove(self) -> None:
        data = self._data()
        if data is not None and self._kind is not None:
            self._write(terms.put(data, self._kind.list, self._former, None)[0] if self._former else data)
        self._kind = self._former = None
        self._form.clear()

    def _data(self) -> dict[str, Any] | None:
        """The text as data; None (and the reader is told) when it is none."""
        try:
            return edits.data_in("contract", self._text)
        except ApiError as error:
            self._preview.set_content(failed(error))
            ui.notify("Mend the YAML first: the form writes into it", type="warning")
            return None

    def _write(self, data: dict[str, Any]) -> None:
        self._writing = True
        self._text = writing.written("contract", data)
        self._editor.set_value(self._text)
        self._writing = False
        self._changed(FILLED_S)

    # The text

    def _typed(self, text: str) -> None:
        if self._writing or text == self._text:
            return
        self._text = text
        self._changed()

    def _dated(self, text: str | None) -> None:
        self._effective = (text or "").strip()
        self._changed(FILLED_S)

    def _draw_chips(self) -> None:
        try:
            data = edits.data_in("contract", self._text)
        except ApiError:
            return
        lists = dict.fromkeys(kind.list for kind in terms.KINDS)
        found = [(f"{name}/{key}", terms.title(name, term)) for name in lists for key, term in terms.listed(data, name)]
        self._chips.set_content(tag("div", *(tag("button", said, type="button", data_pick=place) for place, said in found), class_="chips terms"))

    def _changed(self, quiet_s: float = QUIET_S) -> None:
        self._turn += 1
        self._last = None
        self._button.props("disable")
        self._draw_chips()
        with self._preview.parent_slot or self._chips:
            ui.timer(quiet_s, partial(self._look, self._turn), once=True)

    async def _look(self, turn: int) -> None:
        """The preview of the text, if nobody has typed meanwhile."""
        if turn != self._turn:
            return
        self._state.set_content(tag("span", "Rating both ways…", class_="soft", aria_busy="true"))
        started = time.perf_counter()
        try:
            final = await asyncio.shield(self._finals())
            found = await self._visit.ask(edits.preview, self._visit.held, self._draft(), final)
        except FAILURES as error:
            if turn == self._turn:
                self._preview.set_content(failed(error))
                self._state.set_content(tag("span", "Not ready to be saved", class_="soft"))
            return
        if turn != self._turn:
            return
        took_ms = (time.perf_counter() - started) * 1000
        self._last = found
        self._preview.set_content(changes.preview(found, self._opened.names))
        same = edits.data_in("contract", self._text) == self._opened.data
        self._state.set_content(
            tag("span", "Nothing changed" if same else f"Ready; made on version {self._opened.version}. Previewed in {many(took_ms)} ms", class_="soft")
        )
        if not same:
            self._button.props(remove="disable")

    def _finals(self) -> asyncio.Task[Mapping[str, int]]:
        """The end of the contract's last final period, asked for ahead, and again after a while."""
        known = self._final
        if known is None or time.monotonic() - self._final_at > FINAL_S or (known.done() and (known.cancelled() or known.exception() is not None)):
            known = self._final = asyncio.create_task(self._visit.ask(self._visit.held.warehouse.final_until_ms, [self._name]))
            known.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever waits for it hears it
            self._final_at = time.monotonic()
        return known

    def _draft(self) -> edits.Draft:
        return edits.Draft("contract", self._name, self._text, self._effective or None)

    # Saving

    async def _save(self) -> None:
        if self._last is None:
            return
        expected, draft = self._last, self._draft()
        self._button.props("disable loading")
        started = time.perf_counter()
        try:
            caller = await self._visit.again("write")
            version = await self._visit.ask(edits.save, self._visit.held, caller, draft, self._opened.version)
        except ConflictError:
            await self._overtaken()
            return
        except FAILURES as error:
            self._outcome.set_content(failed(error))
            self._button.props(remove="disable")
            return
        finally:
            self._button.props(remove="loading")
        self._opened = await self._visit.ask(open_contract, self._visit.held, self._name)
        self._top.set_content(_head(self._opened))
        self._outcome.set_content(tag("p", f"Saved as version {version} by {caller.name}; the invoices follow…", class_="done"))
        await self._follow(expected, version, started)

    async def _follow(self, expected: dict[str, Any], version: int, started: float) -> None:
        """Wait until the warehouse shows what the preview has said, and tell how long it took."""
        customer = self._opened.contract.customer
        wanted = {each["id"]: each["total"]["after"] for each in expected["invoices"] if each["customer"] == customer and each["total"]["after"] is not None}
        while time.perf_counter() - started < SEEN_S:
            found = await self._visit.ask(edits.totals, self._visit.held, customer)
            if all(name in found and Decimal(found[name]) == Decimal(total) for name, total in wanted.items()):
                took_ms = (time.perf_counter() - started) * 1000
                self._pulse.nudge(customer)
                said = f"Saved as version {version}. " + (f"The invoices had changed {many(took_ms)} ms after Save. " if wanted else "No invoice changes now. ")
                self._outcome.set_content(tag("p", said, link(f"See {customer}", "customers", customer), class_="done", data_saved=True))
                break
            await asyncio.sleep(LOOK_S)
        else:
            said = f"Saved as version {version}, but the invoices are not what the preview said after {SEEN_S:.0f} s: usage may have arrived meanwhile. "
            self._outcome.set_content(tag("p", said, link(f"See {customer}", "customers", customer), class_="note"))
        self._state.set_content(tag("span", f"Version {version}; nothing changed", class_="soft"))

    def _keep(self) -> None:
        """The text beside the contract, to be compared on the contract's page; nothing is published."""
        with ui.dialog().props('aria-label="Keep as what-if"') as dialog, ui.card().style("max-width: 30rem; width: 100%"):
            raw(tag("h2", "Keep as what-if"))
            raw(tag("p", "The text stays beside the contract and rates nothing. The contract's page compares it with what was billed.", class_="soft"))
            name = ui.input("Name", placeholder="cheaper tokens").props("outlined dense autofocus").style("width: 100%")
            outcome = raw()

            async def keep() -> None:
                try:
                    caller = await self._visit.again("write")
                    await self._visit.ask(whatifs.keep, self._visit.held, caller, self._name, (name.value or "").strip(), self._text)
                except FAILURES as error:
                    outcome.set_content(failed(error))
                    return
                dialog.close()
                compare = tag("a", "Compare", href=href("contracts", self._name) + f"?whatif={href((name.value or '').strip())[1:]}")
                self._outcome.set_content(tag("p", f"Kept as {name.value}. Nothing was published. ", compare, class_="done", data_kept=True))

            with ui.element("div").classes("chips"):
                ui.button("Keep", on_click=keep).props("no-caps color=primary")
                ui.button("Cancel", on_click=dialog.close).props("no-caps flat")
        dialog.open()

    # Two people at once

    async def _overtaken(self) -> None:
        """Somebody has saved meanwhile: show what both have changed, and let the person decide. Nothing was published."""
        base, mine = self._opened.data, edits.data_in("contract", self._text)
        theirs = await self._visit.ask(open_contract, self._visit.held, self._name)
        versions = await self._visit.ask(self._visit.held.warehouse.history, "contract", self._name)
        author = next((each.author for each in versions if each.version == theirs.version), "somebody")
        both = merge(base, mine, theirs.data)
        with ui.dialog().props('persistent aria-label="Somebody was quicker"') as dialog, ui.card().style("max-width: 48rem; width: 100%"):
            raw(tag("h2", f"Version {theirs.version} was saved by {author} while you were editing version {self._opened.version}"))
            raw(tag("p", "Nothing of yours was published, and nothing is lost. Decide how to go on; you see the preview again before you save.", class_="soft"))
            raw(tag("div", tag("b", f"{author} has changed"), changes.places(documents.differences(base, theirs.data))))
            raw(tag("div", tag("b", "You have changed"), changes.places(documents.differences(base, mine))))
            if both.conflicts:
                raw(tag("p", f"Both have changed: {', '.join(both.conflicts)}", class_="note"))

            def decide(data: dict[str, Any]) -> None:
                self._opened = theirs
                self._top.set_content(_head(theirs))
                self._kind = self._former = None
                self._form.clear()
                self._write(data)
                dialog.close()

            with ui.element("div").classes("chips"):
                ui.button("Take both" + (", mine where both have changed" if both.conflicts else ""), on_click=lambda: decide(both.data)).props(
                    "no-caps color=primary"
                )
                ui.button("Only mine", on_click=lambda: decide(mine)).props("no-caps outline")
                ui.button("Only theirs", on_click=lambda: decide(theirs.data)).props("no-caps outline")
        dialog.open()


def _head(opened: Opened) -> Html:
    contract = opened.contract
    names = tag("span", link(contract.id, "contracts", contract.id), " of ", link(contract.customer, "customers", contract.customer))
    return tag("div", tag("h1", f"Edit {contract.id}"), badge(f"version {opened.version}"), names, class_="head")


@at("/contracts/{name}/edit")
async def page(request: Request, name: str) -> Response | None:
    visit = await enter(request)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Customers", f"Edit {name}"):
        where = ui.element("div").classes("stack")

        wanted = request.query_params.get("whatif")

        async def load() -> tuple[Opened, str | None]:
            if not visit.caller.may("write"):
                raise ForbiddenError(Wrong("", f"your key may {visit.caller.scope}; an edit needs one that may write"))
            opened = await visit.ask(open_contract, visit.held, name)
            if wanted is None:
                return opened, None
            kept = {each.name: each.text for each in await visit.ask(lambda: whatifs.kept(visit.held.books.now(), name))}
            if wanted not in kept:
                raise missing("what-if", wanted)
            return opened, kept[wanted]

        def draw(found: tuple[Opened, str | None]) -> None:
            Editor(visit, *found).draw()

        await soon(where, load, draw, 10)
    return None
