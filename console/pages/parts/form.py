"""Fields of a term's form: one for each kind of value, and rows of them for what comes several times."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from console.pages.parts.frame import raw
from console.pages.parts.terms import Field
from console.pages.parts.text import tag

Told = Callable[[Any], None]


def term_field(field: Field, value: Any, products: Mapping[str, str], told: Told, number: int | None = None) -> None:
    """A field; `told` hears every new value. `number`: of the row that it is in."""
    label = field.label if number is None else f"{field.label} {number}"
    if field.kind == "choice":
        ui.select(list(field.options), label=label, value=value or None, on_change=lambda event: told(event.value)).props("outlined dense options-dense")
    elif field.kind == "products":
        made = ui.select(dict(products), label=label, multiple=True, value=value or [], on_change=lambda event: told(event.value))
        made.props("outlined dense options-dense use-chips").tooltip(field.hint)
    else:
        kind = "inputmode=decimal" if field.kind == "amount" else ""
        text = ui.input(label, value=value or "", on_change=lambda event: told(event.value)).props(
            f"outlined dense debounce=150 {kind} data-field={field.name}"
        )
        if field.hint:
            text.props(f'hint="{field.hint}"')


def term_rows(field: Field, given: Sequence[Mapping[str, Any]], told: Told) -> None:
    """Rows of fields, with buttons to add one and to take one out; `told` hears all rows."""
    rows = [dict(row) for row in given] or [{}]
    box = ui.element("fieldset").classes("rows")

    def fill(place: int, name: str, value: Any) -> None:
        rows[place][name] = value.strip() if isinstance(value, str) else value
        told([dict(row) for row in rows])

    def add() -> None:
        rows.append({})
        draw()

    def take_out(place: int) -> None:
        del rows[place]
        if not rows:
            rows.append({})
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
