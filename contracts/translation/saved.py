"""Answers of an API that were saved as files: the objects in them, and where each stood.

A file holds one answer (`{"data": …}`, `{"object": "list", "data": […]}`, an object), a list of answers, or one a line. An answer may stand with its
question: `{"request": {…}, "response": {…}}`. Numbers are decimals, never floats.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from contracts.translation.fields import RefusedError, Wrong

UNREADABLE: Final = (RefusedError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading an object that is not as the API writes it can raise."""

Level = Literal["refused", "skipped", "noted"]


class Finding(NamedTuple):
    """Something of an export that is not in the documents, or not as it was."""

    level: Level
    """refused: it decides amounts, and cannot be said; skipped: as `refused`, and somebody asked to leave it out; noted: it decides no amount of a bill."""
    file: str
    kind: str
    id: str
    field: str
    message: str
    """What is so, and what to do."""


class Saved(NamedTuple):
    """An object of an export."""

    file: str
    data: dict[str, Any]
    request: Mapping[str, Any] = {}

    @property
    def id(self) -> str:
        return str(self.data.get("id", ""))

    def finding(self, level: Level, kind: str, field: str, message: str) -> Finding:
        return Finding(level, self.file, kind, self.id, field, message)

    def refusals(self, kind: str, error: Exception) -> list[Finding]:
        return [self.finding("refused", kind, each.field, each.message) for each in wrongs(error)]


def wrongs(error: Exception) -> Sequence[Wrong]:
    """What is wrong with an object, of an error in `UNREADABLE`."""
    if isinstance(error, RefusedError):
        return error.wrong
    if isinstance(error, KeyError):
        return [Wrong(str(error.args[0]), "is missing; save the API's answer whole")]
    return [Wrong("", f"is not as the API writes it ({type(error).__name__}: {error}); save the API's answer whole")]


class Page(NamedTuple):
    """One answer with a list: whose it is, and whether more follows."""

    file: str
    url: str
    first: dict[str, Any]
    more: bool
    next: str = ""
    """What a question for the page behind it has in it: the token that was given, or the id of the last object."""
    asked: str | None = None
    """The question, as text; none: it was not saved."""

    @property
    def field(self) -> str:
        """Which of its fields says that more follows."""
        return "has_more" if self.url else "next_page"


class Export(NamedTuple):
    objects: list[Saved]
    pages: list[Page]
    findings: list[Finding]


def read(texts: Mapping[str, str], skip: Collection[str] = ()) -> Export:
    """All objects of some files (name to text), without those and without the fields that `skip` names. Raises RefusedError for what is no JSON."""
    found = Export([], [], [])
    for file, text in texts.items():
        for answer in _answers(file, text):
            request: Mapping[str, Any] = {}
            body = answer
            if isinstance(answer, dict) and isinstance(answer.get("response"), (dict, list)):
                asked = answer.get("request")
                request, body = asked if isinstance(asked, dict) else {}, answer["response"]
            body = _without(body, frozenset(skip), file, found.findings)
            before = len(found.pages)
            found.objects.extend(Saved(file, each, request) for each in _objects(file, body, found))
            if request:
                asked = json.dumps(request, default=str, ensure_ascii=False)
                found.pages[before:] = [page._replace(asked=asked) for page in found.pages[before:]]
    return found


def _answers(file: str, text: str) -> list[Any]:
    try:
        return [_parse(text)]
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return [_parse(line) for line in lines] if len(lines) > 1 else _refuse(file, error)
        except ValueError:
            return _refuse(file, error)


def _refuse(file: str, error: ValueError) -> list[Any]:
    raise RefusedError(Wrong(file, f"is no JSON, nor JSON lines: {error}; save the API's answers as they come")) from error


def _parse(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=_no_number)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _objects(file: str, body: Any, found: Export) -> Iterator[dict[str, Any]]:
    if isinstance(body, list):
        for each in body:
            yield from _objects(file, each, found)
    elif isinstance(body, dict) and isinstance(body.get("data"), list) and ("object" not in body or body["object"] == "list"):
        rows = [each for each in body["data"] if isinstance(each, dict)]
        more = bool(body.get("has_more")) or bool(body.get("next_page"))
        behind = str(body.get("next_page") or (rows[-1].get("id") if rows else "") or "")
        found.pages.append(Page(file, str(body.get("url") or ""), rows[0] if rows else {}, more, behind))
        yield from rows
    elif isinstance(body, dict) and isinstance(body.get("data"), dict) and "object" not in body:
        yield body["data"]
    elif isinstance(body, dict):
        yield body


def unfinished(pages: Iterable[Page], kind: Callable[[Page], str]) -> Iterator[Finding]:
    """A list whose every page says that more follows lacks its last one. Where the questions were saved too, each page is looked for that must follow."""
    by_kind: dict[str, list[Page]] = {}
    for page in pages:
        by_kind.setdefault(kind(page), []).append(page)
    for name, found in by_kind.items():
        if all(page.more for page in found):
            message = "every page in the export says that more follow; save the pages behind it too"
            yield Finding("refused", found[-1].file, f"list of {name}", "", found[-1].field, message)
        elif all(page.asked is not None for page in found):
            for page in found:
                if page.more and page.next and not any(page.next in (other.asked or "") for other in found):
                    message = f"the page behind this one ({page.next}) is not in the export; save it too"
                    yield Finding("refused", page.file, f"list of {name}", "", page.field, message)


def _without(value: Any, skip: frozenset[str], file: str, findings: list[Finding]) -> Any:
    """The value without the objects and fields that somebody asked to leave out; each that was there is told."""
    if not skip:
        return value
    if isinstance(value, list):
        kept = []
        for each in value:
            if isinstance(each, dict) and str(each.get("id", "")) in skip:
                findings.append(Finding("skipped", file, "object", str(each["id"]), "", "is left out, as was asked"))
            else:
                kept.append(_without(each, skip, file, findings))
        return kept
    if isinstance(value, dict):
        for key in sorted(value.keys() & skip):
            if value[key] not in (None, [], {}, ""):
                findings.append(Finding("skipped", file, "field", str(value.get("id", "")), key, "is left out, as was asked"))
        return {key: _without(each, skip, file, findings) for key, each in value.items() if key not in skip}
    return value
