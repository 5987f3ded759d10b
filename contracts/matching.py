"""Filters over the properties of an event or the values of a group."""

from collections.abc import Mapping

from contracts.catalogue import Condition, Scalar, Where

__all__ = ["fixed_values", "matches", "reaches", "scalar_text", "values_named"]


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
        elif have is None or have not in _values(wanted):
            return False
    return True


def fixed_values(where: Where) -> dict[str, frozenset[str]]:
    """What a product's own filter says about the properties of all its usage: the values that they can have."""
    return {key: frozenset(_values(wanted)) for key, wanted in where.items() if not isinstance(wanted, Condition)}


def reaches(where: Where, group: Mapping[str, str], fixed: Mapping[str, frozenset[str]]) -> bool:
    """Whether a filter of a rate, override or grant holds for all usage of a product's group. `fixed` is what the product's filter says."""
    for key, wanted in where.items():
        if key in group or key not in fixed:
            if not matches({key: wanted}, group):
                return False
        elif isinstance(wanted, Condition):
            if wanted.exists is False or (wanted.not_in is not None and not fixed[key].isdisjoint(scalar_text(v) for v in wanted.not_in)):
                return False
        elif not fixed[key] <= set(_values(wanted)):
            return False
    return True


def values_named(where: Where) -> int:
    """How many group values a filter names: few means narrow."""
    return sum(len(wanted) if isinstance(wanted, list) else 1 for wanted in where.values())


def _values(wanted: Scalar | list[Scalar]) -> list[str]:
    return [scalar_text(v) for v in wanted] if isinstance(wanted, list) else [scalar_text(wanted)]
