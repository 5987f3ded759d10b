"""Documents as a person would write them: plain data without what is left out, and YAML that our reader reads back to the same."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec
import yaml

from contracts.catalogue import Catalogue
from contracts.contract import Contract


def data_of(document: Any) -> Any:
    """The document as plain data, as a person would write it: what is left out means the default."""
    if isinstance(document, msgspec.Struct):
        found = {}
        for field in msgspec.structs.fields(type(document)):
            value = getattr(document, field.name)
            default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            if value is not None and (field.required or value != default):
                found[field.encode_name] = data_of(value)
        return found
    if isinstance(document, Mapping):
        return {key: data_of(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [data_of(value) for value in document]
    return format(document, "f") if isinstance(document, Decimal) else document


def text_of(document: Catalogue | Contract) -> str:
    """The document as YAML, ready to be edited."""
    return written("catalogue" if isinstance(document, Catalogue) else "contract", data_of(document))


def written(kind: Literal["catalogue", "contract", "contracts"], data: Any) -> str:
    """Plain data of a document, or of a list of contracts, as YAML, as `text_of` writes it."""
    return str(yaml.dump({kind: data}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(yaml.SafeDumper):
    """YAML 1.2's way with words: only what our reader would take for something else is quoted."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if not text or text[0] in "0123456789+-." or text.lower() in ("true", "false", "null", "~") else None
    if style and len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-":
        style = None  # an instant
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.yaml_implicit_resolvers = {}
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?[0-9]+$"), list("-0123456789"))
