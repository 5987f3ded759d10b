"""From the fields of a form to a term of a document and back: each field knows where in the term it stands and how its text becomes a value.

A form shows a term when its fields say all that the term says; a term with more is left to the YAML beside the form.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

Values = Mapping[str, Any]
"""Text of each field; a list for `products` and `words`, and a list of such values for `rows` and `where`."""
FieldKind = Literal["text", "amount", "whole", "day", "choice", "flag", "products", "words", "rows", "where"]

IS: Final = "is"
IS_NOT: Final = "is not"
THERE: Final = "is there"
MISSING: Final = "is missing"
FLAGS: Final[Mapping[str, bool]] = {"yes": True, "no": False}


class UnshownError(ValueError):
    """A value that no field can show."""


class Field(NamedTuple):
    name: str
    label: str
    kind: FieldKind = "text"
    options: Sequence[str] = ()
    hint: str = ""
    start: str = ""
    """What a new term begins with."""
    columns: "Sequence[Field]" = ()
    """Of `rows`: the fields of each."""
    path: tuple[str | int, ...] = ()
    """Where it stands in the term; none: under its name."""
    models: Sequence[str] = ()
    """The ways to price that it belongs to; none: all of them."""

    @property
    def place(self) -> tuple[str | int, ...]:
        return self.path or (self.name,)


WHERE_COLUMNS: Final = (
    Field("property", "Property"),
    Field("test", "Test", "choice", (IS, IS_NOT, THERE, MISSING), start=IS),
    Field("values", "Values", hint="several: with commas"),
)


class Kind(NamedTuple):
    """A kind of term: the list of the contract it goes into, and its form."""

    name: str
    list: str
    fields: Sequence[Field]
    more: Sequence[Field] = ()
    """Seldom filled in: they are folded away until they are."""
    fixed: Mapping[str, Any] = {}
    """What every term of the kind says."""
    same: tuple[str, str, str] | None = None
    """(field, other, trigger): left out it is the other's value, once the trigger is filled in."""

    @property
    def all_fields(self) -> tuple[Field, ...]:
        return (*self.fields, *self.more)

    def shown(self, values: Values) -> Sequence[Field]:
        """The main fields that belong to the way to price that is chosen."""
        model = values.get("model")
        return tuple(field for field in self.fields if not field.models or model in field.models)

    def make(self, values: Values) -> dict[str, Any]:
        """The term that the fields say."""
        values = dict(values)
        if self.same is not None:
            name, other, trigger = self.same
            values[name] = (values.get(name) or values.get(other, "")) if values.get(trigger) else ""
        term: dict[str, Any] = {}
        model = values.get("model")
        for field in self.all_fields:
            if field.name == "id":
                term = {"id": values.get("id", ""), **self.fixed}
                continue
            value = written(field, values.get(field.name)) if not field.models or model in field.models else None
            if field.name != "model" and value is not None:
                _put(term, field.place, value)
        return term if "id" in term or not self.fixed else {**self.fixed, **term}

    def read(self, term: Mapping[str, Any]) -> dict[str, Any] | None:
        """The fields of a term; None when the form cannot show all of it."""
        rest = copy.deepcopy(dict(term))
        if any(rest.pop(key, None) != value for key, value in self.fixed.items()):
            return None
        values: dict[str, Any] = {}
        model = next((field for field in self.fields if field.name == "model"), None)
        if model is not None:
            price = term.get("price")
            values["model"] = next((each for each in model.options if isinstance(price, Mapping) and each in price), None)
            if values["model"] is None:
                return None
        try:
            for field in self.all_fields:
                if field.name != "model" and (not field.models or values.get("model") in field.models):
                    values[field.name] = shown(field, _take(rest, field.place))
        except UnshownError:
            return None
        if _full(rest):
            return None
        if self.same is not None and values.get(self.same[0]) == values.get(self.same[1]):
            values[self.same[0]] = ""
        return values


