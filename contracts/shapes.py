"""Plain data to the document models, strictly, telling everything that is wrong at once.

A reader is compiled for each model from its field types: unknown keys name the nearest known one, numbers that count are decimal
text or integers, a float is refused with its place, a null means left out.
"""

import difflib
import re
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from contracts.sources import FloatText, Path, Problem

Reader = Callable[[Any, Path, list[Problem]], Any]
Model = TypeVar("Model", bound=msgspec.Struct)

MAX_DIGITS: Final = 40
_DECIMAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_YES_NO: Final = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


class _Wrong(Exception):  # noqa: N818 - control flow inside this module: the value was refused and the problem noted
    pass


def build(model: type[Model], data: Any, path: Path, problems: list[Problem]) -> Model | None:
    """`data` as `model`; problems are added, and None returned when there are any inside."""
    count = len(problems)
    try:
        built: Model = _reader(model)(data, path, problems)
    except _Wrong:
        return None
    return built if len(problems) == count else None


def nearest(word: str, known: Any) -> str:
    """`; did you mean 'x'?` when something known is near, and what is known."""
    names = sorted(str(name) for name in known)
    close = difflib.get_close_matches(word, names, 1, 0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return f"{hint}known: {shown or 'none'}"


def text_of(value: str | int | bool) -> str:
    """A property value as it stands in an event: booleans are the words true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _refuse(path: Path, message: str, problems: list[Problem]) -> Any:
    problems.append(Problem(path, message))
    raise _Wrong


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case FloatText():
            return f"the float {value}"
        case bool():
            return f"the boolean {text_of(value)}"
        case int():
            return f"the integer {value}"
        case str():
            return f"the text {value!r}"
        case list():
            return "a list"
    return "a mapping"


def _refuse_float(value: FloatText, path: Path, problems: list[Problem]) -> Any:
    return _refuse(path, f'{value} is a float, and floats are not exact; write it as text in quotes: "{value}"', problems)


def _text(value: Any, path: Path, problems: list[Problem]) -> str:
    if isinstance(value, FloatText):
        _refuse_float(value, path, problems)
    if isinstance(value, bool):
        _refuse(path, f'must be text; put it in quotes: "{text_of(value)}"', problems)
    if isinstance(value, (str, int)):
        return str(value)
    return _refuse(path, f"must be text, not {_kind(value)}", problems)  # type: ignore[no-any-return]


def _scalar(value: Any, path: Path, problems: list[Problem]) -> str:
    if isinstance(value, FloatText):
        _refuse_float(value, path, problems)
    if isinstance(value, (str, int)):
        return text_of(value)
    return _refuse(path, f"must be text, an integer, true or false, not {_kind(value)}", problems)  # type: ignore[no-any-return]


def _decimal(value: Any, path: Path, problems: list[Problem]) -> Decimal:
    if isinstance(value, FloatText):
        _refuse_float(value, path, problems)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        _refuse(path, f'must be a number as text ("12.50") or an integer, not {_kind(value)}', problems)
    if not _DECIMAL.fullmatch(value):
        _refuse(path, f'{value!r} is no plain decimal number; write digits and a point, such as "1250.00"', problems)
    if len(value) > MAX_DIGITS:
        _refuse(path, f"has {len(value)} digits; up to {MAX_DIGITS} are allowed", problems)
    return Decimal(value)


def _integer(value: Any, path: Path, problems: list[Problem]) -> int:
    if isinstance(value, FloatText):
        _refuse_float(value, path, problems)
    if isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) <= MAX_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _refuse(path, f"must be an integer, not {_kind(value)}", problems)  # type: ignore[no-any-return]


def _boolean(value: Any, path: Path, problems: list[Problem]) -> bool:
    if isinstance(value, bool):
        return value
    word = _YES_NO.get(value.lower()) if isinstance(value, str) else None
    hint = f"; {value!r} is text here, write {word}" if word else ""
    return _refuse(path, f"must be true or false, not {_kind(value)}{hint}", problems)  # type: ignore[no-any-return]


def _anything(value: Any, _path: Path, _problems: list[Problem]) -> Any:
    return value


def _properties(value: Any, path: Path, problems: list[Problem]) -> dict[str, str]:
    """Properties of an event: text; a null is a property that is absent."""
    if not isinstance(value, dict):
        _refuse(path, f"must be a mapping of property to value, not {_kind(value)}", problems)
    found = {}
    for key, item in value.items():
        if item is not None:
            found[key] = _guarded(_scalar, item, (*path, key), problems)
    return found


def _guarded(reader: Reader, value: Any, path: Path, problems: list[Problem]) -> Any:
    """Read on after a refusal, so that one run tells all of them."""
    try:
        return reader(value, path, problems)
    except _Wrong:
        return None


_SIMPLE: Final[Mapping[Any, Reader]] = {str: _text, Decimal: _decimal, int: _integer, bool: _boolean, Any: _anything}


@cache
def _reader(kind: Any) -> Reader:
    """The reader of a field type."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _literal(arguments)
    if origin is list:
        return _list(_reader(arguments[0]))
    if origin is dict:
        return _properties if arguments == (str, str) else _dict(_reader(arguments[1]))
    if origin in {Union, types.UnionType}:
        return _union(arguments)
    raise TypeError(f"no reader for {kind}")


def _literal(words: tuple[Any, ...]) -> Reader:
    def read(value: Any, path: Path, problems: list[Problem]) -> Any:
        if isinstance(value, FloatText):
            _refuse_float(value, path, problems)
        if value in words and isinstance(value, str):
            return str(value)
        close = difflib.get_close_matches(str(value), words, 1, 0.6)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return _refuse(path, f"must be one of {', '.join(words)}, not {_kind(value)}{hint}", problems)

    return read


def _list(item: Reader) -> Reader:
    def read(value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, list):
            _refuse(path, f"must be a list, not {_kind(value)}", problems)
        return [_guarded(item, each, (*path, number), problems) for number, each in enumerate(value)]

    return read


def _dict(item: Reader) -> Reader:
    def read(value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, dict):
            _refuse(path, f"must be a mapping, not {_kind(value)}", problems)
        return {key: _guarded(item, each, (*path, key), problems) for key, each in value.items()}

    return read


def _union(kinds: tuple[Any, ...]) -> Reader:
    """A union is told apart by the kind of data: a list, a mapping, or a scalar."""
    lists = [_reader(kind) for kind in kinds if get_origin(kind) is list]
    mappings = [_reader(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    scalars = [kind for kind in kinds if kind in _SIMPLE or get_origin(kind) is Literal]
    scalar = _scalar if len(scalars) > 1 else _reader(scalars[0]) if scalars else None

    def read(value: Any, path: Path, problems: list[Problem]) -> Any:
        if isinstance(value, list) and lists:
            return lists[0](value, path, problems)
        if (isinstance(value, dict) and mappings) or not (scalar or lists):
            return mappings[0](value, path, problems)
        if scalar is None:
            return (mappings or lists)[0](value, path, problems)
        return scalar(value, path, problems)

    return read


def _struct(model: type[msgspec.Struct]) -> Reader:
    fields = {field.encode_name: (field.name, _later(field.type), field.required) for field in msgspec.structs.fields(model)}
    required = [name for name, (_, _, needed) in fields.items() if needed]

    def read(value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, dict):
            _refuse(path, f"must be a mapping with {', '.join(required or fields)}, not {_kind(value)}", problems)
        count = len(problems)
        given = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                problems.append(Problem((*path, key), f"unknown key {key!r}; {nearest(key, fields)}"))
                continue
            name, reader, needed = field
            if item is None and not needed:
                continue
            given[name] = _guarded(reader(), item, (*path, key), problems)
        for key in required:
            if key not in value:
                problems.append(Problem(path, f"{key!r} is missing; it must be given here"))
        if len(problems) > count:
            raise _Wrong
        return model(**given)

    return read


def _later(kind: Any) -> Callable[[], Reader]:
    """Compile a field's reader when the field is first met: a case needs few of all."""

    def reader() -> Reader:
        return _reader(kind)

    return reader
