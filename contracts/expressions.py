"""Values computed from the properties of one event: `input + 4 * output`, `least(amount * 0.0125, 11)`, `if(region = 'eu', a, b)`.

`parse` turns a user's text into a small typed tree; only what is listed here is allowed. `evaluate` computes it exactly; METER compiles the
same tree to SQL over `Decimal(76, 18)`, and both give the same number. What they share:

- A number is plain decimal text of at most 38 digits before and 18 behind the point (`NUMBER`). Sums and differences are exact.
- A product and a quotient are exact and then cut, towards zero, to 18 places. A division by zero has no value.
- A product, a quotient and the result are smaller than 10^38 in size; a larger one has no value. `round` rounds half away from zero.
- A property that is absent or not a number has no value, and what is computed from it has none either. Of `if` and `case` only the
  branch that is taken counts; a condition over something without a value has none, except as `and`, `or` decide without it.
- `coalesce(p, q, e)` takes the first property that is present. A comparison with text asks for the text of one property: an absent one
  is not equal to any text. `p is null` tells that a property is absent.

An event whose expression has no value is rejected as `not_a_number`.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["LIMIT", "NUMBER", "SCALE", "Call", "Node", "Number", "Property", "Text", "evaluate", "number", "parse", "properties"]

SCALE: Final = 18
NUMBER: Final = r"^[+-]?[0-9]{1,38}([.][0-9]{1,18})?$"
"""A number in a property, as a regular expression that Python and RE2 read alike (Python: with fullmatch)."""
LIMIT: Final = Decimal(10**38)
_NUMBER = re.compile(NUMBER, re.ASCII)
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
_ROUNDING = Context(prec=200)
_MODES: Final = {"round": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


class Number(NamedTuple):
    """A literal."""

    value: Decimal


class Text(NamedTuple):
    """A literal text; stands only beside a property in a comparison."""

    value: str


class Property(NamedTuple):
    """A property of the event: its number, or its text in a comparison with text."""

    name: str


class Call(NamedTuple):
    """A function or operator.

    To numbers: add, subtract, multiply, divide, least, greatest (two or more), negate, abs, ceil, floor, round (value, Number of places),
    coalesce (properties, then anything), if (condition, value, value).
    To conditions: equal, less, at_most (numbers), is (Property, Text…: its text is one of them), absent (Property), and, or, not.
    """

    function: str
    arguments: tuple["Node", ...]


Node = Number | Text | Property | Call


def number(text: str | None) -> Decimal | None:
    """The number of a property's text; none: it is no number."""
    return Decimal(text) if text is not None and _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of an expression. Raises ValueError with what is wrong and what is allowed."""
    # Imported here: most catalogues have no expression, and the parser takes longer to load than a case to rate.
    from contracts import expression_text  # noqa: PLC0415

    return expression_text.read(text)


def evaluate(node: Node, of: Mapping[str, str]) -> Decimal | None:
    """The value for an event with these properties; none: it has none. Exact, see the module."""
    value = _number(node, of)
    return value if value is not None and value.copy_abs() < LIMIT else None


def properties(node: Node) -> frozenset[str]:
    """The properties an expression names."""
    if isinstance(node, Property):
        return frozenset({node.name})
    if isinstance(node, Call):
        return frozenset().union(*(properties(each) for each in node.arguments))
    return frozenset()


def _number(node: Node, of: Mapping[str, str]) -> Decimal | None:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Property):
        return number(of.get(node.name))
    if isinstance(node, Text):
        raise TypeError("a text has no number")
    function, arguments = node
    if function == "if":
        condition = _holds(arguments[0], of)
        return None if condition is None else _number(arguments[1 if condition else 2], of)
    if function == "coalesce":
        present = (each for each in arguments[:-1] if isinstance(each, Property) and each.name in of)
        return _number(next(present, arguments[-1]), of)
    operands = []
    for each in arguments:
        value = _number(each, of)
        if value is None:
            return None
        operands.append(value)
    return _computed(function, operands)


def _computed(function: str, operands: list[Decimal]) -> Decimal | None:
    first, *rest = operands
    match function:
        case "add":
            return _EXACT.add(first, rest[0])
        case "subtract":
            return _EXACT.subtract(first, rest[0])
        case "negate":
            return _EXACT.minus(first)
        case "abs":
            return _EXACT.abs(first)
        case "least":
            return min(operands)
        case "greatest":
            return max(operands)
        case "multiply":
            return _cut(Fraction(first) * Fraction(rest[0]))
        case "divide":
            return _cut(Fraction(first) / Fraction(rest[0])) if rest[0] else None
    places = int(rest[0]) if rest else 0
    return first.quantize(Decimal(1).scaleb(-places), _MODES[function], _ROUNDING)


def _cut(exact: Fraction) -> Decimal | None:
    """To 18 places, towards zero; none: it is too large."""
    whole = abs(exact.numerator) * 10**SCALE // exact.denominator
    if whole >= 10 ** (38 + SCALE):
        return None
    return Decimal(whole if exact >= 0 else -whole).scaleb(-SCALE, _ROUNDING)


def _holds(node: Node, of: Mapping[str, str]) -> bool | None:
    if not isinstance(node, Call):
        raise TypeError("a value is no condition")
    function, arguments = node
    if function in {"and", "or"}:
        parts = [_holds(each, of) for each in arguments]
        decides = function == "or"
        return decides if decides in parts else None if None in parts else not decides
    if function == "not":
        inner = _holds(arguments[0], of)
        return None if inner is None else not inner
    if isinstance(arguments[0], Property) and function in {"is", "absent"}:
        text = of.get(arguments[0].name)
        return text is None if function == "absent" else text is not None and Text(text) in arguments[1:]
    one, other = (_number(each, of) for each in arguments)
    if one is None or other is None:
        return None
    return one == other if function == "equal" else one < other if function == "less" else one <= other
