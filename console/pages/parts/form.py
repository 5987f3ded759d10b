"""The form of a term: its fields, rows of them for what comes several times, and what is seldom needed folded away."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from console.pages.parts.frame import raw
from console.pages.parts.term_shapes import FLAGS, WHERE_COLUMNS, Field, Kind
from console.pages.parts.text import tag

Told = Callable[[Any], None]


def term_form(kind: Kind, values: Mapping[str, Any], products: Mapping[str, str], told: Callable[[str, Any], None]) -> None:
    """The fields of a kind of term; `told` hears the name of a field and its new value. Another way to price brings other fields."""
    given = dict(values)
    box = ui.element("div").classes("fields")

    def hear(name: str, value: Any) -> None:
        given[name] = value
        if name == "model":
            draw()
        told(name, value)

    def draw() -> None:
        box.clear()
        with box:
            for field in kind.shown(given):
                _one(field, given.get(field.name), products, partial(hear, field.name))

    draw()
    if kind.more:
        filled = any(given.get(field.name) for field in kind.more)
        with ui.expansion("More", value=filled).props("dense").classes("more") as folded:
            rest = ui.element("div").classes("fields")

        def unfold() -> None:
            """Its fields are made when somebody wants them: they are most of a form."""
            if folded.value and not rest.default_slot.children:
                with rest:
                    for field in kind.more:
                        _one(field, given.get(field.name), products, partial(hear, field.name))

        folded.on_value_change(unfold)
        unfold()


def _one(field: Field, value: Any, products: Mapping[str, str], told: Told) -> None:
    if field.kind == "where":
        term_rows(field._replace(columns=WHERE_COLUMNS), value or [], told)
    elif field.kind == "rows":
        term_rows(field, value or [], told)
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


def term_rows(field: Field, given: Sequence[Mapping[str, Any]], told: Told) -> None:
    """Rows of fields, with buttons to add one and to take one out; `told` hears all rows."""
    fresh = {column.name: column.start for column in field.columns if column.start}
    rows = [dict(row) for row in given] or [dict(fresh)]
    box = ui.element("fieldset").classes("rows")

    def fill(place: int, name: str, value: Any) -> None:
        rows[place][name] = value.strip() if isinstance(value, str) else value
        told([dict(row) for row in rows])

    def add() -> None:
        rows.append(dict(fresh))
        draw()

    def take_out(place: int) -> None:
        del rows[place]
        if not rows:
            rows.append(dict(fresh))
        draw()
        told([dict(row) for row in rows])

    def draw() -> None:
        box.clear()
        with box:
            raw(tag("b", field.label))
            for place, row in enumerate(rows):
                with ui.element("div").classes("fields"):
                    for column in field.columns:
                        term_field(column, row.get(column.name), {}, partial(fill, place, column.name), place + 1)
                    ui.button(icon="remove", on_click=partial(take_out, place)).props(f'flat dense aria-label="Remove row {place + 1} of {field.label}"')
            ui.button(f"Add to {field.label.casefold()}", icon="add", on_click=add).props("flat dense no-caps").classes("small")

    draw()
