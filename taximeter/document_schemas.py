"""JSON Schemas of the documents, made from the models: what editors complete and check while somebody writes.

`python -m taximeter.document_schemas` writes `schemas/documents/*.json` anew. They say the shape, not the rules: `taximeter apply --dry-run` and
`taximeter rate` tell those. To use one, begin a document with `# yaml-language-server: $schema=…/contract.json`.
"""

import ast
import inspect
import json
import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from contracts.case import Case
from contracts.catalogue import Catalogue
from contracts.contract import Contract, Threshold
from contracts.packages import OWN, TIMES

FOLDER: Final = Path(__file__).resolve().parent.parent / "schemas" / "documents"
INSTANTS: Final = TIMES | {"timestamp", "recorded_at", "as_of"}
"""Fields whose text is an instant; in a package those of `TIMES` may be durations."""

Schema = dict[str, Any]

_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$"
_DURATION = r"^P(?=.)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$"
SHARED: Final[Mapping[str, Schema]] = {
    "Amount": {
        "description": "A decimal number: text in quotes, or an integer. Never a float.",
        "anyOf": [{"type": "string", "pattern": r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$", "maxLength": 40}, {"type": "integer"}],
    },
    "Text": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "Instant": {
        "description": "RFC 3339 with an offset, or a date: midnight in the document's time zone.",
        "type": "string",
        "pattern": _TIME,
    },
    "InstantOrDuration": {
        "description": "An instant; in a package also an ISO 8601 duration from the contract's start.",
        "anyOf": [{"$ref": "#/$defs/Instant"}, {"type": "string", "pattern": _DURATION}],
    },
    "Scalar": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]},
}


class _Definitions:
    """Schemas of models by name, as they are met."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = dict(SHARED)

    def of(self, kind: Any, field: str = "") -> Schema:
        """The schema of a field's type."""
        if kind is str and field in INSTANTS:
            return {"$ref": "#/$defs/InstantOrDuration" if field in TIMES else "#/$defs/Instant"}
        simple: dict[Any, Schema] = {
            str: {"$ref": "#/$defs/Text"},
            Decimal: {"$ref": "#/$defs/Amount"},
            int: {"type": "integer"},
            bool: {"type": "boolean"},
            Any: {},
        }
        if kind in simple:
            return simple[kind]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.model(kind)
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": {"$ref": "#/$defs/Scalar"} if arguments == (str, str) else self.of(arguments[1])}
        if origin in {Union, types.UnionType}:
            return self._union(arguments, field)
        raise TypeError(f"no schema for {kind}")

    def model(self, model: type[msgspec.Struct]) -> Schema:
        name = model.__name__
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self.object(model)
        return {"$ref": f"#/$defs/{name}"}

    def object(self, model: type[msgspec.Struct], optional: tuple[str, ...] = ()) -> Schema:
        told = _told(model)
        properties: Schema = {}
        required = []
        for field in msgspec.structs.fields(model):
            amount = model is Threshold and field.encode_name == "at"
            schema = self.of(field.type, "" if amount else field.encode_name)
            properties[field.encode_name] = schema if field.name not in told else {**schema, "description": told[field.name]}
            if not field.required and field.default not in (None, msgspec.NODEFAULT):
                properties[field.encode_name] = {**properties[field.encode_name], "default": _plain(field.default)}
            if field.required and field.encode_name not in optional:
                required.append(field.encode_name)
        made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if model.__doc__ and not model.__doc__.startswith(f"{model.__name__}("):
            made["description"] = inspect.cleandoc(model.__doc__)
        return made | ({"required": required} if required else {})

    def _union(self, kinds: tuple[Any, ...], field: str) -> Schema:
        given = [kind for kind in kinds if kind is not types.NoneType]
        if {str, int, bool} <= set(given):
            rest = [self.of(kind, field) for kind in given if kind not in {str, int, bool}]
            return {"anyOf": [{"$ref": "#/$defs/Scalar"}, *rest]} if rest else {"$ref": "#/$defs/Scalar"}
        parts = [self.of(kind, field) for kind in given]
        return parts[0] if len(parts) == 1 else {"anyOf": parts}


