"""Filters over the properties of an event or the values of a group."""

from collections.abc import Mapping

from contracts.catalogue import Condition, Scalar, Where

__all__ = ["matches", "scalar_text", "values_named"]


def scalar_text(value: Scalar) -> str:
    """The text a property has for a document's value: numbers and booleans as they are written in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def matches(where: Where, properties: Mapping[str, str]) -> bool:
    """Whether all filters hold. A property that is absent meets only `exists: false` and `not_in`."""
    for key, wanted in where.items():
        have = properties.get(key)
        if isinstance(wanted, Condition):
            if wanted.exists is not None and wanted.exists != (have is not None):
                return False
            if wanted.not_in is not None and have is not None and have in [scalar_text(v) for v in wanted.not_in]:
                return False
        elif have is None or have not in ([scalar_text(v) for v in wanted] if isinstance(wanted, list) else (scalar_text(wanted),)):
            return False
    return True


def values_named(where: Where) -> int:
    """How many group values a filter names: few means narrow."""
    return sum(len(wanted) if isinstance(wanted, list) else 1 for wanted in where.values())
