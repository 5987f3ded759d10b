"""Value expressions: + - * /, parentheses, least, greatest, over decimal properties. Products and quotients are cut to 18 places."""

import re
from collections.abc import Mapping
from fractions import Fraction

NUMBER = re.compile(r"[+-]?[0-9]{1,38}(\.[0-9]{1,18})?", re.ASCII)
TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|[A-Za-z_]\w*|[-+*/(),])")


def number(text: str | None) -> Fraction | None:
    """The number in a property, or None."""
    return Fraction(text) if text is not None and NUMBER.fullmatch(text) else None


def evaluate(text: str, properties: Mapping[str, str]) -> Fraction | None:
    """The value; None when some property has none, or nothing can be computed."""
    tokens = TOKEN.findall(text)
    try:
        value, rest = _sum(tokens, properties)
    except (ValueError, ZeroDivisionError):
        return None
    assert not rest, text
    return value


def _cut(value: Fraction) -> Fraction:
    scaled = value * 10**18
    return Fraction(abs(scaled.numerator) // scaled.denominator * (1 if scaled >= 0 else -1), 10**18)


def _sum(tokens: list[str], properties: Mapping[str, str]) -> tuple[Fraction, list[str]]:
    value, rest = _product(tokens, properties)
    while rest and rest[0] in "+-":
        right, after = _product(rest[1:], properties)
        value, rest = (value + right if rest[0] == "+" else value - right), after
    return value, rest


def _product(tokens: list[str], properties: Mapping[str, str]) -> tuple[Fraction, list[str]]:
    value, rest = _atom(tokens, properties)
    while rest and rest[0] in "*/":
        right, after = _atom(rest[1:], properties)
        value, rest = _cut(value * right if rest[0] == "*" else value / right), after
    return value, rest


def _atom(tokens: list[str], properties: Mapping[str, str]) -> tuple[Fraction, list[str]]:
    head, rest = tokens[0], tokens[1:]
    if head == "-":
        value, rest = _atom(rest, properties)
        return -value, rest
    if head == "(":
        value, rest = _sum(rest, properties)
        return value, rest[1:]
    if head in {"least", "greatest"}:
        values, rest = [], ["(", *rest[1:]]
        while rest[0] in "(,":
            value, rest = _sum(rest[1:], properties)
            values.append(value)
        return (min if head == "least" else max)(values), rest[1:]
    if head[0].isdigit():
        return Fraction(head), rest
    found = number(properties.get(head))
    if found is None:
        raise ValueError(head)
    return found, rest
