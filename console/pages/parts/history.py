"""Versions of a document: who, when, and what differs between any two of them. The choice stands in the address, so it can be sent around."""

from collections.abc import Sequence

from console import documents
from console.errors import ApiError
from console.pages.parts import changes
from console.pages.parts.frame import raw, remember
from console.pages.parts.live import chosen
from console.pages.parts.states import empty, failed
from console.pages.parts.text import Html, badge, choice, moment, row, table, tag
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
    picked = {"from": before if before in names else max(0, last - 1), "to": after if after in names else last}
    picker = raw(tag("div", *(choice(label, name, names, picked[name]) for label, name in (("From", "from"), ("To", "to"))), class_="chips choices"))
    shown = raw(_compared(kind, versions, picked["from"], picked["to"]))

    def compare(name: str, value: str, _: bool) -> None:
        picked[name] = int(value)
        shown.set_content(_compared(kind, versions, picked["from"], picked["to"]))
        remember(**{each: str(number) for each, number in picked.items()})

    chosen(picker, compare)


def _compared(kind: documents.Kind, versions: Sequence[Version], before: int, after: int) -> Html:
    try:
        return changes.text_diff(documents.compare(kind, versions, before, after)["lines"])
    except ApiError as error:
        return failed(error)
