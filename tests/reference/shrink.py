"""Drops parts of a case while something still holds: the smallest case that shows it."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

Case = dict[str, Any]
KEEP = {"case", "as_of", "catalogue", "id", "customer", "product", "event_type", "timestamp", "rate_card"}


def shrink(case: Case, holds: Callable[[Case], bool], tries: int = 2000) -> Case:
    """A case from which no single part can be taken without `holds` becoming false (or after `tries`)."""
    best = case
    going = True
    while going and tries > 0:
        going = False
        for smaller in _smaller(best):
            tries -= 1
            if tries <= 0:
                break
            if holds(smaller):
                best, going = smaller, True
                break
    return best


def _smaller(case: Case) -> Iterator[Case]:
    """Copies of the case with one part less, the large parts first."""
    if "readings" in case:
        for reading in case["readings"]:
            yield {key: value for key, value in case.items() if key != "readings"} | {"as_of": reading["as_of"]}
    paths = sorted(_paths(case, ()), key=len)
    for path in paths:
        made = copy.deepcopy(case)
        at: Any = made
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        yield made


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in KEEP:
                yield (*path, key)
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield (*path, number)
            yield from _paths(item, (*path, number))