def schemas() -> dict[str, Schema]:
    """The published schemas by file name."""
    return {"catalogue.json": _document("catalogue"), "contract.json": _document("contract"), "case.json": _case()}


def _document(name: str) -> Schema:
    """A file of catalogues, contracts and packages; in a catalogue's file there is a catalogue, in a contract's one of the others."""
    found = _Definitions()
    catalogue, contract = found.model(Catalogue), _filled(found)
    template = {"$ref": "#/$defs/PackageTemplate"}
    properties = {
        "catalogue": catalogue,
        "contract": contract,
        "contracts": {"type": "array", "items": contract},
        "package": template,
        "packages": _packages(template),
    }
    wanted = ("catalogue",) if name == "catalogue" else ("contract", "contracts", "package", "packages")
    shape: Schema = {"type": "object", "properties": properties, "additionalProperties": False, "anyOf": [{"required": [key]} for key in wanted]}
    return _published(name, shape, found)


def _case() -> Schema:
    found = _Definitions()
    contract = _filled(found)
    shape = found.object(Case)
    properties = shape["properties"]
    properties["catalogue"] = {"anyOf": [properties["catalogue"], {"type": "string", "description": "A path relative to the case."}]}
    properties["contracts"] = {**properties["contracts"], "items": contract}
    properties["packages"] = _packages({"$ref": "#/$defs/PackageTemplate"})
    properties["package"] = {"$ref": "#/$defs/PackageTemplate"}
    found.found["Edit"]["properties"]["contract"] = contract
    rows = {"type": "array", "items": {"type": "object"}}
    expect = {"type": "object", "properties": {**dict.fromkeys(("invoices", "balances", "alerts", "rejected"), rows), "error": {"type": "string"}}}
    properties["expect"] = found.found["Reading"]["properties"]["expect"] = expect | {"additionalProperties": False}
    return _published("case", shape, found)


def _filled(found: _Definitions) -> Schema:
    """A contract, or one that names a package and says only what differs; packages are noted beside it."""
    contract = found.object(Contract)
    package = found.object(Contract, optional=OWN)
    package["properties"] = {key: value for key, value in package["properties"].items() if key not in OWN} | {"id": {"$ref": "#/$defs/Text"}}
    package["description"] = "A contract template; its times may be durations from the contract's start."
    found.found["PackageTemplate"] = package
    contract["properties"]["package"] = {"$ref": "#/$defs/Text", "description": "A package of these files, which gives everything that is not said here."}
    found.found["Contract"] = contract
    return {"$ref": "#/$defs/Contract"}


def _packages(template: Schema) -> Schema:
    return {"anyOf": [{"type": "object", "additionalProperties": template}, {"type": "array", "items": template}]}


def _published(name: str, shape: Schema, found: _Definitions) -> Schema:
    used = dict(sorted(found.found.items()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Taximeter {name}", **shape, "$defs": used}


def _plain(value: Any) -> Any:
    """A default as it would stand in a document."""
    if isinstance(value, msgspec.Struct):
        return {field.encode_name: _plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    return str(value) if isinstance(value, Decimal) else value


@cache
def _told(model: type[msgspec.Struct]) -> dict[str, str]:
    """What the source says about fields, the model's own and inherited ones: the text below each."""
    told: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not issubclass(each, msgspec.Struct) or each is msgspec.Struct:
            continue
        body = ast.parse(inspect.getsource(each)).body[0]
        if not isinstance(body, ast.ClassDef):
            continue
        for statement, following in zip(body.body, body.body[1:], strict=False):
            said = following.value if isinstance(following, ast.Expr) else None
            named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            if named and isinstance(said, ast.Constant) and isinstance(said.value, str):
                told[statement.target.id] = inspect.cleandoc(said.value)  # type: ignore[attr-defined]
    return told


def text(schema: Schema) -> str:
    """As it is written to a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
