"""Pieces of SQL as trees: names and values that users wrote become escaped literals here, and nowhere else."""

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from contracts.catalogue import Scalar
from contracts.matching import scalar_text

DIALECT: Final = "clickhouse"
Tree = exp.Expr
"""A piece of SQL."""


def text(value: str) -> Tree:
    return exp.Literal.string(value)


def whole(value: int) -> Tree:
    return exp.Literal.number(value)


def call(name: str, *arguments: Tree) -> Tree:
    """A function of the engine; the arguments are copied, so a tree can stand in several places."""
    return exp.Anonymous(this=name, expressions=[each.copy() for each in arguments])


def property_of(key: str) -> Tree:
    """The property's text; empty where it is absent."""
    return call("arrayElement", exp.column("properties"), text(key))


def has(key: str) -> Tree:
    return call("mapContains", exp.column("properties"), text(key))


def among(tree: Tree, values: Sequence[Scalar]) -> Tree:
    if not values:
        return exp.false()
    return exp.In(this=tree, expressions=[text(scalar_text(value)) for value in values])


def sql(tree: Tree) -> str:
    return tree.sql(dialect=DIALECT)
