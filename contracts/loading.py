"""Documents from text: catalogues, contracts, packages and cases, checked, and refused as a whole when anything is wrong.

Pure: text and a file's name in, models out; `pipelines.documents` reads the files. Every problem is one line of a DocumentError:
`FILE:LINE: key.path: what is wrong, what is allowed`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from contracts import packages, shapes, sources
from contracts.case import Case, made_id
from contracts.catalogue import Catalogue
from contracts.checks import check_case, check_catalogue, check_contract
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.sources import FloatText, Path, Problem, Source

Fetch = Callable[[str], tuple[str, str]]
"""A path that a case names, relative to the case, to the text and the file's name for messages. Raises DocumentError."""

FILE_KEYS: Final = ("catalogue", "contract", "contracts", "package", "packages")


class Known(NamedTuple):
    """The newest versions of all documents that are in force, by id."""

    catalogues: Mapping[str, Catalogue] = {}
    contracts: Mapping[str, Contract] = {}
    final_until_ms: Mapping[str, int] = {}
    """End of the last final period, by contract id."""


class Found(NamedTuple):
    """A document and where it was written."""

    document: Catalogue | Contract
    source: Source
    path: Path


def read_case(text: str, file: str, fetch: Fetch | None = None, *, window_minutes: int = 60) -> Case:
    """The case in `text`, checked. A catalogue that is named by its path comes from `fetch`. Raises DocumentError."""
    found = sources.read(text, file)
    if len(found) != 1:
        raise DocumentError([f"{file}:1: a case is one YAML document, and this file has {len(found)}"])
    source = found[0]
    problems = list(source.problems)
    if not isinstance(source.data, dict):
        source.refuse([Problem((), "a case is a mapping with case, catalogue, contracts, usage, as_of and expect")])
    data = dict(source.data)
    elsewhere: Source | None = None
    named = data.get("catalogue")
    if isinstance(named, str) and not isinstance(named, FloatText):
        elsewhere = _fetched(named, source, fetch)
        data["catalogue"] = elsewhere.data["catalogue"]
    _fill_packages(data, problems)
    _fill_usage(data)
    case = shapes.build(Case, data, (), problems)
    source.refuse(problems)
    if case is None:
        raise AssertionError("a document without problems is a case")
    problems = check_case(case, window_minutes=window_minutes)
    if elsewhere is not None:
        elsewhere.refuse([problem for problem in problems if problem.path[:1] == ("catalogue",)])
    source.refuse(problems)
    return case


def read_documents(files: Iterable[tuple[str, str]], known: Known | None = None, *, window_minutes: int = 60) -> list[Catalogue | Contract]:
    """The catalogues and contracts of some files (text, name), checked together with those in force. Raises DocumentError.

    Without `known` nobody knows what is in force: contracts whose catalogue is not in the files are read, and left to a later check.
    """
    read = [source for text, file in files for source in sources.read(text, file)]
    templates, lines = _templates(read)
    found: list[Found] = []
    for source in read:
        problems = list(source.problems)
        if not isinstance(source.data, dict):
            source.refuse([Problem((), f"a document is a mapping with one of {', '.join(FILE_KEYS)}")])
        for key, value in source.data.items():
            found += [Found(document, source, path) for document, path in _documents(key, value, templates, problems)]
        lines += [source.say(problem) for problem in problems]
    if not lines:
        lines = check_together(found, known, window_minutes=window_minutes)
    if lines:
        raise DocumentError(list(dict.fromkeys(lines)))
    return [each.document for each in found]


