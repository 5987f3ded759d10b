"""Documents for the API, the pages and the command line: as text, validated, applied on the version they were made from, with their history."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from console.books import Change, Papers
from console.errors import InvalidError, invalid, missing, of_document
from console.reading import Version
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.instants import instant_ms
from contracts.loading import read_documents
from contracts.timeline import iso
from contracts.translation.fields import Wrong
from contracts.writing import data_of, text_of

Kind = Literal["catalogue", "contract"]
SHAPES: Final[dict[Kind, type[Catalogue] | type[Contract]]] = {"catalogue": Catalogue, "contract": Contract}


class Difference(NamedTuple):
    """One place where two versions differ; None: not there."""

    path: str
    before: Any
    after: Any


def decode(kind: Kind, body: str) -> Catalogue | Contract:
    return msgspec.json.decode(body, type=SHAPES[kind], strict=False)


def read(text: str, papers: Papers, final_until_ms: Mapping[str, int], window_minutes: int) -> tuple[list[Catalogue], list[Contract]]:
    """The documents in a text (YAML or JSON), checked with all that is in force. Raises InvalidError naming line, key and what is allowed."""
    name = "text.json" if text.lstrip().startswith("{") else "text"
    try:
        found = read_documents([(text, name)], papers.known(final_until_ms), window_minutes=window_minutes)
    except DocumentError as error:
        raise of_document(error) from error
    if not found:
        raise invalid("text", "there is no document in it: write `catalogue:` or `contract:`")
    return [each for each in found if isinstance(each, Catalogue)], [each for each in found if isinstance(each, Contract)]


def change(catalogues: Sequence[Catalogue], contracts: Sequence[Contract], effective_ms: int | None, papers: Papers) -> Change:
    """The edit that puts these documents in force, answering with their new versions."""
    rows = [
        {"kind": kind, "id": each.id, "version": version_of(papers, kind, each.id) + 1}
        for kind, given in (("catalogue", catalogues), ("contract", contracts))
        for each in given
    ]
    return Change({"documents": rows}, catalogues, contracts, effective_ms=effective_ms)


def version_of(papers: Papers, kind: str, name: str) -> int:
    """The version in force; 0: there is none yet."""
    found = papers.documents.catalogues.get(name) if kind == "catalogue" else papers.documents.contracts.get(name)
    return found.version if found else 0


def present(papers: Papers, kind: Kind, name: str) -> tuple[int, Catalogue | Contract]:
    """Version and document in force. Raises NotFoundError."""
    if kind == "catalogue":
        catalogue = papers.documents.catalogues.get(name)
        if catalogue is not None:
            return catalogue.version, catalogue.catalogue
    else:
        contract = papers.documents.contracts.get(name)
        if contract is not None:
            return contract.version, contract.contract
    raise missing(kind, name)


def effective_ms(text: str | None, now: Mapping[str, int], contracts: Sequence[Contract], window_minutes: int) -> int | None:
    """When an edit shall hold; none: at once. It lies ahead on every clock of the edit. Raises InvalidError."""
    if text in (None, "", "now"):
        return None
    try:
        moment = instant_ms(text)
    except ValueError as error:
        raise invalid("effective", str(error)) from error
    if moment % (window_minutes * 60_000):
        raise invalid("effective", f"must fall on a metering window of {window_minutes} minutes, e.g. on the full hour")
    behind = sorted(name for name in {contract.clock for contract in contracts} or {"wall"} if moment <= now[name])
    if behind:
        raise invalid("effective", f"lies behind clock {behind[0]} ({iso(now[behind[0]])}); leave it out, and date the terms in the document: starting_at")
    return moment


def differences(before: Any, after: Any, path: str = "") -> list[Difference]:
    """Where two documents (as plain data) differ. Items of lists are told apart by their ids, where they have them."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in [*before, *(key for key in after if key not in before)]:
            found += differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return found
    if isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        old, new = {item["id"]: item for item in before}, {item["id"]: item for item in after}
        found = []
        for key in [*old, *(key for key in new if key not in old)]:
            found += differences(old.get(key), new.get(key), f"{path}[{key}]")
        return found
    return [] if before == after else [Difference(path, before, after)]


def _named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "id" in item for item in items)


def compare(kind: Kind, versions: Sequence[Version], before: int, after: int) -> dict[str, Any]:
    """Two versions of a document: the places that differ, and both texts line by line. Version 0 is nothing. Raises InvalidError."""
    bodies = {each.version: each.body for each in versions}
    texts: list[list[str]] = []
    data: list[Any] = []
    for field, number in (("from", before), ("to", after)):
        if number and number not in bodies:
            raise InvalidError(Wrong(field, f"there is no version {number}; there are {', '.join(map(str, sorted(bodies))) or 'none'}"))
        document = decode(kind, bodies[number]) if number else None
        texts.append(text_of(document).splitlines() if document else [])
        data.append(data_of(document) if document else {})
    return {
        "from": before,
        "to": after,
        "changes": [each._asdict() for each in differences(data[0], data[1])],
        "lines": list(difflib.unified_diff(texts[0], texts[1], f"version {before}", f"version {after}", lineterm="")),
    }


def version_json(each: Version) -> dict[str, Any]:
    return {
        "version": each.version,
        "edit": each.edit,
        "recorded_at": iso(each.recorded_ms),
        "effective_at": None if each.effective_ms is None else iso(each.effective_ms),
        "author": each.author,
    }
