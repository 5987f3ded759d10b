"""A value expression as SQL: the same number as `contracts.expressions.evaluate`, or NULL where that has none.

Everything is `Decimal(76, 18)`. Nothing here raises in the engine: what could overflow or divide by zero is looked at first. An operand
that is needed twice is named where it stands first (`… AS name`) and meant by that name later, so statements stay as long as expressions.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final

from sqlglot import exp

from contracts.expressions import NUMBER, SCALE, Call, Node, Number, Property, Text

NAMES: Final = "taximeter_value_"
_SAFE: Final = exp.Literal.number("2e38")
"""A product or quotient of floating-point numbers below this is far below what 256 bits hold, and anything below 10^38 is below this."""
_LIMIT: Final = "1" + "0" * 38


def value(node: Node, names: Iterator[int] | None = None) -> exp.Expr:
    """The expression over the column `properties`: Nullable(Decimal(76, 18)). Use it once in a statement, or give `names` to go on from."""
    return _limited(_number(node, names := names or count()), names)


def text_number(key: str) -> exp.Expr:
    """The number of a property, NULL when it is absent or not one."""
    text = _text_of(key)
    plain = _call("if", _call("match", text, exp.Literal.string(NUMBER)), text.copy(), exp.Literal.string(""))
    return _call("toDecimal256OrNull", plain, exp.Literal.number(SCALE))


def _number(node: Node, names: Iterator[int]) -> exp.Expr:
    match node:
        case Number(exact):
            return _call("toDecimal256", exp.Literal.string(format(exact, "f")), exp.Literal.number(SCALE))
        case Property(name):
            return text_number(name)
        case Text():
            raise TypeError("a text has no number")
        case Call("if", (wanted, one, other)):
            condition, again = _named(_condition(wanted, names), names)
            return _call("multiIf", condition, _number(one, names), exp.not_(again), _number(other, names), exp.null())
        case Call("coalesce", (*first, last)):
            branches = [part for each in first if isinstance(each, Property) for part in (_has(each.name), text_number(each.name))]
            return _call("multiIf", *branches, _number(last, names))
        case Call("round" | "ceil" | "floor" as function, (inner, places)):
            digits = exp.Literal.number(int(places.value) if isinstance(places, Number) else 0)
            return _call(function, _number(inner, names), digits)
        case Call(function, arguments):
            return _computed(function, [_number(each, names) for each in arguments], names)


def _computed(function: str, operands: list[exp.Expr], names: Iterator[int]) -> exp.Expr:
    if function == "add":
        return _paren(exp.Add(this=operands[0], expression=operands[1]))
    if function == "subtract":
        return _paren(exp.Sub(this=operands[0], expression=operands[1]))
    if function in {"negate", "abs"}:
        return _call(function, *operands)
    if function in {"least", "greatest"}:
        return _extreme(function, operands, names)
    first, one = _named(operands[0], names)
    second, other = _named(operands[1], names)
    size: exp.Expr
    if function == "multiply":
        size = exp.Mul(this=_float(first), expression=_float(second))
        exact = _call("toDecimal256", exp.Mul(this=one, expression=other), exp.Literal.number(SCALE))
    else:
        nothing = exp.EQ(this=other.copy(), expression=exp.Literal.number(0))
        divisor = _call("if", nothing, _call("toDecimal256", exp.Literal.number(1), exp.Literal.number(SCALE)), other)
        # A float quotient by zero is infinite or no number, and neither is below the limit.
        size = exp.Div(this=_float(first), expression=_float(second))
        exact = exp.Div(this=one, expression=divisor)
    small = exp.LT(this=_call("abs", size), expression=_SAFE.copy())
    return _limited(_call("if", small, exact, exp.null()), names)


def _extreme(function: str, operands: list[exp.Expr], names: Iterator[int]) -> exp.Expr:
    """The engine's least and greatest pass over NULL; here one operand without a value is enough for none."""
    pairs = [_named(each, names) for each in operands]
    total: exp.Expr = pairs[0][0]
    for first, _ in pairs[1:]:
        total = exp.Add(this=total, expression=first)
    return _call("if", exp.Is(this=_paren(total), expression=exp.null()), exp.null(), _call(function, *(again for _, again in pairs)))


def _condition(node: Node, names: Iterator[int]) -> exp.Expr:
    match node:
        case Call("and" | "or" as function, arguments):
            return _call(function, *(_condition(each, names) for each in arguments))
        case Call("not", (inner,)):
            return _call("not", _condition(inner, names))
        case Call("absent", (Property(name),)):
            return _call("not", _has(name))
        case Call("is", (Property(name), *texts)):
            wanted = [exp.Literal.string(each.value) for each in texts if isinstance(each, Text)]
            return _call("and", _has(name), exp.In(this=_text_of(name), expressions=wanted))
        case Call("equal" | "less" | "at_most" as function, (one, other)):
            names_of = {"equal": "equals", "less": "less", "at_most": "lessOrEquals"}
            return _call(names_of[function], _number(one, names), _number(other, names))
    raise TypeError("a value is no condition")


def _limited(tree: exp.Expr, names: Iterator[int]) -> exp.Expr:
    first, again = _named(tree, names)
    limit = _call("toDecimal256", exp.Literal.string(_LIMIT), exp.Literal.number(SCALE))
    return _call("if", exp.LT(this=_call("abs", first), expression=limit), again, exp.null())


def _named(tree: exp.Expr, names: Iterator[int]) -> tuple[exp.Expr, exp.Expr]:
    """The tree with a name, and the name alone."""
    name = f"{NAMES}{next(names)}"
    return exp.Paren(this=exp.alias_(tree, name)), exp.column(name)


def _float(tree: exp.Expr) -> exp.Expr:
    return _call("toFloat64", tree)


def _has(key: str) -> exp.Expr:
    return _call("mapContains", exp.column("properties"), exp.Literal.string(key))


def _text_of(key: str) -> exp.Expr:
    return _call("arrayElement", exp.column("properties"), exp.Literal.string(key))


def _paren(tree: exp.Expr) -> exp.Expr:
    return exp.Paren(this=tree)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))