def written(field: Field, value: Any) -> Any:
    """The value of a field in the document; None: nothing is filled in. What is no number stays as it is: the checks say what is wrong with it."""
    if field.kind == "rows":
        rows = [{column.name: found for column in field.columns if (found := written(column, row.get(column.name))) is not None} for row in value or []]
        return [row for row in rows if row] or None
    if field.kind == "where":
        return _conditions(value or []) or None
    if field.kind == "words":
        found = [word.strip() for word in value.split(",")] if isinstance(value, str) else list(value or [])
        found = [word for word in found if word]
        return "all" if found == ["all"] else found or None
    if not value:
        return None
    if field.kind == "whole":
        return int(value) if str(value).isdecimal() else value
    return FLAGS[value] if field.kind == "flag" else value


def shown(field: Field, value: Any) -> Any:
    """The text of a value of the document. Raises UnshownError."""
    if value is None:
        return ""
    if field.kind == "rows":
        return [_row(field, row) for row in value]
    if field.kind == "where":
        return [_test(name, wanted) for name, wanted in value.items()]
    if field.kind == "words":
        words = value if isinstance(value, list) else [value]
        if any("," in str(word) for word in words):
            raise UnshownError(field.name)
        return ", ".join(map(str, words))
    if field.kind == "flag":
        return next((text for text, flag in FLAGS.items() if flag is value), "")
    if isinstance(value, Mapping):
        raise UnshownError(field.name)
    return list(value) if isinstance(value, list) else str(value)


def _row(field: Field, row: Mapping[str, Any]) -> dict[str, Any]:
    if not set(row) <= {column.name for column in field.columns}:
        raise UnshownError(field.name)
    return {column.name: shown(column, row[column.name]) for column in field.columns if column.name in row}


def _conditions(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A filter as the document has it."""
    found: dict[str, Any] = {}
    for row in rows:
        name, test = (row.get("property") or "").strip(), row.get("test") or IS
        words = [word for each in (row.get("values") or "").split(",") if (word := each.strip())]
        if name and test in (THERE, MISSING):
            found[name] = {"exists": test == THERE}
        elif name and words and test == IS_NOT:
            found[name] = {"not_in": words}
        elif name and words:
            found[name] = words[0] if len(words) == 1 else words
    return found


def _test(name: str, wanted: Any) -> dict[str, str]:
    """A row of a filter. Raises UnshownError."""
    if isinstance(wanted, Mapping):
        if set(wanted) == {"exists"}:
            return {"property": name, "test": THERE if wanted["exists"] else MISSING}
        if set(wanted) != {"not_in"}:
            raise UnshownError(name)
        test, values = IS_NOT, wanted["not_in"]
    else:
        test, values = IS, wanted if isinstance(wanted, list) else [wanted]
    words = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    if any("," in word for word in words) or not words:
        raise UnshownError(name)
    return {"property": name, "test": test, "values": ", ".join(words)}


def _put(term: dict[str, Any], path: Sequence[str | int], value: Any) -> None:
    at: Any = term
    for step, after in pairwise(path):
        fresh: Any = [] if isinstance(after, int) else {}
        if isinstance(step, int):
            if len(at) <= step:
                at.append(fresh)
            at = at[step]
        else:
            at = at.setdefault(step, fresh)
    at[path[-1]] = value


def _take(term: Any, path: Sequence[str | int]) -> Any:
    """What stands there, taken out; None: nothing does."""
    for step in path[:-1]:
        if isinstance(step, int):
            term = term[step] if isinstance(term, list) and len(term) > step else None
        else:
            term = term.get(step) if isinstance(term, dict) else None
    return term.pop(path[-1], None) if isinstance(term, dict) else None


def _full(value: Any) -> bool:
    """Whether anything is left of a term."""
    if isinstance(value, dict):
        return any(_full(each) for each in value.values())
    if isinstance(value, list):
        return any(_full(each) for each in value)
    return value is not None
