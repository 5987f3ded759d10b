"""Documents from text: catalogues, contracts, packages and cases, refused as a whole when anything is wrong.

Pure: text and a file's name in, models out; `pipelines.documents` reads the files. Every problem is one line of a DocumentError:
`FILE:LINE: key.path: what is wrong, what is allowed`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts import shapes, sources
from contracts.case import Case, made_id
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.sources import Path, Problem, Source

Fetch = Callable[[str], tuple[str, str]]
"""A path that a case names, relative to the case, to the text and the file's name for messages. Raises DocumentError."""

FILE_KEYS: Final = ("catalogue", "contract", "contracts", "package", "packages")


def read_case(text: str, file: str, fetch: Fetch | None = None) -> Case:
    """The case in `text`. A catalogue that is named by its path comes from `fetch`. Raises DocumentError."""
    found = sources.read(text, file)
    if len(found) != 1:
        raise DocumentError([f"{file}:1: a case is one YAML document, and this file has {len(found)}"])
    source = found[0]
    problems = list(source.problems)
    data = source.data
    if not isinstance(data, dict):
        source.refuse([Problem((), "a case is a mapping with case, catalogue, contracts, usage, as_of and expect")])
    data = dict(data)
    _fill_customer(data)
    named = data.get("catalogue")
    if isinstance(named, str) and not isinstance(named, sources.FloatText):
        data["catalogue"] = _fetched(named, source, fetch)
    case = shapes.build(Case, data, (), problems)
    source.refuse(problems)
    assert case is not None  # noqa: S101 - no problems means a case
    return case


def read_documents(text: str, file: str) -> list[Catalogue | Contract]:
    """The catalogues and contracts of a file that may hold several YAML documents. Raises DocumentError."""
    documents: list[Catalogue | Contract] = []
    for source in sources.read(text, file):
        problems = list(source.problems)
        if not isinstance(source.data, dict):
            source.refuse([Problem((), f"a document is a mapping with one of {', '.join(FILE_KEYS)}")])
        for key, value in source.data.items():
            documents += _documents(key, value, problems)
        source.refuse(problems)
    return documents


def _documents(key: str, value: Any, problems: list[Problem]) -> list[Catalogue | Contract]:
    found: list[Catalogue | Contract | None] = []
    match key:
        case "catalogue":
            found = [shapes.build(Catalogue, value, (key,), problems)]
        case "contract":
            found = [shapes.build(Contract, value, (key,), problems)]
        case "contracts" if isinstance(value, list):
            found = [shapes.build(Contract, item, (key, number), problems) for number, item in enumerate(value)]
        case "contracts":
            problems.append(Problem((key,), "must be a list of contracts"))
        case _:
            problems.append(Problem((key,), f"unknown key {key!r}; {shapes.nearest(key, FILE_KEYS)}"))
    return [document for document in found if document is not None]


def _fetched(named: str, source: Source, fetch: Fetch | None) -> Any:
    """The plain data of the catalogue in another file; its own problems name that file."""
    if fetch is None:
        source.refuse([Problem(("catalogue",), f"{named!r} is a path, and there is no file to look beside; write the catalogue out")])
        return None
    try:
        text, name = fetch(named)
    except DocumentError as error:
        source.refuse([Problem(("catalogue",), problem) for problem in error.problems])
        raise
    inner = sources.read(text, name)
    if len(inner) != 1 or not isinstance(inner[0].data, dict) or "catalogue" not in inner[0].data:
        raise DocumentError([f"{name}:1: must hold one `catalogue:`"])
    problems = list(inner[0].problems)
    shapes.build(Catalogue, inner[0].data["catalogue"], ("catalogue",), problems)
    inner[0].refuse(problems)
    return inner[0].data["catalogue"]


def _fill_customer(data: dict[str, Any]) -> None:
    """Usage without a customer is of the one customer of the contracts; without an id it is named by its position."""
    usage, contracts = data.get("usage"), data.get("contracts")
    if not isinstance(usage, list) or not isinstance(contracts, list):
        return
    customers = {contract.get("customer") for contract in contracts if isinstance(contract, Mapping)}
    only = customers.pop() if len(customers) == 1 else None
    filled = []
    for position, line in enumerate(usage):
        if isinstance(line, dict):
            given = {"transaction_id": made_id(position)} | {key: value for key, value in line.items() if value is not None}
            if only is not None:
                given.setdefault("customer", only)
            line = given
        filled.append(line)
    data["usage"] = filled


__all__ = ["FILE_KEYS", "Fetch", "Path", "read_case", "read_documents"]