def check_together(found: Sequence[Found], known: Known | None = None, *, window_minutes: int = 60) -> list[str]:
    """The problems of documents that take effect together, as lines."""
    force = known or Known()
    lines: list[str] = []
    catalogues, contracts = dict(force.catalogues), dict(force.contracts)
    seen: set[tuple[type, str]] = set()
    for document, source, path in found:
        if (type(document), document.id) in seen:
            lines.append(source.say(Problem((*path, "id"), f"the id {document.id!r} is given twice in this edit; keep one version")))
        seen.add((type(document), document.id))
        if isinstance(document, Catalogue):
            catalogues[document.id] = document
        else:
            contracts[document.id] = document
    for document, source, path in found:
        if isinstance(document, Catalogue):
            problems = check_catalogue(document, force.catalogues.get(document.id), window_minutes=window_minutes)
        elif document.catalogue in catalogues:
            problems = check_contract(
                document,
                catalogues[document.catalogue],
                contracts.values(),
                force.contracts.get(document.id),
                window_minutes=window_minutes,
                final_until_ms=force.final_until_ms.get(document.id),
                complete=known is not None,
            )
        elif known is not None:
            unknown = f"there is no catalogue {document.catalogue!r}; {shapes.nearest(document.catalogue, catalogues)}. Apply it first, or both together"
            problems = [Problem(("catalogue",), unknown)]
        else:
            problems = []
        lines += [source.say(Problem((*path, *problem.path), problem.message)) for problem in problems]
    return lines + _unfit(found, catalogues, contracts, window_minutes)


def _unfit(found: Sequence[Found], catalogues: Mapping[str, Catalogue], contracts: Mapping[str, Contract], window_minutes: int) -> list[str]:
    """Contracts in force that a new version of their catalogue would leave without what they name."""
    given = {each.document.id for each in found if isinstance(each.document, Contract)}
    lines = []
    for document, source, path in found:
        if not isinstance(document, Catalogue):
            continue
        for contract in contracts.values():
            if contract.catalogue != document.id or contract.id in given:
                continue
            for problem in check_contract(contract, catalogues[document.id], contracts.values(), window_minutes=window_minutes, complete=False):
                message = f"contract {contract.id!r} would no longer fit: {sources.show(problem.path)}: {problem.message}"
                lines.append(source.say(Problem(path, message)))
    return lines


def _documents(key: str, value: Any, templates: Mapping[str, Any], problems: list[Problem]) -> list[tuple[Catalogue | Contract, Path]]:
    """The documents under one key of a file."""
    items: list[tuple[Any, Path]] = [(value, (key,))]
    if key == "catalogue":
        catalogue = shapes.build(Catalogue, value, (key,), problems)
        return [] if catalogue is None else [(catalogue, (key,))]
    if key in {"package", "packages"}:
        return []
    if key == "contracts":
        if not isinstance(value, list):
            problems.append(Problem((key,), "must be a list of contracts"))
            return []
        items = [(item, (key, number)) for number, item in enumerate(value)]
    elif key != "contract":
        problems.append(Problem((key,), f"unknown key {key!r}; {shapes.nearest(key, FILE_KEYS)}"))
        return []
    built: list[tuple[Catalogue | Contract, Path]] = []
    for item, path in items:
        contract = shapes.build(Contract, _filled(item, templates, path, problems), path, problems)
        if contract is not None:
            built.append((contract, path))
    return built


def _templates(read: Sequence[Source]) -> tuple[dict[str, Any], list[str]]:
    """Packages of all files by id, and what is wrong with them."""
    templates: dict[str, Any] = {}
    lines: list[str] = []
    for source in read:
        problems: list[Problem] = []
        if isinstance(source.data, dict):
            _collect(source.data, templates, problems)
        lines += [source.say(problem) for problem in problems]
    return templates, lines


