"""Versions of a document: who, when, and what differs between any two of them. The choice stands in the address, so it can be sent around."""

from collections.abc import Sequence

from nicegui import ui

from console import documents
from console.errors import ApiError
from console.pages.parts import changes
from console.pages.parts.frame import raw, remember
from console.pages.parts.states import empty, failed
from console.pages.parts.text import Html, badge, moment, row, table
from console.reading import Version


def history(kind: documents.Kind, versions: Sequence[Version], before: int | None, after: int | None) -> None:
    """Draw them; `before` and `after` are the versions to compare first."""
    if not versions:
        raw(empty("No version in the warehouse yet", "The document was published a moment ago; load the page again."))
        return
    last = versions[-1].version
    rows = [
        row(
            badge(str(each.version)),
            each.author or "–",
            moment(each.recorded_ms),
            moment(each.effective_ms) if each.effective_ms is not None else "at once",
        )
        for each in reversed(versions)
    ]
    raw(table((("Version", ""), ("Author", ""), ("Recorded", ""), ("Effective", "")), rows, "Versions"))
    names = {0: "nothing"} | {each.version: f"version {each.version}" for each in versions}
    with ui.element("div").classes("row q-gutter-sm items-center").style("margin: .75rem 0"):
        one = ui.select(names, label="From", value=before if before in names else max(0, last - 1)).props("outlined dense").style("min-width: 9rem")
        other = ui.select(names, label="To", value=after if after in names else last).props("outlined dense").style("min-width: 9rem")
    shown = raw()

    def compare(*, told: bool = True) -> None:
        shown.set_content(_compared(kind, versions, one.value, other.value))
        if told:
            remember(**{"from": str(int(one.value)), "to": str(int(other.value))})

    one.on_value_change(lambda _: compare())
    other.on_value_change(lambda _: compare())
    compare(told=False)


def _compared(kind: documents.Kind, versions: Sequence[Version], before: int, after: int) -> Html:
    try:
        return changes.text_diff(documents.compare(kind, versions, before, after)["lines"])
    except ApiError as error:
        return failed(error)
