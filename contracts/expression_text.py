"""The text of a value expression to its tree, by sqlglot and an allow-list: whatever is not named here is refused."""

import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from contracts.expressions import NUMBER, SCALE, Call, Node, Number, Property, Text

MAX_LENGTH: Final = 2000
MAX_NODES: Final = 100
"""Keeps sums of products inside the 58 digits that stand before the point, and statements short."""

ALLOWED: Final = (
    "+ - * /, least, greatest, abs, ceil, floor, round, coalesce, if(condition, a, b), case when … then … else … end,"
    " and in conditions = <> < <= > >=, in, between, is null, and, or, not"
)
_HINTS: Final = {"max": "greatest", "min": "least", "ceiling": "ceil", "multiif": "case when … end", "sum": "aggregation: sum of the metric", "iif": "if"}
_FUNCTIONS: Final = ("least", "greatest", "abs", "ceil", "floor", "round", "coalesce", "if")
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|`[^`]*`")
_BINARY: Final[Mapping[type[exp.Expr], str]] = {exp.Add: "add", exp.Sub: "subtract", exp.Mul: "multiply", exp.Div: "divide"}
_ROUNDS: Final[Mapping[type[exp.Expr], str]] = {exp.Ceil: "ceil", exp.Floor: "floor", exp.Round: "round"}
_TURNED: Final[Mapping[type[exp.Expr], tuple[str, bool]]] = {
    exp.EQ: ("equal", False),
    exp.LT: ("less", False),
    exp.LTE: ("at_most", False),
    exp.GT: ("less", True),
    exp.GTE: ("at_most", True),
}
"""Comparisons, and whether their sides change places."""


def read(text: str) -> Node:
    """The tree of a number. Raises ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the expression has {len(text):,} characters; {MAX_LENGTH:,} are allowed")
    bare = _QUOTED.sub("", text)
    for sign in ("--", "/*", "#", ";", "\\"):
        if sign in bare:
            hint = ": it starts a comment; write a - (-b)" if sign == "--" else ""
            raise ValueError(f"{sign} has no place in an expression{hint}")
    try:
        tree = sqlglot.parse_one(text, dialect="clickhouse", into=exp.Condition)
        if sum(1 for _ in tree.walk()) > 3 * MAX_NODES:  # identifiers and brackets are nodes of sqlglot's too
            raise ValueError(f"the expression has too many parts; about {MAX_NODES} are allowed")
        return _value(tree)
    except SqlglotError as error:
        said = str(error).splitlines()[0].split(". Line ")[0]
        raise ValueError(f"{text!r} is no expression ({said}); allowed are {ALLOWED}") from None
    except RecursionError:
        raise ValueError("the expression is nested too deeply") from None


def _value(tree: exp.Expr) -> Node:
    """A number."""
    kind = type(tree)
    if isinstance(tree, exp.Paren):
        return _value(tree.this)
    if isinstance(tree, exp.Column):
        return _property(tree)
    if isinstance(tree, exp.Literal):
        return _literal(tree)
    if kind in _BINARY:
        return Call(_BINARY[kind], (_value(tree.this), _value(tree.expression)))
    if kind in _READERS:
        return _READERS[kind](tree)
    raise _refused(tree)


def _negated(tree: exp.Expr) -> Node:
    inner = _value(tree.this)
    return Number(inner.value.copy_negate()) if isinstance(inner, Number) else Call("negate", (inner,))


def _absolute(tree: exp.Expr) -> Node:
    return Call("abs", (_value(tree.this),))


def _extreme(tree: exp.Expr) -> Node:
    arguments = tuple(_value(each) for each in [tree.this, *tree.expressions])
    return Call("least" if isinstance(tree, exp.Least) else "greatest", arguments) if len(arguments) > 1 else arguments[0]


def _property(tree: exp.Expr) -> Property:
    if isinstance(tree, exp.Paren):
        return _property(tree.this)
    if not isinstance(tree, exp.Column) or not all(isinstance(part, exp.Identifier) for part in tree.parts):
        raise ValueError(f"{_shown(tree)} must be the name of a property here")
    return Property(".".join(part.name for part in tree.parts))


def _literal(tree: exp.Literal) -> Number:
    if tree.is_string:
        raise ValueError(f"the text {tree.name!r} stands where a number is needed; a property name needs no quotes, or double ones")
    if re.fullmatch(NUMBER, tree.name, re.ASCII) is None:
        raise ValueError(f"{tree.name} must be a plain decimal of at most 38 digits before the point and {SCALE} behind")
    return Number(Decimal(tree.name))


def _rounded(tree: exp.Expr) -> Node:
    function = _ROUNDS[type(tree)]
    places = tree.args.get("decimals")
    if any(tree.args.get(key) for key in ("to", "truncate", "casts_non_integer_decimals")):
        raise _refused(tree)
    digits = Number(Decimal(0)) if places is None else _value(places)
    if not isinstance(digits, Number) or digits.value not in range(SCALE + 1):
        raise ValueError(f"{function} takes a number of places from 0 to {SCALE}, written out; not {_shown(places)}")
    return Call(function, (_value(tree.this), digits))


def _coalesce(tree: exp.Expr) -> Node:
    *first, last = [tree.this, *tree.expressions]
    arguments = (*(_property(each) for each in first), _value(last))
    return Call("coalesce", arguments) if first else arguments[0]


def _if(tree: exp.Expr) -> Node:
    if tree.args.get("false") is None:
        raise ValueError("if takes a condition and two values: if(region = 'eu', a, b)")
    return Call("if", (_condition(tree.this), _value(tree.args["true"]), _value(tree.args["false"])))


def _case(tree: exp.Expr) -> Node:
    if tree.args.get("default") is None:
        raise ValueError("a case needs an else: case when region = 'eu' then a else b end")
    found = _value(tree.args["default"])
    for branch in reversed(tree.args["ifs"]):
        wanted = branch.this if tree.this is None else exp.EQ(this=tree.this.copy(), expression=branch.this.copy())
        found = Call("if", (_condition(wanted), _value(branch.args["true"]), found))
    return found


def _condition(tree: exp.Expr) -> Call:
    kind = type(tree)
    if isinstance(tree, exp.Paren):
        return _condition(tree.this)
    if isinstance(tree, exp.Not):
        return Call("not", (_condition(tree.this),))
    if isinstance(tree, exp.And | exp.Or):
        return Call("and" if kind is exp.And else "or", (_condition(tree.this), _condition(tree.expression)))
    if isinstance(tree, exp.NEQ):
        return Call("not", (_condition(exp.EQ(this=tree.this, expression=tree.expression)),))
    if isinstance(tree, exp.Between):
        low = Call("at_most", (_value(tree.args["low"]), _value(tree.this)))
        return Call("and", (low, Call("at_most", (_value(tree.this), _value(tree.args["high"])))))
    if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
        return Call("absent", (_property(tree.this),))
    if isinstance(tree, exp.In) and tree.expressions:
        return _among(tree.this, tree.expressions)
    if kind in _TURNED:
        return _comparison(tree)
    raise ValueError(f"{_shown(tree)} is no condition; allowed are = <> < <= > >=, in, between, is null, and, or, not")


def _comparison(tree: exp.Expr) -> Call:
    function, turned = _TURNED[type(tree)]
    one, other = (tree.expression, tree.this) if turned else (tree.this, tree.expression)
    if _is_text(one) or _is_text(other):
        if function != "equal":
            raise ValueError(f"{_shown(tree)}: texts are compared with =, <> and in only")
        return _among(one, [other]) if _is_text(other) else _among(other, [one])
    return Call(function, (_value(one), _value(other)))


def _among(tree: exp.Expr, wanted: list[exp.Expr]) -> Call:
    if all(_is_text(each) for each in wanted):
        return Call("is", (_property(tree), *(Text(each.name) for each in wanted)))
    parts: list[Call] = [Call("equal", (_value(tree), _value(each))) for each in wanted]
    return parts[0] if len(parts) == 1 else Call("or", tuple(parts))


def _is_text(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Literal) and bool(tree.is_string)


def _refused(tree: exp.Expr) -> ValueError:
    name = str(tree.this) if isinstance(tree, exp.Anonymous) else tree.sql_name().lower() if isinstance(tree, exp.Func) else ""
    if not name:
        return ValueError(f"{_shown(tree)} has no place in an expression; allowed are {ALLOWED}. A property whose name reads as SQL stands in double quotes")
    close = difflib.get_close_matches(name.lower(), _FUNCTIONS, 1, 0.6)
    better: Callable[[str], str] = lambda word: f" did you mean {word}?"  # noqa: E731
    hint = better(_HINTS[name.lower()]) if name.lower() in _HINTS else better(close[0]) if close else ""
    return ValueError(f"there is no function {name!r} in expressions;{hint} allowed are {ALLOWED}")


def _shown(tree: exp.Expr | None) -> str:
    return "nothing" if tree is None else repr(tree.sql(dialect="clickhouse"))


_READERS: Final[Mapping[type[exp.Expr], Callable[[exp.Expr], Node]]] = {
    exp.Neg: _negated,
    exp.Abs: _absolute,
    exp.Least: _extreme,
    exp.Greatest: _extreme,
    exp.Ceil: _rounded,
    exp.Floor: _rounded,
    exp.Round: _rounded,
    exp.Coalesce: _coalesce,
    exp.If: _if,
    exp.Case: _case,
}
