"""Document text to plain data: YAML by the 1.2 core schema, or JSON, with the line of every key.

Only `true` and `false` are booleans; times stay text; a float stays what it looked like, as `FloatText`, so that whoever reads the
place can refuse it by name. Repeated keys are refused.
"""

import json
import re
from typing import Any, Final, NamedTuple

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs do not export it
from yaml.resolver import BaseResolver

from contracts.errors import DocumentError

Path = tuple[str | int, ...]
"""Keys and positions from the top of a document."""

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = {_TAG + kind for kind in ("str", "seq", "map", "null", "bool", "int", "float", "merge")}


class FloatText(str):
    """The text of a YAML or JSON float."""

    __slots__ = ()


class _Resolver(BaseResolver):
    """Scalars of the YAML 1.2 core schema, but only `true` and `false` for booleans. `<<` merges, as editors know it."""


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Resolver.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Composer(CParser, _Resolver):
    """libyaml's parser with our scalars."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        _Resolver.__init__(self)


class Problem(NamedTuple):
    """What is wrong at a place of a document."""

    path: Path
    message: str


class Source(NamedTuple):
    """One document of a file: its data, and where its keys stand."""

    file: str
    data: Any
    node: Any
    """The YAML node tree; None where lines are not known."""
    problems: list[Problem]
    """What the text itself has wrong, such as a key that is given twice."""

    def line(self, path: Path) -> int:
        """Line (from 1) of the key or item at `path`, or of the nearest thing above it that is written in the file."""
        node, line = self.node, 1
        if node is None:
            return line
        line = node.start_mark.line + 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
            line = key.start_mark.line + 1
        return int(line)

    def say(self, problem: Problem) -> str:
        """`FILE:LINE: KEY.PATH: message`."""
        where = show(problem.path)
        return f"{self.file}:{self.line(problem.path)}: {where + ': ' if where else ''}{problem.message}"

    def refuse(self, problems: list[Problem]) -> None:
        """Raise DocumentError when there are problems, in the order of their lines."""
        if problems:
            ordered = sorted(dict.fromkeys(problems), key=lambda problem: self.line(problem.path))
            raise DocumentError([self.say(problem) for problem in ordered])


def show(path: Path) -> str:
    """`contracts[0].commits[1].access`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read(text: str, file: str) -> list[Source]:
    """The documents of a file's text. `file` is its name in messages. Raises DocumentError when it is neither YAML nor JSON."""
    if file.endswith(".json"):
        return [_json(text, file)]
    try:
        composer = _Composer(text)
        nodes = []
        while composer.check_node():
            nodes.append(composer.get_node())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError([f"{file}:{line}: this is no YAML: {said}"]) from None
    except yaml.YAMLError as error:
        raise DocumentError([f"{file}:1: this is no YAML: {error}"]) from None
    sources = []
    for node in nodes:
        problems: list[Problem] = []
        data = _construct(node, (), problems, set())
        if data is not None:
            sources.append(Source(file, data, node, problems))
    return sources


def _json(text: str, file: str) -> Source:
    """JSON is read by its own rules; the lines come from reading it as YAML, which nearly all JSON is too."""
    problems: list[Problem] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(found)

    try:
        data = json.loads(text, parse_float=FloatText, parse_constant=FloatText, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise DocumentError([f"{file}:{error.lineno}: this is no JSON: {error.msg} (column {error.colno})"]) from None
    except RecursionError:
        raise DocumentError([f"{file}:1: this is no document: it is nested too deep"]) from None
    try:
        node = _Composer(text).get_single_node()
        _construct(node, (), problems, set())
    except yaml.YAMLError:
        node = None
    return Source(file, data, node, problems)


def _construct(node: Any, path: Path, problems: list[Problem], above: set[int]) -> Any:
    if node.id == "scalar":
        return _scalar(node, path, problems)
    if id(node) in above:
        problems.append(Problem(path, "an alias holds itself; write the value out"))
        return None
    above.add(id(node))
    try:
        if node.tag not in _PLAIN:
            problems.append(Problem(path, f"the tag {node.tag!r} means nothing here; leave it out"))
        if node.id == "sequence":
            return [_construct(item, (*path, number), problems, above) for number, item in enumerate(node.value)]
        return _mapping(node, path, problems, above)
    finally:
        above.discard(id(node))


def _mapping(node: Any, path: Path, problems: list[Problem], above: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    first_lines: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == _TAG + "merge":
            parts = value.value if value.id == "sequence" else [value]
            for part in parts:
                merged = _construct(part, path, problems, above)
                if isinstance(merged, dict):
                    found = merged | found
                else:
                    problems.append(Problem(path, "`<<` merges a mapping, or a list of mappings"))
            continue
        if key.id != "scalar":
            problems.append(Problem(path, "a key must be text"))
            continue
        name = key.value
        if name in first_lines:
            message = f"the key {name!r} is given twice, in lines {first_lines[name]} and {key.start_mark.line + 1}; keep one"
            problems.append(Problem((*path, name), message))
            continue
        first_lines[name] = key.start_mark.line + 1
        found[name] = _construct(value, (*path, name), problems, above)
    return found


def _scalar(node: Any, path: Path, problems: list[Problem]) -> Any:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "str" | "merge":
            return text
        case "null":
            return None
        case "bool":
            return text == "true"
        case "int":
            if text[:2] in {"0o", "0x"}:
                return int(text, 0)
            if len(text) > 100:  # longer than any amount; Python refuses to convert very long ones
                return text
            return int(text)
        case "float":
            return FloatText(text)
    problems.append(Problem(path, f"the tag {node.tag!r} means nothing here; leave it out"))
    return text


def _child(node: Any, step: str | int) -> tuple[Any, Any] | None:
    """The key node and the value node of a step down."""
    if node.id == "mapping":
        for key, value in node.value:
            if key.id == "scalar" and key.value == step:
                return key, value
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                for part in value.value if value.id == "sequence" else [value]:
                    if part.id == "mapping" and (found := _child(part, step)) is not None:
                        return found
    elif node.id == "sequence" and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
