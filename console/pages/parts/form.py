"""The form of a term: its fields, rows of them for what comes several times, and what is seldom needed folded away."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from console.pages.parts.frame import raw
from console.pages.parts.term_shapes import FLAGS, WHERE_COLUMNS, Field, Kind
from console.pages.parts.text import tag

Told = Callable[[Any], None]


class TermForm:
    """The fields of a kind of term; `told` hears the name of a field and its new value. Another way to price brings other fields."""

    def __init__(self, kind: Kind, values: Mapping[str, Any], products: Mapping[str, str], told: Callable[[str, Any], None]) -> None:
        self._kind = kind
        self._given = dict(values)
        self._products = products
        self._told = told

    def draw(self) -> None:
        """Where the page is being made."""
        self._box = ui.element("div").classes("fields")
        self._draw()
        if self._kind.more:
            filled = any(self._given.get(field.name) for field in self._kind.more)
            with ui.expansion("More", value=filled).props("dense").classes("more") as self._folded:
                self._rest = ui.element("div").classes("fields")
            self._folded.on_value_change(self._unfold)
            self._unfold()

    def _hear(self, name: str, value: Any) -> None:
        self._given[name] = value
        if name == "model":
            self._draw()
        self._told(name, value)

    def _draw(self) -> None:
        self._box.clear()
        with self._box:
            self._fields(self._kind.shown(self._given))

    def _unfold(self) -> None:
        """Its fields are made when somebody wants them: they are most of a form."""
        if self._folded.value and not self._rest.default_slot.children:
            with self._rest:
                self._fields(self._kind.more)

    def _fields(self, fields: Iterable[Field]) -> None:
        for field in fields:
            _one(field, self._given.get(field.name), self._products, partial(self._hear, field.name))


def _one(field: Field, value: Any, products: Mapping[str, str], told: Told) -> None:
    if field.kind == "where":
        TermRows(field._replace(columns=WHERE_COLUMNS), value or [], told).draw()
    elif field.kind == "rows":
        TermRows(field, value or [], told).draw()
    else:
        term_field(field, value, products, told)


def term_field(field: Field, value: Any, products: Mapping[str, str], told: Told, number: int | None = None) -> None:
    """A field; `told` hears every new value. `number`: of the row that it is in."""
    label = field.label if number is None else f"{field.label} {number}"
    if field.kind in ("choice", "flag"):
        options = list(FLAGS) if field.kind == "flag" else list(field.options)
        chosen = ui.select(options, label=label, value=value or None, on_change=lambda event: told(event.value), clearable=not field.start)
        chosen.props("outlined dense options-dense" + (f' hint="{field.hint}"' if field.hint else ""))
    elif field.kind == "products":
        made = ui.select(dict(products), label=label, multiple=True, value=value or [], on_change=lambda event: told(event.value))
        made.props("outlined dense options-dense use-chips").tooltip(field.hint)
    else:
        kind = {"amount": "inputmode=decimal", "whole": "inputmode=numeric"}.get(field.kind, "")
        known = list(products) if field.name == "product" else None
        text = ui.input(label, value=value or "", on_change=lambda event: told(event.value), autocomplete=known)
        text.props(f"outlined dense debounce=150 {kind} data-field={field.name}")
        if field.hint:
            text.props(f'hint="{field.hint}"')


class TermRows:
    """Rows of fields, with buttons to add one and to take one out; `told` hears all rows."""

    def __init__(self, field: Field, given: Sequence[Mapping[str, Any]], told: Told) -> None:
        self._field = field
        self._told = told
        self._fresh = {column.name: column.start for column in field.columns if column.start}
        self._rows = [dict(row) for row in given] or [dict(self._fresh)]

    def draw(self) -> None:
        """Where the page is being made."""
        self._box = ui.element("fieldset").classes("rows")
        self._draw()

    def _fill(self, place: int, name: str, value: Any) -> None:
        self._rows[place][name] = value.strip() if isinstance(value, str) else value
        self._tell()

    def _tell(self) -> None:
        self._told([dict(row) for row in self._rows])

    def _add(self) -> None:
        self._rows.append(dict(self._fresh))
        self._draw()

    def _take_out(self, place: int) -> None:
        del self._rows[place]
        if not self._rows:
            self._rows.append(dict(self._fresh))
        self._draw()
        self._tell()

    def _draw(self) -> None:
        self._box.clear()
        label = self._field.label
        with self._box:
            raw(tag("b", label))
            for place, row in enumerate(self._rows):
                with ui.element("div").classes("fields"):
                    for column in self._field.columns:
                        term_field(column, row.get(column.name), {}, partial(self._fill, place, column.name), place + 1)
                    ui.button(icon="remove", on_click=partial(self._take_out, place)).props(f'flat dense aria-label="Remove row {place + 1} of {label}"')
            ui.button(f"Add to {label.casefold()}", icon="add", on_click=self._add).props("flat dense no-caps").classes("small")
