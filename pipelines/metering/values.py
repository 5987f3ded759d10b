"""The value of an event as SQL: the same number that `contracts.expressions.evaluate` gives, or null where that gives none.

Every number is a Decimal(76, 18), nullable: 58 digits before the point. Products and quotients are below 10^38 and an expression has
about a hundred parts, so a sum of them fits. A product that fits has less than 76 digits with all 36 behind the point, and is cut towards zero; a
quotient is counted digit by digit (`divideDecimal`), unless it is one by a whole number that stands in the expression, which takes a twentieth of the time.
They see only operands whose result fits. So nothing here can throw.

Every operand stands once in the SQL, as an argument of a lambda where it is needed more often: the text grows with the expression and
not with its depth.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from sqlglot import exp

from contracts.expressions import NUMBER, SCALE, Call, Node, Number, Property, Text
from pipelines.metering.trees import Tree, among, call, has, property_of, text, whole

_ESTIMATE: Final = exp.Literal.number("1e39")
"""Results estimated (in binary floats) at or above it are over the limit of 10^38; those below it fit in the type."""
_LIMIT: Final = call("toDecimal256", text("1" + "0" * 38), whole(SCALE))
_ZERO: Final = call("toDecimal256", whole(0), whole(SCALE))
_ONE: Final = call("toDecimal256", whole(1), whole(SCALE))
_NOTHING: Final = exp.Cast(this=exp.null(), to=exp.DataType.build("Nullable(Decimal(76, 18))", dialect="clickhouse"))
_ROUNDS: Final = frozenset({"round", "ceil", "floor"})
_COMPARED: Final = {"equal": "equals", "less": "less", "at_most": "lessOrEquals"}


def value_of(node: Node) -> Tree:
    """The value of an expression; null where it has none."""
    return _let([_number(node)], lambda value: call("if", _within(value), value, _NOTHING))


def is_number(key: str) -> Tree:
    return call("match", property_of(key), text(NUMBER))


def decimal_of(found: Tree) -> Tree:
    """The number in a text of which it is known that it is one. The engine may look at others too before it filters, so it must not throw."""
    return call("toDecimal256OrZero", found, whole(SCALE))


def _number(node: Node) -> Tree:
    if isinstance(node, Number):
        return call("toNullable", call("toDecimal256", text(f"{node.value:f}"), whole(SCALE)))
    if isinstance(node, Property):
        return call("if", is_number(node.name), call("toNullable", decimal_of(property_of(node.name))), _NOTHING)
    if isinstance(node, Text):
        raise TypeError("a text has no number")
    function, arguments = node
    if function == "if":
        branches = call("array", _number(arguments[2]), _number(arguments[1]), _NOTHING)
        return call("arrayElement", branches, call("plus", call("ifNull", _condition(arguments[0]), whole(2)), whole(1)))
    if function == "coalesce":
        *first, last = arguments
        found = [tree for each in first if isinstance(each, Property) for tree in (has(each.name), _number(each))]
        return call("multiIf", *found, _number(last))
    divisor = arguments[-1]
    if function == "divide" and isinstance(divisor, Number) and divisor.value and divisor.value == divisor.value.to_integral_value():
        return _let([_number(arguments[0])], lambda one: _part(one, divisor.value))
    return _computed(function, [_number(each) for each in arguments])


def _computed(function: str, operands: list[Tree]) -> Tree:
    match function:
        case "add":
            return call("plus", *operands)
        case "subtract":
            return call("minus", *operands)
        case "negate" | "abs":
            return call(function, *operands)
        case "multiply":
            return _let(operands, _product)
        case "divide":
            return _let(operands, _quotient)
        case "least" | "greatest":
            return _let(operands, lambda *them: _choice(function, them))
    if function not in _ROUNDS:
        raise NotImplementedError(f"METER has no SQL for {function}")
    one, *places = operands
    return call(function, one, *[call("toUInt8", call("assumeNotNull", each)) for each in places])


def _product(one: Tree, other: Tree) -> Tree:
    fits = _below(call("multiply", _size(one), _size(other)))
    product = call("toDecimal256", call("multiply", call("if", fits, call("assumeNotNull", one), _ZERO), call("ifNull", other, _ZERO)), whole(SCALE))
    return call("if", exp.and_(fits, _within(product)), call("toNullable", product), _NOTHING)


def _quotient(one: Tree, other: Tree) -> Tree:
    divisor = call("if", call("ifNull", call("notEquals", other, _ZERO), whole(0)), call("assumeNotNull", other), _ONE)
    fits = exp.and_(call("ifNull", call("notEquals", other, _ZERO), whole(0)), _below(call("divide", _size(one), _size(divisor))))
    quotient = call("divideDecimal", call("if", fits, call("assumeNotNull", one), _ZERO), divisor, whole(SCALE))
    return call("if", exp.and_(fits, _within(quotient)), call("toNullable", quotient), _NOTHING)


def _part(one: Tree, divisor: Decimal) -> Tree:
    """The quotient by a whole number that is not 0: the engine divides the dividend's digits as they are."""
    quotient = call("divide", one, call("toDecimal256", text(f"{divisor:f}"), whole(0)))
    return call("if", _within(quotient), quotient, _NOTHING)


def _choice(function: str, operands: Sequence[Tree]) -> Tree:
    # Versions of ClickHouse disagree about nulls here, so it never sees one.
    known = exp.and_(*[call("isNotNull", each) for each in operands])
    return call("if", known, call("toNullable", call(function, *[call("assumeNotNull", each) for each in operands])), _NOTHING)


def _condition(node: Node) -> Tree:
    """True, false or null: three-valued, as in SQL."""
    if not isinstance(node, Call):
        raise TypeError("a value is no condition")
    function, arguments = node
    if function in {"and", "or", "not"}:
        return call(function, *[_condition(each) for each in arguments])
    first = arguments[0]
    if isinstance(first, Property) and function == "absent":
        return call("not", has(first.name))
    if isinstance(first, Property) and function == "is":
        return call("and", has(first.name), among(property_of(first.name), [each.value for each in arguments[1:] if isinstance(each, Text)]))
    return call(_COMPARED[function], _number(first), _number(arguments[1]))


def _let(operands: Sequence[Tree], body: Callable[..., Tree]) -> Tree:
    """`body` over names of the operands' values."""
    names = [exp.to_identifier(f"v{number}") for number in range(len(operands))]
    function = exp.Lambda(this=body(*[exp.column(name) for name in names]), expressions=names)
    return call("arrayElement", call("arrayMap", function, *[call("array", each) for each in operands]), whole(1))


def _size(tree: Tree) -> Tree:
    return call("abs", call("toFloat64", tree))


def _below(estimate: Tree) -> Tree:
    return call("ifNull", call("less", estimate, _ESTIMATE), whole(0))


def _within(tree: Tree) -> Tree:
    return call("ifNull", call("less", call("abs", tree), _LIMIT), whole(0))