def _collect(data: Mapping[str, Any], templates: dict[str, Any], problems: list[Problem]) -> None:
    """Add the packages of a mapping with `package` (with its id) or `packages` (by id, or a list)."""
    items: list[tuple[Any, Any, Path]] = []
    if data.get("package") is not None:
        one = data["package"]
        items.append((one.get("id") if isinstance(one, dict) else None, one, ("package",)))
    several = data.get("packages")
    if isinstance(several, dict):
        items += [(name, item, ("packages", name)) for name, item in several.items()]
    elif isinstance(several, list):
        items += [(item.get("id") if isinstance(item, dict) else None, item, ("packages", number)) for number, item in enumerate(several)]
    elif several is not None:
        problems.append(Problem(("packages",), "must be a mapping of package id to template"))
    for name, item, path in items:
        if not isinstance(item, dict) or not isinstance(name, str) or isinstance(name, FloatText):
            problems.append(Problem(path, "a package is a mapping with an id and the keys of a contract"))
            continue
        template = {key: value for key, value in item.items() if key != "id"}
        for key in ("customer", "starting_at", "package"):
            if key in template:
                problems.append(Problem((*path, key), f"a package has no {key}; each contract that fills it says its own"))
        shapes.build(Contract, packages.template_contract({k: v for k, v in template.items() if k not in packages.OWN}), path, problems)
        if name in templates:
            problems.append(Problem(path, f"the package {name!r} is given twice; keep one"))
        templates[name] = template


def _filled(item: Any, templates: Mapping[str, Any], path: Path, problems: list[Problem]) -> Any:
    """A contract's data, with its package filled in when it names one."""
    if not isinstance(item, dict) or item.get("package") is None:
        return item
    name = item["package"]
    rest = {key: value for key, value in item.items() if key != "package"}
    if name not in templates:
        problems.append(Problem((*path, "package"), f"there is no package {name!r} in these files; {shapes.nearest(str(name), templates)}"))
        return rest
    try:
        return packages.fill(rest, templates[name])
    except (ValueError, OverflowError) as error:
        problems.append(Problem((*path, "package"), f"the package cannot be filled: {error}"))
        return rest


def _fetched(named: str, source: Source, fetch: Fetch | None) -> Source:
    """The file that a case names as its catalogue, shape checked; its problems name that file."""
    at = ("catalogue",)
    if fetch is None:
        raise DocumentError([source.say(Problem(at, f"{named!r} is a path, and there is no file to look beside; write the catalogue out"))])
    try:
        text, name = fetch(named)
    except DocumentError as error:
        raise DocumentError([source.say(Problem(at, problem)) for problem in error.problems]) from None
    inner = sources.read(text, name)
    if len(inner) != 1 or not isinstance(inner[0].data, dict) or "catalogue" not in inner[0].data:
        raise DocumentError([f"{name}:1: a file that a case names as its catalogue holds one `catalogue:`"])
    problems = list(inner[0].problems)
    shapes.build(Catalogue, inner[0].data["catalogue"], at, problems)
    inner[0].refuse(problems)
    return inner[0]


def _fill_packages(data: dict[str, Any], problems: list[Problem]) -> None:
    """Contracts of a case that name a package of the case."""
    templates: dict[str, Any] = {}
    _collect(data, templates, problems)
    data.pop("package", None)
    data.pop("packages", None)
    if isinstance(data.get("contracts"), list):
        data["contracts"] = [_filled(item, templates, ("contracts", number), problems) for number, item in enumerate(data["contracts"])]
    if isinstance(data.get("edits"), list):
        data["edits"] = [
            {**edit, "contract": _filled(edit["contract"], templates, ("edits", number, "contract"), problems)}
            if isinstance(edit, dict) and "contract" in edit
            else edit
            for number, edit in enumerate(data["edits"])
        ]


def _fill_usage(data: dict[str, Any]) -> None:
    """Usage without a customer is of the one customer of the contracts; without an id it is named by its position."""
    usage, contracts = data.get("usage"), data.get("contracts")
    if not isinstance(usage, list):
        return
    named = contracts if isinstance(contracts, list) and contracts else [edit.get("contract") for edit in data.get("edits") or [] if isinstance(edit, dict)]
    customers = {str(contract.get("customer")) for contract in named if isinstance(contract, Mapping)}
    only = customers.pop() if len(customers) == 1 else None
    filled: list[Any] = []
    for position, line in enumerate(usage):
        if not isinstance(line, dict):
            filled.append(line)
            continue
        given = {"transaction_id": made_id(position)} | {key: value for key, value in line.items() if value is not None}
        if only is not None:
            given.setdefault("customer", only)
        filled.append(given)
    data["usage"] = filled
